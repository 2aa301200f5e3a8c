"""The client for asyncio."""

from rendertrust.client.accounts import AccountsApi
from rendertrust.client.base import RETRIES
from rendertrust.client.credits import CreditsApi
from rendertrust.client.events import EventsApi
from rendertrust.client.log import LogApi
from rendertrust.client.nodes import NodesApi, NodeVerb
from rendertrust.client.operators import OperatorsApi, PayoutTo
from rendertrust.client.organisations import OrganisationsApi
from rendertrust.client.preflights import PreflightsApi
from rendertrust.client.units import Container, Needs, Order, Pool, Priority

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


class AsyncClient(
    AccountsApi,
    CreditsApi,
    PreflightsApi,
    EventsApi,
    NodesApi,
    OperatorsApi,
    OrganisationsApi,
    LogApi,
):
    """A creator's view of one gateway; ``async with AsyncClient(url) as client: …``.

    Every method raises a ``RenderTrustError``: ``Refused`` and its kinds when the gateway said no,
    ``NoAnswer`` when nobody answered after all tries. Job ids are UUIDs, else ValueError.
    """
