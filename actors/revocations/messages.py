"""Messages of the revocations actor."""

from typing import ClassVar

import attrs

from actors.kernel import Message, Overflow


class Revocations:
    """Marker: the address of the revocations actor."""


@attrs.frozen
class RevocationsChanged(Message[Revocations, None]):
    """From the database, through the feed: something was revoked. One reading finds everything."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE

    def coalesce_key(self) -> str:
        return "read"


@attrs.frozen
class RevocationPoll(Message[Revocations, None]):
    """From the actor's own timer: read again, in case a notification was lost."""


@attrs.frozen
class RemoveExpired(Message[Revocations, None]):
    """From the actor's own timer: remove what has expired, here and in the database."""
