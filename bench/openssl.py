"""The peer of uploads: the part of the same judgement that the program `openssl` can do.

For each pair of bundle and key: `verify -x509_strict` against the customer's root, then the public key of the
certificate (`x509 -pubkey`) and that of the key (`pkey -pubout`), which must be equal. There is no envelope, no
database and no broker, and most of the rules are not checked.
"""

import asyncio
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.platform.customer_ca import Issued


@dataclass(frozen=True, slots=True)
class Peer:
    """The CPU of a judgement, and how many were made in a second."""

    cpu_seconds: float
    per_second: float


async def measure(pairs: Sequence[Issued], *, root_pem: bytes, folder: Path, side_by_side: int) -> Peer:
    """Judge *pairs*, *side_by_side* at a time; all must be valid."""
    root = folder / "root.pem"
    root.write_bytes(root_pem)
    for number, pair in enumerate(pairs):
        (folder / f"{number}.bundle.pem").write_text(pair.bundle_pem)
        (folder / f"{number}.key.pem").write_text(pair.key_pem)
    room = asyncio.Semaphore(side_by_side)

    async def one(number: int) -> None:
        bundle, key = folder / f"{number}.bundle.pem", folder / f"{number}.key.pem"
        async with room:
            await _openssl("verify", "-x509_strict", "-CAfile", root, "-untrusted", bundle, bundle)
            of_bundle = await _openssl("x509", "-in", bundle, "-noout", "-pubkey")
            of_key = await _openssl("pkey", "-in", key, "-pubout")
        assert of_bundle == of_key

    began, spent = time.perf_counter(), _cpu_seconds_of_ended()
    await asyncio.gather(*(one(number) for number in range(len(pairs))))
    cpu_seconds = (_cpu_seconds_of_ended() - spent) / len(pairs)
    return Peer(cpu_seconds, len(pairs) / (time.perf_counter() - began))


async def _openssl(*words: str | Path) -> bytes:
    process = await asyncio.create_subprocess_exec(
        "openssl", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, f"openssl {words[0]} exited with {process.returncode}"
    return output


def _cpu_seconds_of_ended() -> float:
    """Return the CPU time of our child processes that have exited."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
