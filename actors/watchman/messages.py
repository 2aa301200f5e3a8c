"""Messages of the Watchman."""

import attrs

from actors.kernel import Message


class Watchman:
    """Marker type for the address of the watchman actor."""


@attrs.frozen
class IsOpen(Message[Watchman, bool]):
    """From the web: reply True if the gateway accepts new work."""
