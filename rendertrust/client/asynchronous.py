"""The client for asyncio."""

from rendertrust.client.circles import Circles
from rendertrust.client.credits import Credits
from rendertrust.client.events import Events
from rendertrust.client.log import Log
from rendertrust.client.nodes import Nodes, NodeVerb
from rendertrust.client.operators import Operators, PayoutTo
from rendertrust.client.people import People
from rendertrust.client.scenes import Scenes
from rendertrust.client.units import Container, Needs, Order, Pool, Priority
from rendertrust.client.wire import RETRIES

__all__ = [
    "RETRIES",
    "AsyncClient",
    "Container",
    "Needs",
    "NodeVerb",
    "Order",
    "PayoutTo",
    "Pool",
    "Priority",
]


class AsyncClient(People, Credits, Scenes, Events, Nodes, Operators, Circles, Log):
    """A creator's view of one gateway; ``async with AsyncClient(url) as client: …``.

    Every method raises a ``RenderTrustError``: ``Refused`` and its kinds when the gateway said no,
    ``NoAnswer`` when nobody answered after all tries. Job ids are UUIDs, else ValueError.
    """
