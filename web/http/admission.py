"""Whether new work may come in: not before all has started, and not from the moment of a stop."""

from typing import Final

from actors.kernel import AskFailed
from actors.watchman.messages import IsOpen, Watchman
from supervisors.registry import Registry

ADMISSION_SECONDS: Final = 0.5


async def is_open(registry: Registry) -> bool:
    """Ask the Watchman; who has not started yet, or is stopping, does not answer."""
    try:
        return await registry.ref(Watchman).ask(IsOpen(), within=ADMISSION_SECONDS)
    except AskFailed:
        return False
