"""Messages of the Recorder."""

import attrs

from actors.kernel import Message


class Recorder:
    """Marker type for the address of the recorder actor."""


@attrs.frozen
class Write(Message[Recorder, None]):
    """From the Recorder's own timer: write connections and disconnections since the last time."""
