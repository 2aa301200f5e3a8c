"""Encoding of hints between the Schedulers of several gateways; any hint may be lost."""

from typing import Any, Final
from uuid import UUID

import orjson

from actors.scheduler.messages import (
    Hint,
    JobPaused,
    PeerAssigned,
    PeerClaimed,
    PeerServes,
    RecallDeclined,
    StealRequest,
    StealRequests,
)

MOST: Final = 1_000  # steal requests, nodes or units in one hint


def encoded(hint: Hint) -> bytes:
    """Encode a hint for the bus; ids become text, as orjson refuses the database's UUID class."""
    return orjson.dumps(_plain(hint), default=str)


def _plain(hint: Hint) -> dict[str, Any]:
    if isinstance(hint, StealRequests):
        wishes = hint.requests[:MOST]
        return {"wanted": [[wish.job, wish.unit, wish.attempt, wish.node] for wish in wishes]}
    if isinstance(hint, RecallDeclined):
        return {"kept": [hint.job, hint.unit, hint.attempt, hint.node]}
    if isinstance(hint, PeerServes):
        return {"serves": [hint.node, hint.epoch]}
    if isinstance(hint, PeerClaimed):
        return {"claimed": hint.units[:MOST]}
    if isinstance(hint, JobPaused):
        return {"paused": hint.job}
    return {"given": hint.nodes[:MOST]}


def decoded(payload: bytes) -> Hint | None:
    """Decode a hint; None if the hint is unknown or malformed."""
    try:
        told = orjson.loads(payload)
        if "wanted" in told:
            return StealRequests(tuple(_wish(*one) for one in told["wanted"][:MOST]))
        if "kept" in told:
            wish = _wish(*told["kept"])
            return RecallDeclined(wish.job, wish.unit, wish.attempt, wish.node)
        if "serves" in told:
            node, epoch = told["serves"]
            return PeerServes(UUID(node), int(epoch))
        if "claimed" in told:
            return PeerClaimed(tuple(_claim(*one) for one in told["claimed"][:MOST]))
        if "paused" in told:
            return JobPaused(UUID(told["paused"]))
        return PeerAssigned(tuple(UUID(node) for node in told["given"][:MOST]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _claim(job: str, unit: int, attempt: int) -> tuple[UUID, int, int]:
    return UUID(job), int(unit), int(attempt)


def _wish(job: str, unit: int, attempt: int, node: str) -> StealRequest:
    return StealRequest(UUID(job), int(unit), int(attempt), UUID(node))
