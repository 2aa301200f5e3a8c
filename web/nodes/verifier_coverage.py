"""Nodes whose results a connected verifier of the gateway can compare."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from actors.kernel import AskFailed
from actors.scheduler.messages import GetVerifierCoverage, Scheduler
from web.gateway import Gateway

ASK_SECONDS: Final = 0.5


async def checkable(gateway: Gateway, *nodes: UUID) -> Mapping[UUID, bool]:
    """Return which connected nodes that render can be verified; empty if verification is off, or
    the Scheduler does not answer.
    """
    if not gateway.settings.verification.enabled:
        return {}
    try:
        return await gateway.registry.ref(Scheduler).ask(
            GetVerifierCoverage(nodes), within=ASK_SECONDS
        )
    except (AskFailed, LookupError):
        return {}
