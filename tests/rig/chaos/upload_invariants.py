"""Checks that hold after chaos, once every upload has its verdict."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final

from dev.platform.platform import Platform
from tests.rig.chaos.uploads import Sent

_ROWS: Final = "SELECT certificate_id, tenant, state, reasons FROM validator.uploads"
_STORED: Final = "SELECT id, tenant, key_id FROM registry.certificates"
_LEFT: Final = """
SELECT 'keys without a certificate' AS what, count(*) AS count FROM registry.keys
WHERE id NOT IN (SELECT key_id FROM registry.certificates)
UNION ALL SELECT 'wraps without a key', count(*) FROM registry.key_wraps
WHERE key_id NOT IN (SELECT id FROM registry.keys)
UNION ALL SELECT 'keys without a wrap', count(*) FROM registry.keys
WHERE id NOT IN (SELECT key_id FROM registry.key_wraps)
UNION ALL SELECT 'uploads that still hold their text', count(*) FROM validator.uploads
WHERE bundle IS NOT NULL OR sealed IS NOT NULL OR lease_until IS NOT NULL
"""


async def harm_done(platform: Platform, sent: Sequence[Sent]) -> list[str]:
    """Return a sentence for each harm: a verdict, a certificate, a key or an answer too many, too few or wrong."""
    return [
        *await _wrong_verdicts(platform, sent),
        *await _wrong_registry(platform, sent),
        *await _wrong_news(platform, sent),
        *_crashes(platform),
    ]


async def _wrong_verdicts(platform: Platform, sent: Sequence[Sent]) -> list[str]:
    rows = {row["certificate_id"]: row for row in await platform.ledger.rows(_ROWS)}
    harm = [f"{name} was never sent" for name in rows.keys() - {each.certificate_id for each in sent}]
    for each in sent:
        row = rows.get(each.certificate_id)
        if row is None:
            harm.append(f"{each.certificate_id} ({each.sort.name}) has no row")
            continue
        state = "accepted" if each.code is None else "rejected"
        codes = [reason["code"] for reason in json.loads(row["reasons"])]
        if (row["tenant"], row["state"], codes) != (each.tenant, state, [each.code] if each.code else []):
            harm.append(f"{each.certificate_id} ({each.sort.name}) is {row['state']} for {codes}")
    return harm


async def _wrong_registry(platform: Platform, sent: Sequence[Sent]) -> list[str]:
    stored = await platform.ledger.rows(_STORED)
    accepted = {(each.certificate_id, each.tenant) for each in sent if each.code is None}
    found = {(row["id"], row["tenant"]) for row in stored}
    harm = [f"{name} is stored, and was not accepted" for name, _ in found - accepted]
    harm += [f"{name} is accepted, and not stored" for name, _ in accepted - found]
    if len({row["key_id"] for row in stored}) != len(stored):
        harm.append("two certificates have one key row")
    return harm + [f"{row['count']} {row['what']}" for row in await platform.ledger.rows(_LEFT) if row["count"]]


async def _wrong_news(platform: Platform, sent: Sequence[Sent]) -> list[str]:
    facts = {fact.id: fact for fact in await platform.ledger.all_facts()}  # copies of a fact have its id
    answers = Counter((fact.data["certificate_id"], fact.kind) for fact in facts.values())
    expected = Counter(
        (each.certificate_id, "certificate.ready" if each.code is None else "certificate.rejected") for each in sent
    )
    return [f"{kind} was published {answers[name, kind]} times for {name}" for name, kind in answers - expected] + [
        f"{kind} was not published for {name}" for name, kind in expected - answers
    ]


def _crashes(platform: Platform) -> list[str]:
    return [
        f"{service.name} says {record['event']}: {record.get('reason', record.get('exception', ''))}"
        for service in platform.services.values()
        for record in service.records()
        if record.get("event") in ("work_failed_unexpectedly", "process_failed")
    ]
