"""Logs: one JSON object per line on stderr, without secrets, from structlog and logging alike."""

import logging
import re
import sys
from typing import Any

import orjson
import structlog
from structlog.types import EventDict, Processor, WrappedLogger

HIDDEN = "[hidden]"
_SECRETS = (
    re.compile(r"(?i)(token=|password=|secret=|x-amz-[a-z-]+=)[^&\s\"']+"),
    re.compile(r"()eyJ[\w-]{5,}\.[\w-]+\.[\w-]*"),  # JSON web tokens
    re.compile(r"()\brtk_\w+"),  # API keys
    re.compile(r"()\b(?:whsec|sk_live|sk_test|rk_live|rk_test)_\w+"),  # Stripe
    re.compile(r"(\b[a-z][a-z0-9+]*://[^\s:/@]*:)[^\s@]+(?=@)"),  # a password in a DSN
    re.compile(r"(?i)(bearer\s+)[\w.~+/-]+=*"),
)


def redact(text: str) -> str:
    """The text without tokens, passwords, keys and signatures of URLs."""
    for pattern in _SECRETS:
        text = pattern.sub(lambda found: found[1] + HIDDEN, text)
    return text


def redact_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Every text of an event, its traceback too."""
    return {name: redact(v) if isinstance(v, str) else v for name, v in event.items()}


def configure(level: str) -> None:
    """Once per process."""
    shared: list[Processor] = [
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
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.ExtraAdder(),
                structlog.stdlib.PositionalArgumentsFormatter(),
                *shared,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def write_line(event: dict[str, Any]) -> None:
    """An event straight to the log; its texts are redacted by the caller.

    For what happens at every request: the way through structlog and logging costs more than it.
    """
    line = orjson.dumps(event, default=_text, option=orjson.OPT_UTC_Z).decode()
    sys.stderr.write(line + "\n")


def _render(_: WrappedLogger, __: str, event: EventDict) -> str:
    return orjson.dumps(dict(event), default=_text).decode()


def _text(value: Any) -> str:
    return redact(repr(value))
