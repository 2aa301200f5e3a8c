"""Messages of the Anchor."""

import attrs

from actors.kernel import Message


class Anchor:
    """Marker: the address of the anchor actor."""


@attrs.frozen
class AnchorDue(Message[Anchor, None]):
    """From the Anchor's own timer: check sent transactions, and send what is due."""
