"""The command line against a running platform: its output, its documents and its exit codes."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable

import pytest
import pytest_asyncio

from dev.platform.platform import Platform
from dev.waiting import within
from tests.rig.command_line import ROOT, Answer, certsmith, environment_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

Run = Callable[..., Awaitable[Answer]]


def a_host() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def services(platform: Platform) -> None:
    await platform.run(platform.provisioner(), platform.terminator())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(platform: Platform) -> Run:
    environment = environment_of(platform)

    async def run(*words: str, **more: str) -> Answer:
        return await certsmith(*words, environment={**environment, **more})

    return run


async def test_publish_waits_until_the_domain_is_served(platform: Platform, run: Run) -> None:
    host = a_host()
    await platform.point_here(host)

    answer = await run("publish", "domain-created", host, "--upstream", platform.upstream, "--wait", "--json")

    assert answer.code == 0
    assert {name: answer.document[name] for name in ("type", "domain", "outcome")} == {
        "type": "domain.created",
        "domain": host,
        "outcome": "served",
    }
    assert (await platform.served(host)).names == [host]


async def test_status_and_domains_show_a_served_domain(platform: Platform, run: Run) -> None:
    host = a_host()
    await platform.point_here(host)
    await run("publish", "domain-created", host, "--upstream", platform.upstream, "--wait")
    await platform.served(host)

    status, listed = await run("status", host, "--json"), await run("domains", "--json")

    assert status.code == listed.code == 0
    (registration,) = status.document["registrations"]
    assert registration["standing"] == "serving"
    assert registration["certificate"]["names"] == [host]
    assert registration["order"]["state"] == "issued"
    assert registration in listed.document["domains"]


async def test_a_domain_whose_dns_points_elsewhere_is_stuck_and_status_says_why(platform: Platform, run: Run) -> None:
    host = a_host()
    await platform.pebble.dns.set_a(host, "192.0.2.1")

    published = await run("publish", "domain-created", host, "--wait", "--timeout", "2", "--json")
    status, stuck = await run("status", host), await run("domains", "--stuck", "--json")

    assert (published.code, published.document["outcome"], published.document["state"]) == (4, "timeout", "waiting_dns")
    assert status.code == 3
    assert f"{host} points to 192.0.2.1" in status.out
    assert host in [domain["name"] for domain in stuck.document["domains"]]


async def test_domains_are_listed_page_by_page(run: Run) -> None:
    hosts = sorted(a_host() for _ in range(3))
    words = ("--no-certificate", "--tenant", "pages", "--wait")
    await asyncio.gather(*(run("publish", "domain-created", host, *words) for host in hosts))

    first = (await run("domains", "--tenant", "pages", "--limit", "2", "--json")).document
    after = first["domains"][-1]["id"]
    second = (await run("domains", "--tenant", "pages", "--limit", "2", "--after", after, "--json")).document

    assert [domain["name"] for domain in first["domains"] + second["domains"]] == hosts
    assert (first["has_more"], second["has_more"]) == (True, False)


async def test_a_refused_request_is_reported_and_can_be_shown_replayed_and_dropped(run: Run) -> None:
    host = a_host()

    refused = await run("publish", "domain-updated", host, "--upstream", "tcp://127.0.0.1:1", "--wait", "--json")
    letters = (await run("dead-letters", "list", "--json")).document["dead_letters"]
    (letter,) = [each for each in letters if each["about"] == host]
    number = str(letter["id"])
    shown = await run("dead-letters", "show", number, "--json")
    await run("publish", "domain-created", host, "--no-certificate", "--wait")
    replayed = await run("dead-letters", "replay", number)
    dropped = [await run("dead-letters", "drop", number), await run("dead-letters", "drop", number)]

    assert (refused.code, refused.document["outcome"]) == (3, "refused")
    assert (letter["reason_code"], letter["event_id"]) == ("domain_unknown", refused.document["event_id"])
    assert shown.document["body"] == f'{{"domain": "{host}", "upstream": "tcp://127.0.0.1:1"}}'
    assert replayed.err == f"published dead letter {number} again\n"
    assert [each.code for each in dropped] == [0, 5]


async def test_a_deleted_domain_is_not_found(run: Run) -> None:
    host = a_host()
    await run("publish", "domain-created", host, "--no-certificate", "--wait")

    deleted = await run("publish", "domain-deleted", host, "--wait")
    status = await run("status", host, "--json")

    assert deleted.code == 0
    assert (status.code, status.document["error"]["code"]) == (5, "not_found")


async def test_a_renewal_replaces_the_certificate(platform: Platform, run: Run) -> None:
    host = a_host()
    await platform.point_here(host)
    await run("publish", "domain-created", host, "--wait")
    before = (await run("status", host, "--json")).document["registrations"][0]["certificate"]["id"]

    renewed = await run("publish", "renewal-requested", host, "--wait", "--json")

    after = (await run("status", host, "--json")).document["registrations"][0]["certificate"]["id"]
    assert (renewed.code, renewed.document["outcome"]) == (0, "served")
    assert after != before


async def test_queues_counts_what_waits(run: Run) -> None:
    answer = await run("queues", "--json")

    assert answer.code == 0
    assert answer.document["problems"] == []
    assert answer.document["orders"].keys() == {"due", "in_hand", "waiting", "ended", "oldest_due_at"}
    assert {"name": "validator.certificate.uploaded", "ready": 0, "unacked": 0, "consumers": 0} in answer.document[
        "queues"
    ]


async def test_queues_are_watched_until_ctrl_c(platform: Platform) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "certsmith", "queues", "--watch", "--every", "0.2", "--json"),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment_of(platform)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with within("two documents and the end"):
        first, second = await process.stdout.readline(), await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        await process.communicate()

    assert first.startswith(b'{"at":')
    assert second.startswith(b'{"at":')
    assert process.returncode == 130


async def test_migrating_what_is_up_to_date_changes_nothing(run: Run) -> None:
    answer = await run("migrate", "--json")

    assert answer.code == 0
    assert answer.document["schema"]["applied"] == []


async def test_a_database_without_schema_says_what_to_do(platform: Platform, run: Run) -> None:
    url = await platform.database.create_database()

    answer = await run("domains", DATABASE_URL=url)

    assert answer.code == 69
    assert "run `certsmith migrate`" in answer.err


@pytest.mark.parametrize(
    ("words", "settings", "code", "kind"),
    [
        (("domains",), {"DATABASE_URL": "postgresql://me:hidden@127.0.0.1:9/x"}, 69, "database_unavailable"),
        (("domains",), {"DATABASE_URL": "postgresql://me:hidden@127.0.0.1:port/x"}, 78, "settings"),
        (("domains",), {"OPERATOR_DATABASE_URL": "postgresql://me:hid/den@127.0.0.1/x"}, 78, "settings"),
        (("queues",), {"AMQP_URL": "amqp://me:hidden@[::1"}, 78, "settings"),
        (("queues",), {"AMQP_MANAGEMENT_URL": "ftp://me:hidden@127.0.0.1"}, 78, "settings"),
        (
            ("publish", "domain-deleted", "a.example.com"),
            {"PUBLISHER_AMQP_URL": "amqp://me:hidden@127.0.0.1:9/"},
            69,
            "broker_unavailable",
        ),
        (("publish", "domain-created", "192.0.2.1"), {}, 3, "refused"),
        (("publish", "domain-created"), {}, 2, "usage"),
        (("dead-letters", "show", "0"), {}, 5, "not_found"),
        (("dead-letters", "replay", "0"), {}, 5, "not_found"),
        (("status", "nobody.example.com"), {}, 5, "not_found"),
        (("keys", "status"), {"CERTSMITH_CONFIG": "/dev"}, 78, "settings"),
    ],
)
async def test_errors_have_codes_and_show_no_password(
    run: Run, words: tuple[str, ...], settings: dict[str, str], code: int, kind: str
) -> None:
    answer = await run(*words, "--json", **settings)

    assert (answer.code, answer.document["error"]["code"], answer.document["exit_code"]) == (code, kind, code)
    assert "hid" not in answer.out + answer.err
