"""Nodes whose results a verifier of the gateway's that is connected could compare now."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from actors.scheduler.state import SchedulerState
from actors.scheduler.verifiers import checks
from sql.device_class import are_comparable

RENDER: Final = "render"


def checkable(board: SchedulerState, nodes: Iterable[UUID]) -> dict[UUID, bool]:
    """Return it of those of the nodes that are connected and render."""
    known = (board.index.get(node) for node in nodes)
    asked = [one for one in known if one is not None and one.session and RENDER in one.does]
    classes = {one.resources.device_class for one in board.index if one.is_ours and checks(one)}
    return {
        one.id: one.is_ours
        or any(are_comparable(each, one.resources.device_class) for each in classes)
        for one in asked
    }
