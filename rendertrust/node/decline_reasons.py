"""Why a node gives a unit back: nothing failed, and another node may do it."""

from typing import Final

from rendertrust.node.plugin import Failed


def _because(reason: str) -> Failed:
    return Failed(failure="network", error=reason, given_back=True)


STOPPED: Final = _because("the node was stopped; the unit is given back")
DRAINING: Final = _because("the node is draining; the unit is given back")
RESTING: Final = _because("the node rests now; the unit is given back")
STRANGERS: Final = _because("this node has no sandbox: it takes work of its own owner alone")
FULL: Final = _because("this node's queue is full")
