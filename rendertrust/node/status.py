"""What an agent says about itself to other processes of this machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from rendertrust import __version__
from rendertrust.node.agent_history import HistoryLine, past
from rendertrust.node.state_folder import StateFolder


@attrs.frozen(kw_only=True)
class NotJoined:
    """There is no enrolment in the state folder."""

    reason: str = "this node has not joined a gateway yet; run: rendertrust node join URL"


@attrs.frozen(kw_only=True)
class Status:
    """What the agent on a state folder is doing, or was doing when it ended.

    ``draining``: it was told to take nothing new; when all is done it ends. ``resting``: why it
    takes nothing now, where it does so by itself. ``serves``: whose work it takes; ``standing``:
    what was said of it at the gateway when it was connected last, with the reason of a quarantine;
    ``opengl``: whether EEVEE and
    Workbench draw here, None: nobody knows; ``silent_seconds``: for how long nothing came over a
    line that is open, once that is long. ``history`` is what the agent
    told, across its lives, the newest last; ``units_ended``: how many, and how.
    """

    node_id: str
    name: str
    url: str
    running: bool
    connected: bool
    draining: bool
    pid: int | None
    health_port: int | None
    capabilities: tuple[str, ...]
    not_offered: Mapping[str, str]
    units: tuple[Mapping[str, Any], ...]
    waiting_results: int
    version: str
    resting: str | None = None
    serves: tuple[str, ...] = ()
    standing: str = "ACTIVE"
    standing_reason: str = ""
    opengl: bool | None = None
    silent_seconds: int | None = None
    history: tuple[HistoryLine, ...] = ()
    units_ended: Mapping[str, int] = attrs.field(factory=dict[str, int])


def status(state: Path | None = None) -> Status | NotJoined:
    """What the agent is doing, from what it leaves in the state folder every second."""
    folder = StateFolder(state) if state else StateFolder()
    enrolment = folder.enrolment()
    if enrolment is None:
        return NotJoined()
    told = folder.told()
    runs, before = folder.is_locked(), past(folder.history)
    return Status(
        node_id=enrolment.node_id,
        name=enrolment.name,
        url=enrolment.url,
        running=runs,
        connected=runs and bool(told.get("connected")),
        draining=told.get("status") == "draining",
        pid=told.get("pid") if runs else None,
        health_port=told.get("health_port") if runs else None,
        capabilities=tuple(told.get("capabilities", enrolment.capabilities)),
        not_offered=told.get("not_offered", {}),
        units=tuple(told.get("units", ())) if runs else (),
        waiting_results=int(told.get("waiting_results", 0)),
        version=str(told.get("version", __version__)),
        resting=told.get("why") if runs else None,
        opengl=told.get("opengl"),
        silent_seconds=told.get("silent_seconds") if runs else None,
        serves=tuple(told.get("serves", ())),
        standing=str(told.get("standing", "ACTIVE")),
        standing_reason=str(told.get("standing_reason", "")),
        history=before.lines,
        units_ended=before.units,
    )
