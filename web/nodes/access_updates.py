"""Messages to the Scheduler about changes of organisations or trust."""

from typing import Final

from actors.kernel import AskFailed
from actors.scheduler.messages import AccessChanged, Scheduler, Wake
from web.gateway import Gateway

READ_SECONDS: Final = 5.0


async def announce_access_change(gateway: Gateway) -> None:
    """Wait until the Scheduler has read the change; the caller then answers the request.

    From then on this gateway sends no scene to a node that has lost access. A Scheduler that does
    not answer in time is only woken. Other gateways read the change within seconds.
    """
    scheduler = gateway.registry.ref(Scheduler)
    try:
        await scheduler.ask(AccessChanged(), within=READ_SECONDS)
    except AskFailed:
        scheduler.tell(Wake())
