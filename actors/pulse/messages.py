"""Messages of the Pulse."""

import attrs

from actors.kernel import Message


class Pulse:
    """Marker type for the address of the pulse actor."""


@attrs.frozen
class Beat(Message[Pulse, None]):
    """From the Pulse's own timer: measure the loop's lag, and look for stuck actors when due."""
