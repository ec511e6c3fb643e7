"""One certificate authority: its directory, its nonces, and signed requests to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Final

from services.provisioner.adapters.acme import answers, documents
from services.provisioner.adapters.acme.documents import Directory
from services.provisioner.adapters.acme.keys import Signer
from services.provisioner.adapters.acme.nonces import NoncePool, well_formed
from services.provisioner.adapters.acme.transport import Call, Reply, Transport
from services.provisioner.rules.acme import AuthorityError, Failure, Phase

# With half of all nonces refused, 25 tries fail once in 33 million requests.
_NONCE_TRIES: Final = 25
_DIRECTORY_SECONDS: Final = 3600.0  # URLs hardly ever change, and then the old ones keep working for a while


class Endpoint:
    """Sends requests to one CA, a limited number at a time; accounts and tasks share it."""

    def __init__(
        self, transport: Transport, directory_url: str, *, connections: int, clock: Callable[[], datetime]
    ) -> None:
        self._transport = transport
        self._directory_url = directory_url
        self._clock = clock
        self._directory: Directory | None = None
        self._directory_until = 0.0
        self._reading_directory = asyncio.Lock()
        self._nonces = NoncePool(self._new_nonce)
        # A nonce is used only for a request that can be sent at once, so none expires while it waits.
        self._slots = asyncio.Semaphore(connections)

    async def directory(self, *, deadline: float) -> Directory:
        """Return the CA's directory, read again each hour."""
        now = asyncio.get_running_loop().time()
        if self._directory is not None and now < self._directory_until:
            return self._directory
        async with waiting_until(deadline, Phase.DIRECTORY), self._reading_directory:
            if self._directory is None or now >= self._directory_until:
                call = Call(method="GET", url=self._directory_url, phase=Phase.DIRECTORY)
                reply = await self._get(call, deadline)
                self._directory = answers.read(documents.directory, answers.document_of(reply, call), call)
                self._directory_until = now + _DIRECTORY_SECONDS
            return self._directory

    async def post(self, call: Call, payload: bytes, *, signer: Signer, deadline: float) -> Reply:
        """Return the answer to *payload*, signed; an empty one is a POST-as-GET (RFC 8555 section 6.3).

        Raises:
            AuthorityError: there was no answer, or it is an error.
        """
        if self._slots.locked():
            async with waiting_until(deadline, call.phase):
                await self._slots.acquire()
        else:
            await self._slots.acquire()  # at once
        try:
            return await self._post(call, payload, signer, deadline)
        finally:
            self._slots.release()

    def wait_asked(self, reply: Reply) -> float | None:
        """Return the seconds that *reply* asks to wait."""
        return answers.wait_asked(reply, clock=self._clock)

    async def _post(self, call: Call, payload: bytes, signer: Signer, deadline: float) -> Reply:
        nonce: str | None = None
        for tries_left in reversed(range(_NONCE_TRIES)):
            nonce = nonce or self._nonces.spare() or await self._nonce(call.phase, deadline)
            body = signer.sign(payload, nonce=nonce, url=call.url)
            reply = await self._transport.exchange(replace(call, method="POST", body=body), deadline=deadline)
            nonce = well_formed(reply.headers.get("Replay-Nonce"))
            if tries_left and _is_bad_nonce(reply):
                continue  # RFC 8555 section 6.5: the answer's own nonce is for the next try
            self._nonces.keep(nonce)
            answers.raise_refusal(reply, call, clock=self._clock)
            return reply
        raise AssertionError("the last try returns or raises")

    async def _nonce(self, phase: Phase, deadline: float) -> str:
        async with waiting_until(deadline, phase):
            return await self._nonces.take(deadline)

    async def _new_nonce(self, deadline: float) -> str:
        """Ask for a nonce (RFC 8555 section 7.2)."""
        directory = await self.directory(deadline=deadline)
        call = Call(method="HEAD", url=directory.new_nonce, phase=Phase.DIRECTORY)
        reply = await self._get(call, deadline)
        nonce = well_formed(reply.headers.get("Replay-Nonce"))
        if nonce is None:
            raise answers.malformed(call, "it has no nonce")
        return nonce

    async def _get(self, call: Call, deadline: float) -> Reply:
        reply = await self._transport.exchange(call, deadline=deadline)
        answers.raise_refusal(reply, call, clock=self._clock)
        return reply


def _is_bad_nonce(reply: Reply) -> bool:
    if reply.status != HTTPStatus.BAD_REQUEST:
        return False
    problem = answers.problem_of(reply)
    return problem is not None and problem.type == "badNonce"


@asynccontextmanager
async def waiting_until(deadline: float, phase: Phase) -> AsyncIterator[None]:
    """Raise at *deadline* if the block still waits for its turn; nothing was sent by then."""
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError as error:
        raise AuthorityError(
            message=f"{phase}: the deadline passed before the request could be sent",
            phase=phase,
            failure=Failure.TIMEOUT,
        ) from error
