"""Messages of the Courier."""

import asyncio
from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message
from actors.ports.webhooks import Answered, NotSent
from sql.webhooks import DueDelivery

Sending: TypeAlias = "asyncio.Task[Sequence[Answered | NotSent]]"


class Courier:
    """Marker type for the address of the courier actor."""


@attrs.frozen
class Deliver(Message[Courier, int]):
    """From the Courier's own timer: begin to send due deliveries; the reply is their number."""


@attrs.frozen
class Sent(Message[Courier, None]):
    """From the Courier's own task: requests to an endpoint have ended.

    ``due``: the deliveries that the task has sent. ``became``: the finished task, with the outcomes
    of the deliveries.
    """

    endpoint: UUID
    due: Sequence[DueDelivery]
    became: Sending = attrs.field(repr=False)


@attrs.frozen
class Forget(Message[Courier, None]):
    """From the Courier's own timer: delete old deliveries."""
