"""Turns logs off: a command itself prints what people need. With CERTSMITH_DEBUG all logs go to standard error."""

import logging
import os
import sys

import structlog


def silence_logs() -> None:
    """Write no logs, or with CERTSMITH_DEBUG all of them, to standard error."""
    level = logging.DEBUG if os.environ.get("CERTSMITH_DEBUG") else logging.CRITICAL
    logging.basicConfig(level=level, stream=sys.stderr)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
