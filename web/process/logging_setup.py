"""Logging: one JSON object per line on stderr, without secrets, from structlog and logging
alike.
"""

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final

import orjson
import structlog
from structlog.types import EventDict, ExcInfo, Processor, WrappedLogger

from config.redaction import cleaned_items, redact, shown
from web.process.log_writer import LAST_LINES_SECONDS, LINES, LogWriter
from web.process.trace_context import TRACE, TraceContext

# The id of the current request, if any; the id is added to every line that is logged during the
# request.
REQUEST: Final[ContextVar[str]] = ContextVar("request_id", default="")
UNMADE: Final = "a log line could not be made"


class LogHandler(logging.Handler):
    """The root's only handler: makes a line from a record, and queues it."""

    def __init__(self, lines: LogWriter) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode()
        except Exception as error:
            # logging's own error handling would print the record's arguments unredacted.
            line = _json({"event": UNMADE, "logger": record.name, "why": type(error).__name__})
        self._lines.put(lambda: line)


def configure(level: str, lines: LogWriter = LINES) -> None:
    """Configure logging, once per process, with output to ``lines``, and start ``lines``."""
    lines.start()
    shared: list[Processor] = [
        with_request,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact_event,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = LogHandler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(level)
    sys.excepthook = _uncaught


def set_level(level: str) -> None:
    """Set the lowest level that is logged."""
    logging.getLogger().setLevel(level.upper())


def level_now() -> str:
    """Return the lowest level that is logged."""
    return logging.getLevelName(logging.getLogger().level).lower()


def with_request(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Add the id of the current request, unless the event has one, and its trace."""
    request = REQUEST.get()
    if request:
        event.setdefault("request_id", request)
    return {**event, **members_of(TRACE.get())}


def members_of(trace: TraceContext | None) -> dict[str, str]:
    """Return the members of a line that belongs to a trace."""
    return {} if trace is None else {"trace_id": trace.trace_id, "parent_id": trace.parent_id}


def redact_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Redact every item of an event, at any depth, including its traceback."""
    # Internal items of the formatter, which removes them later.
    inner = {name: value for name, value in event.items() if str(name).startswith("_")}
    return {**cleaned_items({n: v for n, v in event.items() if n not in inner}), **inner}


def access(  # noqa: PLR0917 - by name it would cost more, at every request
    at: datetime,
    request: str,
    method: str,
    path: str,
    status: int,
    seconds: float,
    ip: str | None,
    trace: TraceContext | None,
) -> None:
    """Log one request; the writing thread makes the line.

    For speed: structlog and logging would cost more than most requests.
    """

    def line() -> bytes:
        return _json(
            {
                "timestamp": at,
                "logger": "access",
                "request_id": request,
                "method": method,
                "path": redact(path[:200]),
                "status": status,
                "ms": round(seconds * 1000, 1),
                "ip": ip,
                **members_of(trace),
            }
        )

    LINES.put(line, hurry=False)


def _render(_: WrappedLogger, __: str, event: EventDict) -> str:
    return _json(event).decode().removesuffix("\n")


def _json(event: Mapping[str, Any]) -> bytes:
    options = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
    try:
        return orjson.dumps(dict(event), default=_text, option=options)
    except TypeError:  # a lone surrogate
        return json.dumps(dict(event), default=_text).encode() + b"\n"


def _text(value: Any) -> str:
    return redact(shown(value))


def _uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Log an uncaught exception, which ends the process."""
    found: ExcInfo = (kind, error, trace)
    logging.getLogger("gateway").critical("the process ends", exc_info=found)
    LINES.close(within=LAST_LINES_SECONDS)
