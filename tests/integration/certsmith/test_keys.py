"""`certsmith keys` makes key rings and shows their status."""

from datetime import timedelta
from pathlib import Path

from certsmith.rotation.ring_files import VAULT, RingFiles
from shared.vault import KeyFiles
from shared.vault.rings import utc_now
from tests.rig.command_line import Answer, certsmith


async def keys(*words: str, folder: Path) -> Answer:
    return await certsmith("keys", *words, environment={"CERTSMITH_KEYS_DIR": str(folder)})


async def test_all_rings_are_made_once_and_nothing_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "keys"

    made, again = await keys("generate", "--json", folder=folder), await keys("generate", folder=folder)

    assert made.code == 0
    assert sorted(made.document["files"]) == sorted(str(path) for path in folder.iterdir())
    assert again.code == 78
    assert "exists already, so nothing was made" in again.err


async def test_the_status_shows_keys_by_their_ids_only(tmp_path: Path) -> None:
    await keys("generate", folder=tmp_path)
    secrets = [
        line.split('"')[3]
        for path in tmp_path.iterdir()
        for line in path.read_text().splitlines()
        if '"secret": "' in line
    ]

    answer = await keys("status", "--json", folder=tmp_path)

    assert answer.code == 0
    assert [ring["problem"] for ring in answer.document["rings"]] == [None] * 8
    assert len(secrets) == 5
    assert not any(secret in answer.out for secret in secrets)


async def test_a_service_misses_only_what_it_needs(tmp_path: Path) -> None:
    await keys("generate", folder=tmp_path)
    (tmp_path / "vault.secret.json").unlink()

    of_terminator = await keys("status", "--for", "terminator", "--json", folder=tmp_path)
    of_provisioner = await keys("status", "--for", "provisioner", "--json", folder=tmp_path)

    assert (of_terminator.code, of_provisioner.code) == (1, 0)
    assert [ring["ring"] for ring in of_terminator.document["rings"] if ring["problem"]] == ["vault"]


async def test_a_service_that_needs_no_ring_is_a_usage_error(tmp_path: Path) -> None:
    answer = await keys("status", "--for", "nobody", folder=tmp_path)

    assert answer.code == 2


async def test_the_status_shows_what_each_key_is_for_and_how_much_needs_it(tmp_path: Path, database_url: str) -> None:
    await keys("generate", folder=tmp_path)
    vault = RingFiles(KeyFiles(keys_dir=tmp_path), VAULT)
    old = vault.newest.id
    older = vault.begin(now=utc_now(), active_from=utc_now()).id
    vault.retire([old], at=utc_now())
    current = vault.begin(now=utc_now(), active_from=utc_now()).id
    coming = vault.begin(now=utc_now(), active_from=utc_now() + timedelta(hours=1)).id
    environment = {"CERTSMITH_KEYS_DIR": str(tmp_path), "KEEPER_DATABASE_URL": database_url}

    answer = await certsmith("keys", "status", "--for=terminator", "--usage", "--json", environment=environment)
    said = await certsmith("keys", "status", "--for=terminator", "--usage", environment=environment)

    secret, verify = answer.document["rings"]
    assert {key["id"]: key["state"] for key in secret["keys"]} == {
        old: "retired",
        older: "older",
        current: "current",
        coming: "next",
    }
    assert {key["in_use"] for key in secret["keys"]} == {0}
    assert [key["state"] for key in verify["keys"]] == ["current", "current"]
    assert (answer.code, secret["current"]) == (0, current)
    assert f"{old}" in said.out
    assert "retired 2" in said.out
    assert "next, from 2" in said.out


async def test_keys_whose_use_is_not_counted_have_no_number(tmp_path: Path, database_url: str) -> None:
    await keys("generate", folder=tmp_path)
    environment = {"CERTSMITH_KEYS_DIR": str(tmp_path), "KEEPER_DATABASE_URL": database_url}

    answer = await certsmith("keys", "status", "--usage", "--json", environment=environment)
    said = await certsmith("keys", "status", "--usage", environment=environment)

    counts = {each["file"].rpartition("/")[2]: each["keys"][0]["in_use"] for each in answer.document["rings"]}
    assert {name for name, count in counts.items() if count is None} == {"provisioner.secret.json"}
    (line,) = (each for each in said.out.splitlines() if each.startswith("provisioner.secret.json"))
    assert line.endswith("ok")
