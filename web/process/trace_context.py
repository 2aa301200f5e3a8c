"""Trace context of a request (W3C ``traceparent``), with which logs of several systems join."""

import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Final

import attrs

HEADER: Final = "traceparent"
CHARACTERS_MAX: Final = 300
_FORMAT: Final = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.ASCII
)


@attrs.frozen
class TraceContext:
    """The trace to which a request belongs, and the caller's span in it."""

    trace_id: str
    parent_id: str


# The trace of the current request, if its caller named one.
TRACE: Final[ContextVar[TraceContext | None]] = ContextVar("trace", default=None)


def trace_of(headers: Sequence[str]) -> TraceContext | None:
    """Return the trace that the values of ``traceparent`` name; None without one valid value.

    As the standard says, later versions may have more members, version ff and ids of zeros are
    invalid, and two values count as none.
    """
    found = _FORMAT.fullmatch(headers[0][:CHARACTERS_MAX]) if len(headers) == 1 else None
    if found is None:
        return None
    version, trace, parent, more = found.groups()
    if (
        version == "ff"
        or (version == "00" and more)
        or not (trace.strip("0") and parent.strip("0"))
    ):
        return None
    return TraceContext(trace, parent)
