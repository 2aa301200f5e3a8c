"""Messages of the Watchman."""

import attrs

from actors.kernel import Message


class Watchman:
    """Marker: the address of the watchman actor."""


@attrs.frozen
class IsOpen(Message[Watchman, bool]):
    """From the web: is new work accepted?"""
