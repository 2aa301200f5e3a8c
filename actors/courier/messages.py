"""What the Courier is told."""

import asyncio
from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message
from actors.ports.webhooks import Answered, NotSent
from sql.deliveries import DueDelivery

Sending: TypeAlias = "asyncio.Task[Sequence[Answered | NotSent]]"


class Courier:
    """Marker: the address of the courier actor."""


@attrs.frozen
class Deliver(Message[Courier, int]):
    """Its own timer: begin to send what is due; how much that is."""


@attrs.frozen
class Sent(Message[Courier, None]):
    """From what it began: all that was ``due`` to an endpoint was sent, or not."""

    endpoint: UUID
    due: Sequence[DueDelivery]
    became: Sending = attrs.field(repr=False)


@attrs.frozen
class Forget(Message[Courier, None]):
    """Its own timer: deliveries of long ago are forgotten."""
