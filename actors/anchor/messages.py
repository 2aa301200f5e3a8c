"""What the Anchor is asked."""

import attrs

from actors.kernel import Message


class Anchor:
    """Marker: the address of the anchor actor."""


@attrs.frozen
class AnchorDue(Message[Anchor, None]):
    """The Anchor's own timer: see to what was sent, and to what is to be sent."""
