"""Messages of the Sweeper."""

import attrs

from actors.kernel import Message


class Sweeper:
    """Marker type for the address of the sweeper actor."""


@attrs.frozen
class SweepDue(Message[Sweeper, None]):
    """From the Sweeper's own timer: delete what has expired or was abandoned."""
