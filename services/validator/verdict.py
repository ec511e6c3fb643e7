"""One upload in hand: from its envelope to its verdict.

The key is in the clear from the opening of the envelope until it is sealed to the vault, and nowhere but in the memory
of this process and of the judge that looks at it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import structlog

from services.validator.metrics import VERDICTS, count_rejection
from services.validator.rules.uploads import Waiting, uncovered
from services.validator.sandbox import messages
from services.validator.sandbox.pool import Judges
from services.validator.sandbox.process import TookTooLongError
from services.validator.store import verdicts
from shared.certificates import parse
from shared.errors import ServiceError
from shared.events import EventReason
from shared.identifiers import new_key_id
from shared.registry.domains import UnfitCertificateError
from shared.store import Pool
from shared.vault import KeyWriter, SealedUpload, SealedUploadError, UploadReader

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class NoOpinionError(ServiceError):
    """An error of ours kept a judge from an opinion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """Brings uploads to their verdict. *clock* tells the instant as of which they are judged."""

    pool: Pool
    judges: Judges
    reader: UploadReader
    writer: KeyWriter
    judge_seconds: float
    clock: Callable[[], datetime]

    async def judge(self, upload: Waiting, *, on_slow: Callable[[float], None]) -> None:
        """Judge *upload*, and return when its verdict is committed.

        Raises:
            LostLeaseError: the lease ended before; nothing was written.
            TooManySlowError: nothing is known yet, try again later.
            JudgeEndedError: its judge died.
            NoOpinionError: its judge failed.
        """
        try:
            key = self._opened(upload)
        except SealedUploadError as error:
            await self._reject(upload, [EventReason(code=error.code, message=str(error), where="sealed")])
            return
        now = self.clock()
        assignment = messages.Assignment(bundle=upload.bundle.encode(), key=key.encode(), at=now.timestamp())
        try:
            ask = self.judges.judge_slow if upload.is_slow else self.judges.judge
            opinion = await ask(assignment, on_slow=on_slow)
        except TookTooLongError:
            await self._reject(upload, [_took_too_long(self.judge_seconds)])
            return
        match opinion:
            case messages.Accepted():
                await self._accept(upload, opinion)
            case messages.Rejected():
                await self._reject(upload, _reasons(opinion.reasons), _reasons(opinion.warnings))
            case messages.Failed():
                raise NoOpinionError(f"{opinion.error} at {' > '.join(opinion.places)}")
            case _:
                assert_never(opinion)

    def _opened(self, upload: Waiting) -> str:
        sealed = SealedUpload(intake_key_id=upload.intake_key_id, ciphertext=upload.sealed)
        # As of its arrival: that it had to wait here is no fault of its publisher's.
        return self.reader.open(
            sealed,
            certificate_id=upload.certificate_id,
            tenant=upload.tenant,
            bundle=upload.bundle.encode(),
            now=upload.received_at,
        )

    async def _accept(self, upload: Waiting, opinion: messages.Accepted) -> None:
        facts, warnings = parse(opinion.chain[0]), _reasons(opinion.warnings)
        if (missing := uncovered(upload.attach, facts.names)) is not None:
            await self._reject(upload, [missing], warnings)
            return
        sealed = self.writer.seal(
            key_id=new_key_id(),
            tenant=upload.tenant,
            private_key_pkcs8=opinion.key,
            public_key_spki=facts.public_key_spki,
        )
        judged = verdicts.Judged(
            chain=opinion.chain,
            facts=facts,
            key=sealed,
            publicly_trusted=bool(opinion.publicly_trusted),
            warnings=warnings,
        )
        try:
            stored_id = await verdicts.accept(self.pool, upload, judged)
        except UnfitCertificateError as error:
            await self._reject(upload, [EventReason(code="attach_unfit", message=str(error), where="attach")], warnings)
            return
        VERDICTS.labels("accepted").inc()
        log.info("upload_accepted", certificate_id=upload.certificate_id, stored_as=stored_id, tenant=upload.tenant)

    async def _reject(
        self,
        upload: Waiting,
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
        f"bundle and key could not be judged in {seconds:g} s of processor time, which no ordinary ones need; upload "
        "the certificate with its intermediates and nothing else, and a key of an ordinary size"
    )
    return EventReason(code="judging_timeout", message=message, where="bundle")
