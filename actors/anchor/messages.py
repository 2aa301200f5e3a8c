"""Messages of the Anchor."""

import attrs

from actors.kernel import Message


class Anchor:
    """Marker type for the address of the anchor actor."""


@attrs.frozen
class AnchorDue(Message[Anchor, None]):
    """From the Anchor's own timer: check sent transactions, and send an anchor if an anchor
    is due.
    """
