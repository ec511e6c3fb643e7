"""The dead letters of messages that were refused or given up."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Reason
from shared.events import MAX_BODY_BYTES, CertificateRejected
from shared.messaging.codec.attributes import claimed
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.inbox.undelivered import answer_to, refused_letter, undelivered_letter
from shared.messaging.message import Message

PEM = b"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEI\n-----END EC PRIVATE KEY-----\n"
UPLOADED = "certificate.uploaded"
SEALED = base64.b64encode(bytes(range(200)) * 2).decode()
REASON = Reason("invalid_field", "the field `domain` is wrong")


def a_message(body: bytes = b"{}", **fields: Any) -> Message:
    return Message(**{"exchange": "certsmith.public", "routing_key": "domain.created", "body": body, **fields})


def refused(message: Message) -> DeadLetter:
    return refused_letter(
        message,
        service="provisioner",
        queue="provisioner.domain.created",
        reasons=(REASON,),
        attributes=claimed(message),
    )


def an_upload(**fields: Any) -> Message:
    return a_message(json.dumps({"certificate_id": "cert_1", **fields}).encode(), routing_key=UPLOADED)


def structured(message: Message) -> Message:
    """Return *message* as a CloudEvent whose data is in its body, in base64."""
    event = {"specversion": "1.0", "type": UPLOADED, "data_base64": base64.b64encode(message.body).decode()}
    return replace(message, body=json.dumps(event).encode(), content_type="application/cloudevents+json")


def given_up(message: Message, *, queue: str = "provisioner.dead_letters") -> DeadLetter:
    return undelivered_letter(message, service="provisioner", queue=queue, attributes=claimed(message))


def test_a_refused_message_is_kept_with_its_reason() -> None:
    headers = {"ce-id": "1", "ce-source": "platform", "ce-type": "domain.created"}

    letter = refused(a_message(headers=headers, user_id="shop", content_type="application/json", message_id="m"))

    assert (letter.reason_code, letter.reason) == ("invalid_field", "the field `domain` is wrong")
    assert (letter.event_id, letter.source, letter.user_id, letter.message_id) == ("1", "platform", "shop", "m")
    assert (letter.headers, letter.body, letter.is_whole) == (headers, b"{}", True)


def test_nothing_of_a_message_with_a_private_key_is_kept_that_could_hold_it() -> None:
    message = a_message(
        json.dumps({"domain": PEM.decode()}).encode(),
        headers={"ce-id": "1", "ce-source": PEM.decode().replace("\n", " "), "ce-type": "domain.created"},
        message_id="m",
    )

    letter = refused(message)

    assert (letter.reason_code, letter.is_whole) == ("key_in_the_clear", False)
    assert (letter.event_id, letter.source) == ("1", None)
    assert b"MHcC" not in repr((letter, letter.body, letter.headers)).encode()


def test_only_the_beginning_of_a_body_that_is_too_large_is_kept() -> None:
    letter = refused(a_message(b"x" * (MAX_BODY_BYTES + 1)))

    assert (len(letter.body), letter.is_whole) == (4096, False)


def test_a_message_that_the_broker_gave_up_gets_its_type_from_its_queue() -> None:
    death = {"queue": "provisioner.domain.deleted", "reason": "delivery_limit", "exchange": "certsmith.public"}
    message = a_message(exchange="", routing_key="provisioner.dead_letters", headers={"x-death": [death]})

    letter = given_up(message)

    assert (letter.queue, letter.reason_code) == ("provisioner.domain.deleted", "not_handled")
    assert (letter.exchange, letter.routing_key) == ("certsmith.public", "domain.deleted")


def test_a_forged_x_death_header_leads_to_no_fact() -> None:
    death = {"queue": "terminator.x", "exchange": "certsmith.events", "routing-keys": ["certificate.ready"]}
    message = a_message(exchange="", routing_key="provisioner.dead_letters", headers={"x-death": [death]})

    letter = given_up(message)

    assert (letter.exchange, letter.routing_key) == ("certsmith.public", "provisioner.dead_letters")


def test_a_message_that_no_queue_accepts_is_kept_as_unroutable() -> None:
    letter = given_up(a_message(routing_key="domain.creatd"), queue="certsmith.unroutable")

    assert (letter.queue, letter.reason_code) == ("certsmith.unroutable", "unroutable")
    assert "`domain.creatd`" in letter.reason


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (an_upload(sealed=SEALED), {"certificate_id": "cert_1", "sealed": "…"}),
        (an_upload(Sealed=SEALED, sealed=7), {"certificate_id": "cert_1", "Sealed": "…", "sealed": 7}),
        (an_upload(attach=[{"sealed": [SEALED]}]), {"certificate_id": "cert_1", "attach": [{"sealed": ["…"]}]}),
        (replace(an_upload(sealed=SEALED), routing_key="certificate.uplaoded"), ...),
        (replace(an_upload(sealed=SEALED), routing_key="domain.created", headers={"ce-type": UPLOADED}), ...),
        (replace(an_upload(), body=f'{{"sealed": "{SEALED}'.encode()), {}),
        (replace(an_upload(sealed=SEALED), headers={"ce-sealed": SEALED, "x": [SEALED.encode()]}), ...),
        (structured(an_upload(sealed=SEALED)), ...),
    ],
)
def test_the_sealed_key_of_a_refused_upload_is_not_kept(message: Message, kept: object) -> None:
    letter = refused(message)

    assert SEALED not in repr((letter, letter.body, letter.headers))
    assert base64.b64encode(SEALED.encode())[8:-8] not in repr((letter.body, letter.headers)).encode()
    assert not letter.is_whole
    assert kept in (..., json.loads(letter.body))


@pytest.mark.parametrize("field", ["certificate_pem", "sealed", "description", "metadata", "certificate_id", "other"])
@pytest.mark.parametrize(
    "key",
    [PEM.decode(), base64.b64encode(PEM).decode(), base64.b64encode(base64.b64encode(PEM)).decode()],
    ids=["pem", "base64", "twice"],
)
def test_nothing_of_an_upload_with_a_key_in_the_clear_is_kept(field: str, key: str) -> None:
    letter = refused(an_upload(**{field: key}))

    assert (letter.reason_code, letter.body, letter.headers) == ("key_in_the_clear", b"", {})


def test_an_upload_that_could_not_be_handled_is_answered() -> None:
    death: Any = {"queue": f"validator.{UPLOADED}", "reason": "delivery_limit", "exchange": "certsmith.public"}
    message = replace(an_upload(sealed=SEALED), headers={"x-death": [death]}, routing_key="validator.dead_letters")
    letter = undelivered_letter(
        message, service="validator", queue="validator.dead_letters", attributes=claimed(message)
    )

    answer = answer_to(letter, message)

    assert isinstance(answer, CertificateRejected)
    assert (answer.certificate_id, [reason.code for reason in answer.reasons]) == ("cert_1", ["not_handled"])


def test_a_request_that_can_be_replayed_is_not_answered() -> None:
    message = a_message(b'{"domain": "shop.example"}')

    assert answer_to(refused(message), message) is None


@given(
    body=st.binary(),
    routing_key=st.text(max_size=255),
    headers=st.dictionaries(
        st.sampled_from(["x-death", "ce-id", "ce-type", "a\x00b"]),
        st.recursive(
            st.text() | st.binary() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
        ),
    ),
    others=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["message_id", "correlation_id", "content_type"], st.text())
    ),
)
def test_any_message_can_be_stored_as_a_dead_letter(
    body: bytes, routing_key: str, headers: dict[str, Any], others: dict[str, str]
) -> None:
    message = a_message(body, routing_key=routing_key, headers=headers, **others)

    for letter in (refused(message), given_up(message), given_up(message, queue="certsmith.unroutable")):
        texts = [getattr(letter, name) for name in DeadLetter.__slots__ if isinstance(getattr(letter, name), str)]
        assert "\x00" not in "".join(texts)
        "".join(texts).encode()
        json.dumps(letter.headers, allow_nan=False)
