"""Status of the agent, for other processes of this machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from rendertrust import __version__
from rendertrust.node.agent_history import HistoryLine, past
from rendertrust.node.state_folder import StateFolder


@attrs.frozen(kw_only=True)
class NotJoined:
    """The state folder has no enrolment."""

    reason: str = "this node has not joined a gateway yet; run: rendertrust node join URL"


@attrs.frozen(kw_only=True)
class Status:
    """State of the agent on a state folder, now or at its end.

    ``draining``: the agent takes no new units, and ends when its units are done. ``resting`` is the
    reason why the agent takes no work now. ``serves``: the node's pools. ``standing``: the node's
    standing at the last connection, with the reason of a quarantine. ``opengl``: EEVEE and
    Workbench can draw; None if unknown. ``silent_seconds``: for how long an open connection has
    been silent; None if not long. ``history``: recent lines, newest last. ``units_ended``: number
    of units by outcome.
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
    """Return the state that the agent last wrote to the state folder."""
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
