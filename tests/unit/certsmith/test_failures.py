"""How errors are shown."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certsmith.exits import ExitCode
from certsmith.failures import CommandError, failure_of, without_passwords
from certsmith.settings import shown
from shared.errors import (
    BrokerUnavailableError,
    PermanentError,
    Reason,
    RefusedError,
    SettingsError,
    StoreUnavailableError,
)

words = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
passwords = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=4, max_size=30)


@pytest.mark.parametrize(
    ("error", "exit_code", "code"),
    [
        (SettingsError("x"), 78, "settings"),
        (StoreUnavailableError("x"), 69, "database_unavailable"),
        (BrokerUnavailableError("x"), 69, "broker_unavailable"),
        (RefusedError(Reason("a", "x")), 3, "refused"),
        (PermanentError("x"), 1, "failed"),
        (CommandError("x", code="not_found", exit_code=ExitCode.NOT_FOUND), 5, "not_found"),
        (ZeroDivisionError("x"), 1, "internal_error"),
    ],
)
def test_each_kind_of_error_has_a_code_of_its_own(error: Exception, exit_code: int, code: str) -> None:
    failure = failure_of(error)

    assert (failure.exit_code, failure.code) == (exit_code, code)


def test_a_refusal_names_all_its_reasons() -> None:
    document = failure_of(RefusedError(Reason("a", "first"), Reason("b", "second"))).document

    assert document == {
        "error": {
            "code": "refused",
            "message": "first; second",
            "reasons": [{"code": "a", "message": "first"}, {"code": "b", "message": "second"}],
        },
        "exit_code": 3,
    }


def test_an_unexpected_error_is_one_line_that_names_the_debug_setting() -> None:
    message = failure_of(ValueError("first\nsecond")).message

    assert message == "unexpected ValueError: first; set CERTSMITH_DEBUG=1 to see the traceback"


@given(user=words, password=passwords, host=words, path=words)
def test_no_text_shows_the_password_of_an_address(user: str, password: str, host: str, path: str) -> None:
    text = f"it is amqp://{user}:{quote(password, safe='')}@{host}.example:5672/{path} which failed"

    shown_text = without_passwords(text)

    assert shown_text == f"it is amqp://{user}:***@{host}.example:5672/{path} which failed"


@given(user=words, password=passwords, host=words)
def test_a_password_that_is_not_percent_encoded_is_not_shown_either(user: str, password: str, host: str) -> None:
    shown_text = without_passwords(f"postgresql://{user}:{password}@{host}/db")

    assert shown_text.endswith(f"***@{host}/db")
    assert f":{password}@" not in shown_text.replace("***", "")


@given(user=words, password=passwords, host=words)
def test_an_address_is_shown_without_password_and_parameters(user: str, password: str, host: str) -> None:
    url = f"postgresql://{user}:{quote(password, safe='')}@{host}:5432/db?password={quote(password, safe='')}"

    assert shown(url) == f"postgresql://{user}@{host}:5432/db"


def test_an_address_that_cannot_be_read_is_not_shown() -> None:
    assert shown("postgresql://user:secret@[::1/db") == "an address that cannot be read"
