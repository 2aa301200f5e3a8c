"""The notice that an address is down for good."""

from typing import TYPE_CHECKING, Any

import attrs

from actors.kernel.message import Message

if TYPE_CHECKING:
    from actors.kernel.ref import Ref


@attrs.frozen
class Down(Message[Any, None]):
    """From the kernel to an actor that called ``watch(ref)``: ``ref`` is down for good."""

    ref: "Ref[Any]"
    reason: str
