"""What the Courier is told."""

import attrs

from actors.kernel import Message


class Courier:
    """Marker: the address of the courier actor."""


@attrs.frozen
class Deliver(Message[Courier, int]):
    """Its own timer: send what is due; how many were."""


@attrs.frozen
class Forget(Message[Courier, None]):
    """Its own timer: deliveries of long ago are forgotten."""
