"""Requests built from what people typed."""

import pytest
from pydantic import JsonValue

from certsmith.publishing.requests import request_event
from shared.errors import RefusedError


def test_a_request_has_only_the_given_fields() -> None:
    event = request_event("domain.updated", {"domain": "shop.example.com", "upstream": None})

    assert event.payload == {"domain": "shop.example.com", "upstream": None}


def test_a_name_is_sent_normalized() -> None:
    event = request_event("domain.deleted", {"domain": "BÜCHER.example.com."})

    assert event.subject == "xn--bcher-kva.example.com"


def test_a_request_about_a_certificate_needs_no_domain() -> None:
    event = request_event("certificate.deletion_requested", {"certificate_id": "cert_1"})

    assert (event.subject, event.payload) == ("cert_1", {"certificate_id": "cert_1"})


def test_an_event_has_the_given_ids_or_new_ones() -> None:
    given = request_event("domain.deleted", {"domain": "a.example.com"}, event_id="1", correlation_id="2")
    new = request_event("domain.deleted", {"domain": "a.example.com"})

    assert (given.id, given.cause.correlation_id) == ("1", "2")
    assert len({new.id, new.cause.correlation_id, None}) == 3


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({}, "name_empty"),
        ({"domain": "192.0.2.1"}, "name_is_address"),
        ({"domain": "com"}, "name_public_suffix"),
        ({"domain": "a.*.example.com"}, "name_wildcard_position"),
        ({"domain": "a.example.com", "upstream": "http://a"}, "upstream_scheme"),
        ({"domain": "a.example.com", "upstream": "tcp://169.254.169.254:80"}, "upstream_address"),
        ({"domain": "a.example.com", "tenant": "x" * 129}, "invalid_field"),
        ({"domain": "a.example.com", "colour": "blue"}, "unknown_field"),
        ({"domain": "a.example.com", "metadata": "-----BEGIN PRIVATE KEY-----"}, "key_in_the_clear"),
    ],
)
def test_a_request_that_a_service_would_refuse_is_not_sent(data: dict[str, JsonValue], code: str) -> None:
    with pytest.raises(RefusedError) as caught:
        request_event("domain.created", data)

    assert [reason.code for reason in caught.value.reasons] == [code]


@pytest.mark.parametrize("event_id", ["", "x" * 256, "line\nbreak"])
def test_an_event_id_that_cannot_be_sent_is_refused(event_id: str) -> None:
    with pytest.raises(RefusedError):
        request_event("domain.deleted", {"domain": "a.example.com"}, event_id=event_id)
