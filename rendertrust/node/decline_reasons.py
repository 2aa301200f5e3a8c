"""Reasons why a node returns a unit although nothing failed. Another node can then do the unit."""

from typing import Final

from rendertrust.node.plugin import Failed


def _because(reason: str) -> Failed:
    return Failed(failure="network", error=reason, given_back=True)


STOPPED: Final = _because("the node was stopped; the unit is returned")
DRAINING: Final = _because("the node is draining; the unit is returned")
RESTING: Final = _because("the node is resting; the unit is returned")
STRANGERS: Final = _because("this node has no sandbox, so it takes only its owner's work")
FULL: Final = _because("this node's queue is full")
