"""How an instance of an actor ended."""

import attrs

from actors.kernel.failure import Fatal, Mishap

DETAIL_CHARACTERS = 200


@attrs.frozen
class Exit:
    """``reason`` is short and free of payload; ``error`` is what was raised, for the log."""

    normal: bool
    reason: str
    error: BaseException | None = attrs.field(default=None, repr=False, eq=False)


STOPPED = Exit(normal=True, reason="stopped")
KILLED = Exit(normal=False, reason="killed")


def crash(error: BaseException, where: str, *, detail: bool = False) -> Exit:
    """Name the error's type and the place alone: its text may hold what a message carried.

    A start has no message in hand; with ``detail`` its error's text is kept, on one line. So is
    that of ``Fatal`` and ``Mishap``, which are written to be shown.
    """
    detail = detail or isinstance(error, Fatal | Mishap)
    reason = f"{type(error).__name__} in {where}"
    text = " ".join(str(error).split())[:DETAIL_CHARACTERS]
    return Exit(
        normal=False, reason=f"{reason}: {text}" if detail and text else reason, error=error
    )
