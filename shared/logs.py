"""Writes logs: one JSON object a line, or coloured lines for people at a terminal.

The name of a log event is a constant in snake case, the facts are keywords. While a message is handled, its event's
id, type and correlation id are on every line. Secrets never get here: they have types whose `repr` hides them, and
tracebacks contain no values of variables.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from structlog.typing import EventDict, WrappedLogger

from shared.events import Incoming
from shared.settings import LogSettings

_LEVELS = logging.getLevelNamesMapping()
# Without local variables, which are included by default: keys and passwords are among them.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure(settings: LogSettings, *, service: str) -> None:
    """Send all logs, also those of libraries, to standard error in the format that *settings* name."""
    level = _LEVELS[settings.level.upper()]
    shared_processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor]
    if settings.format == "console":
        colors = sys.stderr.isatty()
        last = [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]
    else:
        last = [_TRACEBACKS, structlog.processors.JSONRenderer()]

    def add_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    structlog.configure(
        processors=[*shared_processors, add_service, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _route_standard_library(shared_processors, add_service, last)


def _route_standard_library(
    first: list[structlog.typing.Processor], service: structlog.typing.Processor, last: list[structlog.typing.Processor]
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*first, service],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


@contextmanager
def handling(event: Incoming) -> Iterator[None]:
    """Add the id, type and correlation id of *event* to every log line of the block."""
    with structlog.contextvars.bound_contextvars(
        event_id=event.id, event_type=event.type, correlation_id=event.cause.correlation_id
    ):
        yield
