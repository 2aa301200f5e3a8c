"""Whether the node is to take work now: its owner's hours, room on the disk, an idle machine."""

from collections.abc import Callable
from datetime import datetime

import attrs

from rendertrust.node.disk import Room
from rendertrust.node.hours import Hours
from rendertrust.node.quiet import Quiet
from rendertrust.node.settings import Settings
from rendertrust.node.state import StateFolder


def _local_time() -> datetime:
    return datetime.now().astimezone()


@attrs.define
class Readiness:
    """Asked every few seconds."""

    hours: Hours | None
    quiet: Quiet | None
    time: Callable[[], datetime] = _local_time
    room: Room | None = None

    def why_not(self) -> str | None:
        """Why the node rests; None: it works."""
        is_quiet = self.quiet is None or self.quiet.look()
        if self.hours is not None and not self.hours.holds(self.time()):
            return f"it works from {self.hours} alone"
        if self.room is not None and (full := self.room.why_not()) is not None:
            return full
        return None if is_quiet else "others use this machine"


def readiness_of(settings: Settings, folder: StateFolder) -> Readiness:
    """As the settings say, on the disk of that folder."""
    quiet = Quiet(settings.idle_share, settings.idle_looks) if settings.idle_only else None
    return Readiness(settings.hours, quiet, room=room_of(settings, folder))


def room_of(settings: Settings, folder: StateFolder) -> Room:
    """On the disk of that folder."""
    return Room(folder.path, folder.cache, settings.disk_bytes_least)
