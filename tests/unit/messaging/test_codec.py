"""Events to messages and back."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloudevents.core.bindings import rabbitmq
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import RefusedError
from shared.events import (
    FACTS,
    MAX_BODY_BYTES,
    PUBLIC,
    Cause,
    CertificateReady,
    DomainCreated,
    DomainRejected,
    DomainUpdated,
    DomainVersion,
    Event,
    EventReason,
)
from shared.messaging.broker.frame_guard import UNREADABLE
from shared.messaging.codec.cloudevents import decode, encode
from shared.messaging.message import Message

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
PEM = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQ==\n-----END PRIVATE KEY-----\n"

PRINTABLE = st.text(st.characters(categories=["L", "N", "P", "S"], include_characters=" "), min_size=1, max_size=255)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
AMQP = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
CE_NAMES = st.sampled_from(["ce-id", "ce-type", "CE-Source", "ce-specversion", "ce-time", "ce-traceparent", "x"])


def a_message(
    body: bytes = b'{"domain": "shop.example"}',
    *,
    routing_key: str = "domain.created",
    headers: Mapping[str, Any] | None = None,
    **properties: Any,
) -> Message:
    return Message(exchange="certsmith.public", routing_key=routing_key, body=body, headers=headers or {}, **properties)


def ce_headers(**changes: object) -> dict[str, Any]:
    attributes = {"specversion": "1.0", "id": "1", "source": "platform", "type": "domain.created", **changes}
    return {f"ce-{name}": value for name, value in attributes.items() if value is not None}


def codes(message: Message, *, expected: str | None = None) -> list[str]:
    with pytest.raises(RefusedError) as caught:
        decode(message, expected=expected, received_at=NOW)
    assert all(reason.message for reason in caught.value.reasons)
    return [reason.code for reason in caught.value.reasons]


# Round trips ---------------------------------------------------------------------------------------------------------


@given(
    domain=ANY_TEXT,
    event_id=PRINTABLE,
    source=PRINTABLE,
    correlation=st.none() | PRINTABLE,
    time=st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    fields=st.fixed_dictionaries({}, optional={"description": ANY_TEXT, "upstream": st.none() | ANY_TEXT}),
)
def test_a_request_is_read_as_it_was_published(
    domain: str, event_id: str, source: str, correlation: str | None, time: datetime, fields: dict[str, Any]
) -> None:
    data = DomainUpdated(domain=domain, **fields)
    event = Event(data=data, id=event_id, source=source, time=time, cause=Cause(correlation))

    read = decode(encode(event), expected="domain.updated", received_at=NOW)

    assert (read.data, read.id, read.source, read.time) == (data, event_id, source, time)
    assert read.cause.correlation_id == (correlation or event_id)
    assert isinstance(read.data, DomainUpdated)
    assert read.data.changes == frozenset(fields)


def test_a_fact_is_read_as_it_was_published() -> None:
    data = CertificateReady(
        certificate_id="cert_1",
        domains=(DomainVersion(domain="shop.example", version=3),),
        not_before=NOW,
        not_after=NOW + timedelta(days=90),
        serial_number="0a",
        issuer="CN=Test",
        source="automatic",
    )
    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"

    message = encode(Event(data=data, source="certsmith/provisioner", cause=Cause(traceparent=traceparent)))

    assert (message.exchange, message.routing_key) == ("certsmith.events", "certificate.ready")
    assert message.headers["ce-subject"] == "shop.example"
    read = decode(message, expected=None, received_at=NOW)
    assert (read.data, read.cause.traceparent) == (data, traceparent)


@pytest.mark.parametrize("make", [rabbitmq.to_binary_event, rabbitmq.to_structured_event])
def test_events_written_by_the_cloudevents_package_are_read(make: Any) -> None:
    event = CloudEvent(
        {"type": "domain.created", "source": "platform", "id": "7", "time": NOW, "correlationid": "c"},
        {"domain": "shop.example"},
    )

    binary = make(event)

    message = a_message(binary.body, headers=binary.headers, content_type=binary.content_type)
    read = decode(message, expected="domain.created", received_at=NOW)
    assert (read.data, read.id, read.source) == (DomainCreated(domain="shop.example"), "7", "platform")
    assert (read.time, read.cause.correlation_id) == (NOW, "c")


def test_the_cloudevents_package_reads_what_we_write() -> None:
    event = Event(data=DomainCreated(domain="shop.example"), source="platform", time=NOW)
    message = encode(event)

    binary = rabbitmq.RabbitMQMessage(dict(message.headers), message.content_type, message.body)  # type: ignore[arg-type]  # headers are texts
    read = rabbitmq.from_rabbitmq_event(binary)

    assert (read.get_id(), read.get_type(), read.get_time()) == (event.id, "domain.created", NOW)
    assert read.get_data() == {"domain": "shop.example"}


def test_bare_json_is_an_event_without_id() -> None:
    read = decode(a_message(user_id="shop", message_id="m"), expected="domain.created", received_at=NOW)

    assert (read.data, read.id, read.source) == (DomainCreated(domain="shop.example"), None, "")
    assert (read.user_id, read.time, read.occurred_at) == ("shop", None, NOW)


def test_structured_mode_may_carry_base64() -> None:
    document = {"specversion": "1.0", "id": "1", "source": "s", "type": "domain.created"}
    document["data_base64"] = "eyJkb21haW4iOiAic2hvcC5leGFtcGxlIn0="

    message = a_message(json.dumps(document).encode(), content_type="application/cloudevents+json; charset=utf-8")

    assert decode(message, expected=None, received_at=NOW).data == DomainCreated(domain="shop.example")


def test_a_trace_that_cannot_be_parsed_is_left_out() -> None:
    read = decode(a_message(headers=ce_headers(traceparent="00-zz")), expected=None, received_at=NOW)

    assert read.cause.traceparent is None


# Refusals ------------------------------------------------------------------------------------------------------------


@given(
    body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
    routing_key=st.sampled_from([*PUBLIC, *FACTS]) | st.text(max_size=20),
    headers=st.dictionaries(CE_NAMES, AMQP, max_size=5),
    content_type=st.none() | st.sampled_from(["application/json", "application/cloudevents+json"]) | st.text(),
    others=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["message_id", "correlation_id", "user_id", "content_encoding"], st.text())
    ),
)
def test_no_message_raises_anything_but_a_refusal(
    body: bytes, routing_key: str, headers: dict[str, Any], content_type: str | None, others: dict[str, str]
) -> None:
    message = a_message(body, routing_key=routing_key, headers=headers, content_type=content_type, **others)

    try:
        decode(message, expected=None, received_at=NOW)
    except RefusedError as refusal:
        reasons = refusal.reasons
    else:
        return
    assert reasons
    assert all(len(reason.message) < 1000 for reason in reasons)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (a_message(b"{"), "malformed_json"),
        (a_message(b'{"domain": "a", "domain": "b"}'), "malformed_json"),
        (a_message(b"[]"), "malformed_json"),
        (a_message(b"{}"), "missing_field"),
        (a_message(b'{"domain": 7}'), "invalid_field"),
        (a_message(b'{"domain": null}'), "invalid_field"),
        (a_message(b'{"domain": "a", "upstraem": "b"}'), "unknown_field"),
        (a_message(routing_key="domain.creatd"), "unknown_type"),
        (a_message(routing_key="domain.creatd\x00\ud800"), "unknown_type"),
        (a_message(b" " * MAX_BODY_BYTES + b"{}"), "too_large"),
        (a_message(content_encoding="gzip"), "content_encoding"),
        (a_message(headers={UNREADABLE: True}), "unreadable_properties"),
        (a_message(content_type="application/cloudevents-batch+json"), "content_type"),
        (a_message(content_type="application/cloudevents+avro"), "content_type"),
        (a_message(headers=ce_headers(), content_type="application/xml"), "content_type"),
        (a_message(headers=ce_headers(type="domain.deleted")), "type_mismatch"),
        (a_message(headers=ce_headers(id=None)), "malformed_event"),
        (a_message(headers=ce_headers(id="")), "malformed_event"),
        (a_message(headers=ce_headers(id=7)), "malformed_event"),
        (a_message(headers=ce_headers(id=b"7")), "malformed_event"),
        (a_message(headers=ce_headers(id="7" * 256)), "malformed_event"),
        (a_message(headers=ce_headers(id="7\n")), "malformed_event"),
        (a_message(headers=ce_headers(source=None)), "malformed_event"),
        (a_message(headers=ce_headers(specversion="0.3")), "malformed_event"),
        (a_message(headers=ce_headers(time="yesterday")), "malformed_event"),
        (a_message(headers=ce_headers(time="2026-01-31T12:00:00")), "malformed_event"),
        (a_message(headers=ce_headers(time="0001-01-01T00:00:00+14:00")), "malformed_event"),
        (a_message(headers={**ce_headers(), "CE-ID": "2"}), "malformed_event"),
        (a_message(b'{"data": 7}', content_type="application/cloudevents+json"), "malformed_event"),
        (
            a_message(
                b'{"specversion": "1.0", "id": "1", "source": "s", "type": "domain.created", "data": 7}',
                content_type="application/cloudevents+json",
            ),
            "malformed_json",
        ),
    ],
)
def test_every_refusal_has_a_code_and_a_sentence(message: Message, code: str) -> None:
    assert codes(message) == [code]


def test_a_carbon_copy_is_refused() -> None:
    assert codes(a_message(), expected="certificate.uploaded") == ["type_mismatch"]


def test_all_wrong_fields_are_named_at_once() -> None:
    assert codes(a_message(b'{"upstraem": 1, "tenant": 2}')) == ["invalid_field", "missing_field", "unknown_field"]


def test_a_wrong_request_is_answered_if_it_names_its_subject() -> None:
    message = a_message(b'{"domain": "shop.example", "upstraem": "b"}', headers=ce_headers(id="7"))

    with pytest.raises(RefusedError) as caught:
        decode(message, expected=None, received_at=NOW)

    reason = EventReason(code="unknown_field", message="there is no field `upstraem`")
    assert caught.value.fact == DomainRejected(event_id="7", domain="shop.example", reasons=(reason,))


# A private key in the clear ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        a_message(json.dumps({"domain": "shop.example", "metadata": PEM}).encode()),
        a_message(json.dumps({"domain": "shop.example", "private_key_pem": PEM}).encode()),
        a_message(PEM.encode()),
        a_message(PEM.encode(), routing_key="no.such.type"),
        a_message(PEM.encode() + b" " * 2 * MAX_BODY_BYTES),
        a_message(headers=ce_headers(subject=PEM)),
        a_message(headers={"x": {"y": [PEM]}}),
        a_message(message_id=PEM),
        a_message(PEM.encode(), content_encoding="gzip"),
    ],
)
def test_a_private_key_in_the_clear_is_found_first(message: Message) -> None:
    assert codes(message) == ["key_in_the_clear"]


def test_a_message_with_a_private_key_is_answered_without_quoting_it() -> None:
    message = a_message(json.dumps({"domain": "shop.example", "metadata": PEM}).encode(), headers=ce_headers())

    with pytest.raises(RefusedError) as caught:
        decode(message, expected=None, received_at=NOW)

    assert isinstance(caught.value.fact, DomainRejected)
    assert caught.value.fact.domain == "shop.example"
    assert "MIGH" not in str(caught.value) + caught.value.fact.model_dump_json()


def test_no_answer_is_published_if_it_would_show_the_key() -> None:
    message = a_message(json.dumps({"domain": PEM}).encode())

    with pytest.raises(RefusedError) as caught:
        decode(message, expected=None, received_at=NOW)

    assert caught.value.fact is None


@given(st.binary(), st.dictionaries(st.text(), AMQP, max_size=3))
def test_a_message_never_shows_its_contents(body: bytes, headers: dict[str, Any]) -> None:
    assert repr(a_message(body, headers=headers)) == repr(a_message())
