"""Logs: one JSON object per line on stderr, without secrets, from structlog and logging alike."""

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

# The request that is being handled, if any: in every line that is logged meanwhile.
REQUEST: Final[ContextVar[str]] = ContextVar("request_id", default="")
UNMADE: Final = "a log line could not be made"


class LogHandler(logging.Handler):
    """The root's one handler: makes a line of a record, and queues it."""

    def __init__(self, lines: LogWriter) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode()
        except Exception as error:
            # logging's own way out would print the record's arguments as they are.
            line = _json({"event": UNMADE, "logger": record.name, "why": type(error).__name__})
        self._lines.put(lambda: line)


def configure(level: str, lines: LogWriter = LINES) -> None:
    """Once per process. What is logged goes to ``lines``, which are started here."""
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
    """Which lines are written from now on."""
    logging.getLogger().setLevel(level.upper())


def level_now() -> str:
    """Which lines are written."""
    return logging.getLevelName(logging.getLogger().level).lower()


def with_request(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Name the request that is being handled, unless the event names one."""
    request = REQUEST.get()
    if request:
        event.setdefault("request_id", request)
    return event


def redact_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Every item of an event, at any depth, its traceback too."""
    # What the formatter passes from one processor to the next begins so, and is taken out again.
    inner = {name: value for name, value in event.items() if str(name).startswith("_")}
    return {**cleaned_items({n: v for n, v in event.items() if n not in inner}), **inner}


def access(  # noqa: PLR0917 - by name it would cost more, at every request
    at: datetime, request: str, method: str, path: str, status: int, seconds: float, ip: str | None
) -> None:
    """One line for one request; it is made where the line is written, not where it is answered.

    For what happens at every request: the way through structlog and logging costs more than it.
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
    """What nobody caught ends the process, and is told like anything else."""
    found: ExcInfo = (kind, error, trace)
    logging.getLogger("gateway").critical("the process ends", exc_info=found)
    LINES.close(within=LAST_LINES_SECONDS)
