"""Whether the node is to take work now: its owner's hours, and whether the machine is idle."""

from collections.abc import Callable
from datetime import datetime

import attrs

from rendertrust.node.hours import Hours
from rendertrust.node.quiet import Quiet
from rendertrust.node.settings import Settings


def _local_time() -> datetime:
    return datetime.now().astimezone()


@attrs.define
class Readiness:
    """Asked every few seconds."""

    hours: Hours | None
    quiet: Quiet | None
    time: Callable[[], datetime] = _local_time

    def why_not(self) -> str | None:
        """Why the node rests; None: it works."""
        is_quiet = self.quiet is None or self.quiet.look()
        if self.hours is not None and not self.hours.holds(self.time()):
            return f"it works from {self.hours} alone"
        return None if is_quiet else "others use this machine"


def readiness_of(settings: Settings) -> Readiness:
    """As the settings say."""
    quiet = Quiet(settings.idle_share, settings.idle_looks) if settings.idle_only else None
    return Readiness(settings.hours, quiet)
