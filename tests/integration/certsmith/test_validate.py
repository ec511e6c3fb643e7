"""`certsmith validate` as a process, without settings or servers."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from dev.certificates import Authority
from dev.waiting import within
from tests.rig.command_line import ROOT, Answer, certsmith

AUTHORITY: Final = Authority.create("a private root")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with `bundle.pem`, `key.pem`, `other.key`, `root.pem`, and `both.pem` with bundle and key."""
    bundle, key = AUTHORITY.issue("shop.example.com")
    contents = {
        "bundle.pem": bundle,
        "key.pem": key,
        "other.key": AUTHORITY.issue("shop.example.com")[1],
        "root.pem": AUTHORITY.pem,
        "both.pem": bundle + key,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


async def validate(*words: object) -> Answer:
    return await certsmith("validate", *map(str, words), environment={})


@asynccontextmanager
async def a_batch() -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a batch, whose input stays open for as long as the test likes."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "certsmith", "validate", "--batch"),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with within("the batch to answer"):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ask(batch: asyncio.subprocess.Process, line: bytes) -> Any:
    """Return the answer to *line*, which must come while the input is still open."""
    assert batch.stdin is not None
    assert batch.stdout is not None
    batch.stdin.write(line + b"\n")
    await batch.stdin.drain()
    return json.loads(await batch.stdout.readline())


async def test_a_good_pair_is_accepted(files: Path) -> None:
    words = ("--domain", "shop.example.com", "--trust", files / "root.pem")

    answer = await validate("--bundle", files / "bundle.pem", "--key", files / "key.pem", *words)

    assert answer.code == 0
    assert answer.out.startswith("CN=a private root  a trusted root, not in the bundle\n")
    assert "\n└── certificate 1  CN=shop.example.com\n" in answer.out
    assert answer.out.splitlines()[-1].startswith("accepted")


async def test_a_mismatched_pair_is_refused_with_the_finding_under_the_key(files: Path) -> None:
    answer = await validate("--bundle", files / "bundle.pem", "--key", files / "other.key")

    assert answer.code == 3
    assert "\nkey\n  error[key_mismatch]: " in answer.out
    assert answer.out.splitlines()[-1].startswith("refused: 1 error")


async def test_programs_get_one_document(files: Path) -> None:
    words = ("--bundle", files / "bundle.pem", "--key", files / "key.pem", "--json")

    good, late = await validate(*words), await validate(*words, "--at", "2100-01-01")

    assert (good.code, good.document["id"], good.document["verdict"]) == (0, None, "accept")
    assert good.document["facts"]["names"] == ["shop.example.com"]
    assert (late.code, late.document["verdict"]) == (3, "reject")
    assert "certificate 1 (line 1)" in [reason["where"] for reason in late.document["reasons"]]


async def test_key_and_certificate_in_one_file_are_refused_in_both_places(files: Path) -> None:
    answer = await validate("--bundle", files / "both.pem", "--key", files / "both.pem", "--json")

    assert answer.code == 3
    assert {reason["code"] for reason in answer.document["reasons"]} == {"bundle_private_key", "key_foreign_block"}


async def test_a_file_can_come_from_standard_input(files: Path) -> None:
    read, write = os.pipe()
    os.write(write, (files / "key.pem").read_bytes())
    os.close(write)

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "certsmith", "validate", "--bundle", str(files / "bundle.pem"), "--key", "-"),
        cwd=ROOT,
        stdin=read,
        stdout=asyncio.subprocess.PIPE,
    )
    os.close(read)
    async with within("the command to end"):
        out, _ = await process.communicate()

    assert (process.returncode, out.decode().splitlines()[-1].split(",")[0]) == (0, "accepted")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--bundle", "no.pem", "--key", "no.key"), "usage", "--bundle: no.pem cannot be read: No such file"),
        (("--bundle", "/", "--key", "-"), "usage", "--bundle: / cannot be read: Is a directory"),
        (("--bundle", "-", "--key", "-"), "usage", "standard input can be one file only"),
        (("--bundle", "-", "--key", "/dev/null", "--at", "soon"), "at_invalid", "--at: 'soon' is not a time"),
        (("--bundle", "-", "--key", "/dev/null", "--domain", "a b"), "domain_invalid", "--domain: 'a b'"),
        (("--bundle", "-", "--key", "/dev/null", "--trust", "/dev/null"), "trust_invalid", "--trust: "),
        (("--bundle", "-"), "usage", "give --bundle and --key, or --batch"),
        (("--batch", "--bundle", "-"), "usage", "--batch reads everything from its lines"),
    ],
)
async def test_an_invalid_option_is_a_usage_error(words: tuple[str, ...], code: str, said: str) -> None:
    answer = await validate(*words, "--json")

    assert (answer.code, answer.document["error"]["code"]) == (2, code)
    assert answer.document["error"]["message"].startswith(said)


async def test_a_batch_answers_each_line_before_it_reads_the_next(files: Path) -> None:
    good = {"bundle_pem": (files / "bundle.pem").read_text(), "key_pem": (files / "key.pem").read_text()}
    async with a_batch() as batch:
        answers = [
            await ask(batch, json.dumps({"id": 1, **good}).encode()),
            await ask(batch, b"no JSON"),
            await ask(batch, b"\n" + json.dumps({"id": 3, **good, "at": "2100-01-01"}).encode()),
            await ask(batch, json.dumps({"id": 4, **good}).encode()),
        ]
        assert batch.stdin is not None
        batch.stdin.close()
        rest, _ = await batch.communicate()

    assert [(answer["id"], answer["verdict"]) for answer in answers] == [
        (1, "accept"),
        (None, "reject"),
        (3, "reject"),
        (4, "accept"),
    ]
    assert (batch.returncode, rest) == (0, b"")


async def test_an_empty_batch_succeeds() -> None:
    answer = await validate("--batch")

    assert (answer.code, answer.out, answer.err) == (0, "", "")
