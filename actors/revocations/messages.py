"""Messages of the revocations actor."""

from typing import ClassVar

import attrs

from actors.kernel import Message, Overflow


class Revocations:
    """Marker type for the address of the revocations actor."""


@attrs.frozen
class RevocationsChanged(Message[Revocations, None]):
    """From the feed, when the database notifies it of a revocation: read the new revocations.

    Of several such messages one is kept, as one read finds all revocations.
    """

    overflow: ClassVar[Overflow] = Overflow.COALESCE

    def coalesce_key(self) -> str:
        return "read"


@attrs.frozen
class RevocationPoll(Message[Revocations, None]):
    """From the actor's own timer: read the new revocations, as a notification may be lost."""


@attrs.frozen
class RemoveExpired(Message[Revocations, None]):
    """From the actor's own timer: remove expired revocations and logins."""
