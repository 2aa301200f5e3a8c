"""What the Lifeline tells itself."""

import attrs

from actors.kernel import Message


class Lifeline:
    """Marker: the address of the lifeline actor."""


@attrs.frozen
class Sweep(Message[Lifeline, None]):
    """A timer: look for leases that ran out, nodes that fell silent, assignments that were lost."""
