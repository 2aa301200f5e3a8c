"""The end of an instance of an actor."""

import attrs

from actors.kernel.failure import Fatal, Mishap

DETAIL_CHARACTERS = 200


@attrs.frozen
class Exit:
    """How an instance ended.

    ``reason`` is short and has no data of messages; ``error`` is for the log.
    """

    normal: bool
    reason: str
    error: BaseException | None = attrs.field(default=None, repr=False, eq=False)


STOPPED = Exit(normal=True, reason="stopped")
KILLED = Exit(normal=False, reason="killed")


def crash(error: BaseException, where: str, *, detail: bool = False) -> Exit:
    """Describe a crash only by the error's type and place, as its text may contain data of a
    message.

    At a start no message is handled, so with ``detail`` the error's text is kept, in one line. The
    texts of ``Fatal`` and ``Mishap`` are written for logs and are always kept.
    """
    detail = detail or isinstance(error, Fatal | Mishap)
    reason = f"{type(error).__name__} in {where}"
    text = " ".join(str(error).split())[:DETAIL_CHARACTERS]
    return Exit(
        normal=False, reason=f"{reason}: {text}" if detail and text else reason, error=error
    )
