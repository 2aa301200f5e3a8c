"""Single runs of the Sweeper's steps, against a gateway's ports."""

from actors.sweeper import removal
from web.edge_children import sweeper_ports, sweeper_settings
from web.gateway import Gateway


async def remove_expired(gateway: Gateway) -> None:
    """Remove expired inputs and results."""
    await removal.remove_expired(sweeper_ports(gateway), sweeper_settings(gateway.settings))


async def remove_abandoned_results(gateway: Gateway) -> None:
    """Remove the uploaded parts of results that were abandoned."""
    await removal.remove_abandoned_results(sweeper_ports(gateway))
