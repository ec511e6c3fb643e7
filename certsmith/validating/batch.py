"""`certsmith validate --batch`: one JSON request a line, each answered by one line before the next is read.

Every line is answered, also an invalid one, and the batch continues. No answer contains any part of a key.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import BinaryIO, Final, TextIO

from certsmith.validating.document import Document, RequestId, document_of, refusal
from certsmith.validating.request import MAX_BYTES, RequestError, ValidationRequest, identity_of, instant_of, roots_of

_TYPES: Final = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
# Finds the id of a line that is too long to be parsed, if the id comes first.
_LEADING_ID: Final = re.compile(rb'\s*\{\s*"id"\s*:\s*("(?:[^"\\]|\\.){0,1000}"|-?\d{1,18})\s*[,}]')


def answer_all(requests: BinaryIO, answers: TextIO) -> None:
    """Answer each line of *requests* in order, before reading the next; skip blank lines."""
    while line := requests.readline(MAX_BYTES + 1):
        if len(line) > MAX_BYTES:
            answer = _too_large(line)
            _skip_rest(line, requests)
        elif line.strip():
            answer = answer_to(line)
        else:
            continue
        answers.write(json.dumps(answer, separators=(",", ":")) + "\n")
        answers.flush()


def answer_to(line: bytes) -> Document:
    """Return the answer to the request in *line*."""
    request_id: RequestId = None
    try:
        fields = _fields(line)
        request_id = _id(fields)
        return document_of(_request(fields).judged(), request_id=request_id)
    except RequestError as error:
        return refusal(error, request_id=request_id)


def _too_large(line: bytes) -> Document:
    match = _LEADING_ID.match(line)
    message = f"the line is longer than {MAX_BYTES} bytes; a valid bundle and key are much shorter"
    error = RequestError("request_too_large", message, where="request")
    try:
        return refusal(error, request_id=json.loads(match[1]) if match else None)
    except ValueError:  # the id contains an escape that is not JSON
        return refusal(error)


def _skip_rest(line: bytes, requests: BinaryIO) -> None:
    """Read the rest of a *line* that is too long."""
    while line and not line.endswith(b"\n"):
        line = requests.readline(MAX_BYTES)


def _fields(line: bytes) -> Mapping[str, object]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):  # without the cause: its message would show part of the line
        raise RequestError("request_invalid", "the line is not JSON", where="request") from None
    if not isinstance(fields, dict):
        raise RequestError("request_invalid", f"an object was expected, not {_type(fields)}", where="request")
    return fields


def _id(fields: Mapping[str, object]) -> RequestId:
    given = fields.get("id")
    if given is None or isinstance(given, str) or (isinstance(given, int) and not isinstance(given, bool)):
        return given
    raise RequestError("request_invalid", f"a string or a whole number was expected, not {_type(given)}", where="id")


def _request(fields: Mapping[str, object]) -> ValidationRequest:
    at, domain, trust = (_text(fields, name) for name in ("at", "domain", "trust_pem"))
    return ValidationRequest(
        at=datetime.now(UTC) if at is None else instant_of(at, where="at"),
        domain=None if domain is None else identity_of(domain, where="domain"),
        trust=None if trust is None else roots_of(_encoded(trust), where="trust_pem"),
        bundle=_content(fields, "bundle"),
        key=_content(fields, "key"),
    )


def _content(fields: Mapping[str, object], name: str) -> bytes:
    """Return the file's bytes, given as text (`_pem`) or in base64 (`_b64`)."""
    text, packed = _text(fields, f"{name}_pem"), _text(fields, f"{name}_b64")
    if (text is None) == (packed is None):
        message = f"exactly one of {name}_pem and {name}_b64 was expected"
        raise RequestError("request_invalid", message, where=name)
    if text is not None:
        return _encoded(text)
    assert packed is not None
    try:
        return base64.b64decode("".join(packed.split()), validate=True)
    except (binascii.Error, ValueError):
        message = f"{name}_b64 is not base64 (RFC 4648 section 4); encode the whole file"
        raise RequestError("base64_invalid", message, where=name) from None


def _text(fields: Mapping[str, object], name: str) -> str | None:
    given = fields.get(name)
    if given is None or isinstance(given, str):
        return given
    raise RequestError("request_invalid", f"a string was expected, not {_type(given)}", where=name)


def _encoded(text: str) -> bytes:
    """Return *text* in UTF-8; a lone surrogate, which JSON allows, becomes bytes that are not valid UTF-8."""
    return text.encode(errors="surrogatepass")


def _type(value: object) -> str:
    return _TYPES.get(type(value), "a number")
