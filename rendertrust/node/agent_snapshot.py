"""State of the agent, for its health page and for ``status``."""

import os
import time
from collections.abc import Mapping
from typing import Any

import attrs

from rendertrust import __version__
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.hello import pools_of
from rendertrust.node.plugins import PluginOffer
from rendertrust.node.slots import Slots
from rendertrust.node.spool import Spool
from rendertrust.node.state_folder import Enrolment
from rendertrust.protocol import JobStatus

ACTIVE, QUARANTINED = "ACTIVE", "QUARANTINED"


def told_of(standing: str, node: str, reason: str) -> str:
    """Describe a standing for the node's operator; ``reason`` is '' if unknown."""
    if standing != QUARANTINED:
        return "the gateway gives this node work again"
    meant = "in quarantine: it gets only its owner's work"
    why = reason or f"rendertrust nodes show {node}"
    return f"this node is {meant}; why: {why}"


@attrs.define(kw_only=True)
class AgentActivity:
    """The agent's current activity.

    ``rest`` is the reason why the agent takes no work; None if the agent takes work.
    ``is_told_to_drain``: the gateway asked for the drain, and may cancel the drain.
    """

    is_draining: bool = False
    is_told_to_drain: bool = False
    standing: str = "ACTIVE"  # standing of the node in the gateway's last report
    standing_reason: str = ""
    rest: str | None = None
    health_port: int | None = None
    started: float = attrs.field(factory=time.monotonic)

    @property
    def status(self) -> str:
        """Return ``draining``, ``running`` or ``resting``."""
        if self.is_draining:
            return "draining"
        return "running" if self.rest is None else "resting"


def snapshot(
    doing: AgentActivity,
    *,
    enrolment: Enrolment,
    offer: PluginOffer,
    settings: AgentSettings,
    slots: Slots | None,
    spool: Spool,
    connected: bool,
    silent_seconds: int | None,
) -> Mapping[str, Any]:
    """Return the agent's state as JSON data. A silent connection counts as disconnected."""
    return {
        "status": doing.status,
        "why": doing.rest,
        "standing": doing.standing,
        "standing_reason": doing.standing_reason,
        "node_id": enrolment.node_id,
        "name": enrolment.name,
        "gateway": enrolment.url,
        "connected": connected and silent_seconds is None,
        "silent_seconds": silent_seconds,
        "version": __version__,
        "pid": os.getpid(),
        "health_port": doing.health_port,
        "uptime_seconds": round(time.monotonic() - doing.started, 1),
        "capabilities": sorted(offer.plugins),
        "not_offered": dict(offer.not_offered),
        "opengl": offer.opengl,
        "serves": list(pools_of(offer)) or ["any"],
        "slots": settings.slots,
        "units": [_shown(unit.status()) for unit in slots.units.values()] if slots else [],
        "units_done": slots.done if slots else 0,
        "waiting_results": len(spool.held()),
    }


def _shown(frame: JobStatus) -> Mapping[str, Any]:
    return attrs.asdict(frame, filter=lambda field, _: field.name != "status")
