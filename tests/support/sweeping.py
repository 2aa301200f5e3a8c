"""Single runs of the Sweeper's steps, against a gateway's ports."""

from web.edge_children import sweeper_of
from web.gateway import Gateway


async def remove_expired(gateway: Gateway) -> None:
    """Remove expired inputs and results."""
    await sweeper_of(gateway).remove_expired()


async def remove_abandoned_results(gateway: Gateway) -> None:
    """Remove the uploaded parts of results that were abandoned."""
    await sweeper_of(gateway).remove_abandoned_results()
