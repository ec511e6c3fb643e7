"""One upload, from its envelope to its verdict.

The key is in the clear from the opening of the envelope until it is sealed to the vault, and only in the memory of this
process and of the sandbox process that judges it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import structlog

from services.validator.metrics import VERDICTS, count_rejection
from services.validator.rules.uploads import ClaimedUpload, uncovered
from services.validator.sandbox import messages
from services.validator.sandbox.pool import SandboxPool
from services.validator.sandbox.process import TookTooLongError
from services.validator.store import verdicts
from shared.certificates import parse
from shared.errors import TransientError
from shared.events import EventReason, ReasonCode
from shared.identifiers import new_key_id
from shared.registry.domains import UnfitCertificateError
from shared.store import Pool
from shared.vault import KeyWriter, SealedUpload, SealedUploadError, UploadReader

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class JudgingFailedError(TransientError):
    """An error of our own in a sandbox process kept the upload from an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Brings uploads to their verdict. *clock* gives the instant as of which they are judged."""

    pool: Pool
    sandbox: SandboxPool
    reader: UploadReader
    writer: KeyWriter
    judge_seconds: float
    clock: Callable[[], datetime]

    async def judge(self, upload: ClaimedUpload, *, on_slow: Callable[[float], None]) -> None:
        """Judge *upload*, and return when its verdict is committed. *on_slow* is called as by `SandboxPool.judge`.

        Raises:
            LostLeaseError: the lease expired before; nothing was written.
            TooManySlowError: the upload is slow, and there is no room for it now.
            SandboxEndedError: the sandbox process died.
            JudgingFailedError: the sandbox process failed by a fault of ours.
        """
        try:
            key = self._opened(upload)
        except SealedUploadError as error:
            await self._reject(upload, [EventReason(code=error.code, message=str(error), where="sealed")])
            return
        now = self.clock()
        assignment = messages.Assignment(bundle=upload.bundle.encode(), key=key.encode(), at=now.timestamp())
        try:
            ask = self.sandbox.judge_slow if upload.is_slow else self.sandbox.judge
            answer = await ask(assignment, on_slow=on_slow)
        except TookTooLongError:
            await self._reject(upload, [_took_too_long(self.judge_seconds)])
            return
        match answer:
            case messages.Accepted():
                await self._accept(upload, answer)
            case messages.Rejected():
                await self._reject(upload, _reasons(answer.reasons), _reasons(answer.warnings))
            case messages.Failed():
                raise JudgingFailedError(f"{answer.error} at {' > '.join(answer.places)}")
            case _:
                assert_never(answer)

    def _opened(self, upload: ClaimedUpload) -> str:
        sealed = SealedUpload(intake_key_id=upload.intake_key_id, ciphertext=upload.sealed)
        # An envelope expires as of its arrival: the publisher is not to blame for the time that it waited here.
        return self.reader.open(
            sealed,
            certificate_id=upload.certificate_id,
            tenant=upload.tenant,
            bundle=upload.bundle.encode(),
            now=upload.received_at,
        )

    async def _accept(self, upload: ClaimedUpload, answer: messages.Accepted) -> None:
        facts, warnings = parse(answer.chain[0]), _reasons(answer.warnings)
        if (missing := uncovered(upload.attach, facts.names)) is not None:
            await self._reject(upload, [missing], warnings)
            return
        sealed = self.writer.seal(
            key_id=new_key_id(),
            tenant=upload.tenant,
            private_key_pkcs8=answer.key,
            public_key_spki=facts.public_key_spki,
        )
        bundle = verdicts.AcceptedBundle(
            chain=answer.chain,
            facts=facts,
            key=sealed,
            publicly_trusted=bool(answer.publicly_trusted),
            warnings=warnings,
        )
        try:
            stored_id = await verdicts.accept(self.pool, upload, bundle)
        except UnfitCertificateError as error:
            await self._reject(
                upload, [EventReason(code=ReasonCode.ATTACH_UNFIT, message=str(error), where="attach")], warnings
            )
            return
        VERDICTS.labels("accepted").inc()
        log.info("upload_accepted", certificate_id=upload.certificate_id, stored_as=stored_id, tenant=upload.tenant)

    async def _reject(
        self,
        upload: ClaimedUpload,
        reasons: list[EventReason] | tuple[EventReason, ...],
        warnings: Iterable[EventReason] = (),
    ) -> None:
        await verdicts.reject(self.pool, upload, reasons, tuple(warnings))
        count_rejection(reasons)
        log.info(
            "upload_rejected",
            certificate_id=upload.certificate_id,
            tenant=upload.tenant,
            codes=sorted({reason.code for reason in reasons}),
        )


def _reasons(remarks: Iterable[messages.Remark]) -> tuple[EventReason, ...]:
    return tuple(EventReason(code=each.code, message=each.message, where=each.where) for each in remarks)


def _took_too_long(seconds: float) -> EventReason:
    message = (
        f"bundle and key could not be judged in {seconds:g} s of processor time, far more than ordinary ones need; "
        "upload the certificate with its intermediates and nothing else, and a key of an ordinary size"
    )
    return EventReason(code=ReasonCode.JUDGING_TIMEOUT, message=message, where="bundle")
