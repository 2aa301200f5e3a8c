"""Admission of new work: refused before the start is complete and from the beginning of a stop."""

from typing import Final

from actors.kernel import AskFailed
from actors.watchman.messages import IsOpen, Watchman
from supervisors.registry import Registry

ADMISSION_SECONDS: Final = 0.5


async def is_open(registry: Registry) -> bool:
    """Return whether the Watchman admits new work; a Watchman that is starting or stopping does
    not answer.
    """
    try:
        return await registry.ref(Watchman).ask(IsOpen(), within=ADMISSION_SECONDS)
    except AskFailed:
        return False
