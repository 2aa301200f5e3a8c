"""Messages to the Scheduler about changes of organisations or trust."""

from typing import Final

from actors.kernel import AskFailed
from actors.scheduler.messages import AccessChanged, Scheduler, Wake
from web.gateway import Gateway

READ_SECONDS: Final = 5.0


async def tell_circles(gateway: Gateway) -> None:
    """Let the Scheduler read the change before the request is answered.

    So no scene is sent to a node that may no longer have it. Other gateways read the change within
    seconds.
    """
    scheduler = gateway.registry.ref(Scheduler)
    try:
        await scheduler.ask(AccessChanged(), within=READ_SECONDS)
    except AskFailed:
        scheduler.tell(Wake())
