"""Messages of the Lifeline."""

import attrs

from actors.kernel import Message


class Lifeline:
    """Marker type for the address of the lifeline actor."""


@attrs.frozen
class Sweep(Message[Lifeline, None]):
    """From the Lifeline's own timer: look for ended leases, silent nodes and unsent units."""


@attrs.frozen
class Expire(Message[Lifeline, None]):
    """From the Lifeline's own timer: fail units that waited too long, to release their holds."""
