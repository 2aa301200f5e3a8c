"""The end of an instance of an actor."""

import attrs

from actors.kernel.errors import Fatal, Mishap

DETAIL_CHARACTERS = 200


@attrs.frozen
class Exit:
    """How an instance of an actor ended.

    ``normal``: the instance was stopped. ``reason`` is short and contains no data of messages;
    ``error`` is only for the log.
    """

    normal: bool
    reason: str
    error: BaseException | None = attrs.field(default=None, repr=False, eq=False)


STOPPED = Exit(normal=True, reason="stopped")
KILLED = Exit(normal=False, reason="killed")


def crash(error: BaseException, where: str, *, detail: bool = False) -> Exit:
    """Describe a crash by the error's type and place, without its text, which may contain data of a
    message.

    The text is included for ``Fatal`` and ``Mishap``, whose texts are written for logs. With
    ``detail`` the text is included, too: for starts, when no message is handled.
    """
    detail = detail or isinstance(error, Fatal | Mishap)
    reason = f"{type(error).__name__} in {where}"
    text = " ".join(str(error).split())[:DETAIL_CHARACTERS]
    return Exit(
        normal=False, reason=f"{reason}: {text}" if detail and text else reason, error=error
    )
