"""The progress of an upload, and its verdict as people and programs get it."""

import pytest
from rich.console import Console

from certsmith.publishing.progress import RequestOutcome
from certsmith.publishing.upload_progress import UploadProgress, upload_progress_of
from shared.registry.views.fates import Fate
from shared.registry.views.model import HostedDomain, UploadRemark, UploadView
from tests.builders.views import NOW, a_certificate, a_domain, a_fate, an_upload, an_uploaded_certificate

REASON = UploadRemark(code="key_mismatch", message="the key is another", where="key")
WARNING = UploadRemark(
    code="expires_soon", message="certificate 1 (CN=shop) ends in 3 days", where="certificate 1 (line 1)"
)
ACCEPTED = an_upload(state="accepted", judged_at=NOW, certificate=an_uploaded_certificate(), warnings=(WARNING,))
REJECTED = an_upload(state="rejected", judged_at=NOW, reasons=(REASON, REASON), warnings=(WARNING,))


def progress(
    fate: Fate, upload: UploadView | None, *, may_upload: bool = True, **attached: HostedDomain | None
) -> UploadProgress:
    return upload_progress_of(fate, upload, correlation_id="ours", attached=attached, may_upload=may_upload)


def details(progress: UploadProgress) -> str:
    """Return the lines that people get in addition to the sentence."""
    console = Console(width=200, markup=False, highlight=False)
    with console.capture() as captured:
        console.print(*progress.details, sep="\n")
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


@pytest.mark.parametrize(
    ("fate", "upload", "state", "outcome"),
    [
        (a_fate(was_seen=False), None, "published", None),
        (a_fate(was_seen=False), an_upload(correlation_id="theirs"), "published", None),
        (a_fate(reason_code="unknown_field", reason="no"), None, "refused", RequestOutcome.REFUSED),
        (a_fate(), an_upload(), "received", None),
        (a_fate(was_seen=False), an_upload(), "received", None),
        (a_fate(), ACCEPTED, "accepted", RequestOutcome.ACCEPTED),
        (a_fate(), REJECTED, "rejected", RequestOutcome.REJECTED),
        (a_fate(), an_upload(correlation_id="theirs"), "rejected", RequestOutcome.REJECTED),
        (a_fate(), None, "unrecorded", RequestOutcome.REJECTED),
    ],
)
def test_the_progress_of_an_upload_follows_from_its_fate_and_its_record(
    fate: Fate, upload: UploadView | None, state: str, outcome: RequestOutcome | None
) -> None:
    found = progress(fate, upload)

    assert (found.state, found.outcome) == (state, outcome)


def test_an_id_of_another_upload_is_shown_as_a_reason() -> None:
    found = progress(a_fate(), an_upload(correlation_id="theirs", state="accepted"))

    assert [reason.code for reason in found.reasons] == ["certificate_id_taken"]


@pytest.mark.parametrize(
    ("upload", "codes"), [(None, ["uploads_off"]), (ACCEPTED, [])], ids=["not recorded", "accepted before"]
)
def test_a_forbidden_upload_is_shown_with_its_remedy(upload: UploadView | None, codes: list[str]) -> None:
    found = progress(a_fate(), upload, may_upload=False)

    assert [reason.code for reason in found.reasons] == codes


def test_all_reasons_and_warnings_are_shown_one_a_line() -> None:
    found = progress(a_fate(), REJECTED)

    assert found.sentence == "there are 2 reasons to reject it"
    assert details(found).splitlines()[:2] == ["reason   the key is another (key_mismatch)"] * 2
    assert "warning  certificate 1 (CN=shop) ends in 3 days (expires_soon)" in details(found)
    assert found.document["reasons"] == [{"code": "key_mismatch", "message": "the key is another", "where": "key"}] * 2


def test_the_stored_certificate_is_shown_with_names_end_and_trust() -> None:
    found = progress(a_fate(), ACCEPTED)

    assert found.sentence == "it is stored as cert_1"
    lines = details(found)
    assert "shop.example.com" in lines
    assert "until        2026-05-29 12:00 UTC" in lines
    assert "only by clients that trust its root" in lines
    assert "expires_soon" in lines
    assert found.document["certificate"]["publicly_trusted"] is False  # type: ignore[index]


def test_untrusted_text_is_shown_without_control_characters() -> None:
    hostile = UploadRemark(code="x", message="a\x1b[2Jb", where="c\rd")
    stored = an_uploaded_certificate(issuer="CN=\x1b]0;title\x07")

    shown = details(progress(a_fate(), an_upload(state="accepted", certificate=stored, warnings=(hostile,))))

    assert not {"\x1b", "\r", "\x07"} & {*shown}


def test_a_certificate_that_was_stored_before_is_shown_with_its_id() -> None:
    found = progress(a_fate(), an_upload(state="accepted", certificate=an_uploaded_certificate(id="cert_old")))

    assert found.sentence == "the tenant has this certificate already, as cert_old"


def test_domains_that_serve_it_are_distinguished_from_those_that_do_not() -> None:
    found = progress(
        a_fate(),
        ACCEPTED,
        shows=a_domain(certificate=a_certificate(id="cert_1", chosen_by="attached")),
        another=a_domain(certificate=a_certificate(id="cert_2")),
        unheld=a_domain(certificate=a_certificate(id="cert_1"), holds_name=False),
        bare=a_domain(),
        unregistered=None,
        deleted=a_domain(certificate=a_certificate(id="cert_1"), deleted_at=NOW),
    )

    assert found.document["domains"] == ["shows"]
    assert "attached to  bare, which does not serve it yet: see `certsmith status bare`" in details(found)
    assert "attached to  shows" in details(found).splitlines()
    assert "attached to  unregistered, as soon as its tenant registers it" in details(found)
    assert "attached to  deleted, as soon as its tenant registers it" in details(found)
