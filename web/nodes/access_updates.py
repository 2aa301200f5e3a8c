"""Organisations and trust changed: whose nodes may do whose work is another matter now."""

from typing import Final

from actors.kernel import AskFailed
from actors.scheduler.messages import AccessChanged, Scheduler, Wake
from web.gateway import Gateway

READ_SECONDS: Final = 5.0


async def tell_circles(gateway: Gateway) -> None:
    """Before whoever changed them is answered, so that no scene goes where it may not any more.

    Other gateways see it when they read next, within seconds.
    """
    scheduler = gateway.registry.ref(Scheduler)
    try:
        await scheduler.ask(AccessChanged(), within=READ_SECONDS)
    except AskFailed:
        scheduler.tell(Wake())
