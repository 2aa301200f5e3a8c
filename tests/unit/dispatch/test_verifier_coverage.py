"""Preference for nodes whose results an online verifier can compare."""

from uuid import UUID

import attrs
import pytest

from actors.scheduler.node import UNKNOWN, NodeResources
from actors.scheduler.queries import verifier_coverage
from actors.scheduler.units import PlacementRequest, RequestKind
from sql.units import ANY
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import JOB, NODE, OTHER, OWNER, THIRD, open_unit
from tests.unit.dispatch.test_wait_reasons import waiting_board, waiting_of

RARE, COMMON, SAME_BUILD = "cpu/avx512/rare", "cpu/avx2/5.2", "cpu/sse42/rare"
STRANGER = UUID(int=77)


def machine(device_class: str) -> NodeResources:
    """Return the resources of a machine with one build of Blender."""
    return attrs.evolve(UNKNOWN, device_class=device_class, classes=(device_class,))


@pytest.mark.parametrize(
    ("device_class", "ours", "able"),
    [
        (RARE, False, False),
        (RARE, True, True),
        (SAME_BUILD, True, True),
        (COMMON, True, False),
    ],
)
def test_a_verifier_of_the_gateways_with_the_build(
    device_class: str, ours: bool, able: bool
) -> None:
    board = waiting_board(NODE, OTHER)
    node, checker = board.index.node(NODE), board.index.node(OTHER)
    node.capabilities = frozenset({"render"})
    node.owner, node.resources = OWNER, machine(RARE)
    checker.owner, checker.resources = STRANGER, machine(device_class)
    checker.is_ours, checker.offered = ours, frozenset({"check"})
    assert verifier_coverage(board, [NODE]) == {NODE: able}
    checker.offered = None
    assert verifier_coverage(board, [NODE]) == {NODE: False}


def test_of_who_is_not_there_nobody_can_tell() -> None:
    board = waiting_board(NODE)
    board.index.node(NODE).session = None
    assert verifier_coverage(board, [NODE, OTHER]) == {}


@pytest.mark.parametrize(
    ("pool", "ours", "busy", "first"),
    [
        (ANY, True, False, True),  # the node is idle, and a verifier covers it
        (ANY, True, True, False),  # the node is busy, and no unit waits for it
        (ANY, False, False, False),  # the verifier is not one of the gateway's own
    ],
)
def test_strangers_work_goes_to_who_can_be_checked_first(
    pool: str, ours: bool, busy: bool, first: bool
) -> None:
    """The other node has the lower load and the inputs in its cache."""
    index = waiting_board(NODE, OTHER, THIRD).index
    odd, common, verifier = (index.node(one) for one in (NODE, OTHER, THIRD))
    for node, device_class in ((odd, RARE), (common, COMMON), (verifier, COMMON)):
        node.resources, node.slots = machine(device_class), 1
        node.capabilities = frozenset({"render"})
        index.changed(node)
    common.load = 0.5
    common.assigned = {(UUID(int=7), 0)} if busy else set()
    verifier.capabilities, verifier.offered = frozenset({"check"}), frozenset({"check"})
    verifier.is_ours = ours
    for node in (odd, common, verifier):
        index.changed(node)
    chosen = index.choose(PlacementRequest(RequestKind("render", pool=pool)))
    assert chosen is (common if first else odd)
    verifier.session = None
    index.changed(verifier)
    assert index.choose(PlacementRequest(RequestKind("render", pool=pool))) is odd


def test_it_is_said_of_a_unit_that_waits() -> None:
    board = waiting_board(NODE, THIRD)
    odd, verifier = board.index.node(NODE), board.index.node(THIRD)
    odd.resources, verifier.resources = machine(RARE), machine(COMMON)
    verifier.is_ours, verifier.offered = True, frozenset({"check"})
    board.index.changed(verifier)
    board.reconcile([open_unit()], EPOCH)
    found = waiting_of(board, JOB, 0)
    assert found is not None
    assert (found.ready, found.unverifiable) == (1, 1)
