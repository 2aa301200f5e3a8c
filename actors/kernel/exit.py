"""How an instance of an actor ended."""

import attrs

from actors.kernel.failure import Fatal, Mishap

DETAIL_CHARACTERS = 200


@attrs.frozen
class Exit:
    """``reason`` is short and contains no payload; ``error`` is the exception, for the log."""

    normal: bool
    reason: str
    error: BaseException | None = attrs.field(default=None, repr=False, eq=False)


STOPPED = Exit(normal=True, reason="stopped")
KILLED = Exit(normal=False, reason="killed")


def crash(error: BaseException, where: str, *, detail: bool = False) -> Exit:
    """Describe a crash by the error's type and place only: its text may contain a message's data.

    A start handles no message, so with ``detail`` the error's text is kept, on one line. The texts
    of ``Fatal`` and ``Mishap`` are written to be shown and are always kept.
    """
    detail = detail or isinstance(error, Fatal | Mishap)
    reason = f"{type(error).__name__} in {where}"
    text = " ".join(str(error).split())[:DETAIL_CHARACTERS]
    return Exit(
        normal=False, reason=f"{reason}: {text}" if detail and text else reason, error=error
    )
