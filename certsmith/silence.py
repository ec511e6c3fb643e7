"""What the command line is made of logs only when asked to, on standard error; it says itself what people need."""

import logging
import os
import sys

import structlog


def silence_logs() -> None:
    """Show no logs, or with CERTSMITH_DEBUG all of them."""
    level = logging.DEBUG if os.environ.get("CERTSMITH_DEBUG") else logging.CRITICAL
    logging.basicConfig(level=level, stream=sys.stderr)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
