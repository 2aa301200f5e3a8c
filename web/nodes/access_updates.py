"""Tells the Scheduler that organisations or trust have changed."""

from typing import Final

from actors.kernel import AskFailed
from actors.scheduler.messages import AccessChanged, Scheduler, Wake
from web.gateway import Gateway

READ_SECONDS: Final = 5.0


async def tell_circles(gateway: Gateway) -> None:
    """Have the Scheduler read the change before its author is answered.

    So no scene goes where it may not any longer. Other gateways read it within seconds.
    """
    scheduler = gateway.registry.ref(Scheduler)
    try:
        await scheduler.ask(AccessChanged(), within=READ_SECONDS)
    except AskFailed:
        scheduler.tell(Wake())
