"""What the Lifeline tells itself."""

import attrs

from actors.kernel import Message


class Lifeline:
    """Marker: the address of the lifeline actor."""


@attrs.frozen
class Sweep(Message[Lifeline, None]):
    """A timer: look for leases that ran out, nodes that fell silent, assignments that were lost."""


@attrs.frozen
class Expire(Message[Lifeline, None]):
    """A timer: look for units that waited too long; nobody's credits are held for ever."""
