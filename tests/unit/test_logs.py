"""Logs: one line for machines, and never the value of a variable."""

import json
import logging
import secrets

import pytest
import structlog

from shared import logs
from shared.settings import LogSettings


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_variables(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format=form), service="test")

    def fail(password: str) -> None:
        raise ValueError(str(len(password)))

    password = secrets.token_hex(8)  # not written here, or the source line in the traceback would show it
    try:
        fail(password)
    except ValueError:
        structlog.get_logger().exception("it_failed")
        logging.getLogger("library").exception("it failed")

    written = capsys.readouterr().err
    assert "it_failed" in written
    assert password not in written


def test_a_line_is_one_json_object_with_service_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format="json"), service="test")

    structlog.get_logger().info("order_opened", order_id="ord_1")

    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["order_id"], line["service"]) == ("order_opened", "ord_1", "test")
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")
