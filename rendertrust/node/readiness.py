"""Conditions for work: working hours, disk space, and an idle machine."""

from collections.abc import Callable
from datetime import datetime

import attrs

from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.disk_space import DiskSpace
from rendertrust.node.idle_detector import IdleDetector
from rendertrust.node.state_folder import StateFolder
from rendertrust.node.working_hours import WorkingHours


def _local_time() -> datetime:
    return datetime.now().astimezone()


@attrs.define
class Readiness:
    """The conditions for work, checked every few seconds."""

    hours: WorkingHours | None
    quiet: IdleDetector | None
    time: Callable[[], datetime] = _local_time
    room: DiskSpace | None = None

    def why_not(self) -> str | None:
        """Return why the node rests; None if the node works."""
        is_quiet = self.quiet is None or self.quiet.look()
        if self.hours is not None and not self.hours.holds(self.time()):
            return f"the node works only from {self.hours}"
        if self.room is not None and (full := self.room.why_not()) is not None:
            return full
        return None if is_quiet else "other users or programs are using this machine"


def readiness_of(settings: AgentSettings, folder: StateFolder) -> Readiness:
    """Return the conditions that the settings ask for."""
    quiet = IdleDetector(settings.idle_share, settings.idle_looks) if settings.idle_only else None
    return Readiness(settings.hours, quiet, room=room_of(settings, folder))


def room_of(settings: AgentSettings, folder: StateFolder) -> DiskSpace:
    """Return the check of the state folder's free disk space."""
    return DiskSpace(folder.path, folder.cache, settings.disk_bytes_least)
