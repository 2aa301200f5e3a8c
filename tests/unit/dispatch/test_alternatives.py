"""Nodes that could do a failed unit, which a session asks for before it books the failure."""

from collections.abc import Mapping
from uuid import UUID

import attrs
import pytest

from actors.kernel import Ref
from actors.scheduler.messages import FindAlternatives
from actors.scheduler.node import GIB, NodeResources
from actors.scheduler.queries import alternatives
from actors.scheduler.state import SchedulerState
from rendertrust.protocol import Hello, JobDispatch
from sql.units import MINE
from tests.twins.clock import EPOCH
from tests.unit.dispatch.session_stage import result, session
from tests.unit.dispatch.stage import (
    JOB,
    NODE,
    OTHER,
    OWNER,
    THIRD,
    assignment,
    node_row,
    open_unit,
    with_plan,
)
from tests.unit.dispatch.test_state import board_with
from tests.unit.simulated_time import simulated

STRANGER = UUID(int=777)
SESSION: Ref[object] = Ref("session")
ASKED = FindAlternatives(JOB, 0, 1, NODE, SESSION, memory=4 * GIB + 1)


def farm(owners: Mapping[UUID, UUID], memory: Mapping[UUID, int]) -> SchedulerState:
    """Return a state with connected nodes of these owners and this memory per unit in GiB."""
    board, _ = board_with(*(node_row(node) for node in owners))
    for name, owner in owners.items():
        node = board.index.node(name)
        node.owner, node.resources = owner, NodeResources("cpu", ((5, 2),), memory[name] * GIB)
        board.index.changed(node)
    board.reconcile([open_unit(state="RUNNING", attempt=1, node=NODE)], EPOCH)
    return board


@pytest.mark.parametrize(
    ("gib", "owner", "expected"),
    [
        (8, STRANGER, (True, True)),
        (4, STRANGER, (False, True)),
        (8, OWNER, (True, False)),
        (2, OWNER, (False, False)),
    ],
)
def test_whether_one_with_more_is_there_and_whether_one_of_anothers(
    gib: int, owner: UUID, expected: tuple[bool, bool]
) -> None:
    board = farm({NODE: OWNER, OTHER: owner}, {NODE: 4, OTHER: gib})
    found = alternatives(board, ASKED)
    assert (found.is_able, found.is_other) == expected


def test_whether_another_owners_node_has_failed_it_and_who_has_not() -> None:
    board = farm(
        {NODE: OWNER, OTHER: STRANGER, THIRD: UUID(int=778)}, {NODE: 4, OTHER: 2, THIRD: 2}
    )
    board.units[JOB, 0].avoid = frozenset({OTHER})
    found = alternatives(board, ASKED)
    assert (found.is_other, found.is_seconded) == (True, True)
    board.units[JOB, 0].avoid = frozenset({OTHER, THIRD})
    assert not alternatives(board, ASKED).is_other


@simulated
@pytest.mark.parametrize(
    ("lacks", "gib", "ends"), [("memory", 8, True), ("vram", 8, True), ("vram", 24, False)]
)
async def test_a_unit_too_big_for_a_gpu_ends_only_if_no_gpu_has_more(
    lacks: str, gib: int, *, ends: bool
) -> None:
    """Both nodes have more main memory than GPU memory."""
    board, _ = board_with(node_row(NODE), node_row(OTHER))
    gpus = {
        node: Hello(version="1", device_class="cuda/sm_89", ram=64 * GIB, vram=vram * GIB)
        for node, vram in ((NODE, 8), (OTHER, gib))
    }
    for name, hello in gpus.items():
        board.index.node(name).take_hello(hello)
        board.index.changed(board.index.node(name))
    board.reconcile([open_unit(state="RUNNING", attempt=1, node=NODE)], EPOCH)
    async with session() as play:
        play.hear(gpus[NODE])
        play.assign(assignment(is_trusted=True))
        await play.welcome()
        await play.socket.expect(JobDispatch)
        play.hear(result(status="failed", failure="node", error="it is big", lacks=lacks))
        assert play.ref.tell(alternatives(board, await play.told(FindAlternatives)))
        effect = await play.effect()
        assert (effect.retry_at is None) == ends
        wanted = (8 * GIB + 1, 0) if lacks == "memory" else (0, 8 * GIB + 1)
        assert (effect.needs_memory, effect.needs_vram) == wanted
        assert effect.uncounted


def test_who_may_not_see_it_is_not_there() -> None:
    board = farm({NODE: OWNER, OTHER: STRANGER}, {NODE: 4, OTHER: 8})
    unit = board.units[JOB, 0]
    board.units[JOB, 0] = attrs.evolve(with_plan(unit, pool=MINE), user=OWNER)
    found = alternatives(board, ASKED)
    assert (found.is_able, found.is_other) == (False, False)


def test_what_another_gateways_node_has_is_not_known_and_waited_for() -> None:
    board = farm({NODE: OWNER, OTHER: STRANGER}, {NODE: 4, OTHER: 2})
    afar = board.index.node(OTHER)
    afar.session, afar.healthy, afar.resources, afar.epoch = None, True, NodeResources(), 1
    board.membership = (0, 2)
    board.index.changed(afar)
    found = alternatives(board, ASKED)
    assert (found.is_able, found.is_other) == (True, True)


def test_a_node_that_only_sends_heartbeats_is_nobody() -> None:
    board = farm({NODE: OWNER, OTHER: STRANGER}, {NODE: 4, OTHER: 2})
    silent = board.index.node(OTHER)
    silent.session, silent.healthy, silent.resources = None, True, NodeResources()
    board.index.changed(silent)
    found = alternatives(board, ASKED)
    assert (found.is_able, found.is_other, found.is_untried) == (False, False, False)


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        ({OTHER: None, THIRD: None}, (1, False)),  # nodes without an owner count as one owner's
        ({OTHER: None, THIRD: STRANGER}, (1, True)),
        ({OTHER: STRANGER, THIRD: STRANGER}, (2, False)),
        ({OTHER: STRANGER, THIRD: UUID(int=778)}, (2, True)),
    ],
)
def test_of_how_many_owners_are_those_that_tried_and_whether_another_can_be_asked(
    owners: dict[UUID, UUID | None], expected: tuple[int, bool]
) -> None:
    board = farm(dict.fromkeys((NODE, *owners), OWNER), dict.fromkeys((NODE, *owners), 4))
    for name, owner in ({NODE: None} | owners).items():
        board.index.node(name).owner = owner
    board.units[JOB, 0].avoid = frozenset({OTHER})
    found = alternatives(board, ASKED)
    assert (found.owners, found.is_other, found.is_untried) == (*expected, True)


def test_a_unit_that_is_not_known_here_is_tried_again() -> None:
    found = alternatives(farm({NODE: OWNER}, {NODE: 4}), attrs.evolve(ASKED, unit=7))
    assert (found.is_able, found.is_other) == (True, True)
