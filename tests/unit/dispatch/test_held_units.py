"""Units that three nodes returned without a failure are held, and an admin is told."""

from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from actors.ledger.effects import UnitRequeue, UnitStart
from actors.ledger.messages import Commit, Posted
from actors.node_session.messages import AlternativesFound
from actors.scheduler.messages import FindAlternatives, UnitsChanged
from rendertrust.protocol import Hello, JobDispatch
from tests.twins.clock import EPOCH
from tests.unit.dispatch.session_stage import result, session, status
from tests.unit.dispatch.stage import (
    JOB,
    NODE,
    OTHER,
    THIRD,
    assignment,
    decide,
    open_unit,
    state_of,
)
from tests.unit.dispatch.test_lifeline import sweeping
from tests.unit.simulated_time import simulated


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(f"rendertrust_units_{name}_total") or 0.0


@simulated
@pytest.mark.parametrize(("others", "expected"), [({OTHER}, 0), ({OTHER, THIRD}, 1)])
async def test_a_unit_that_a_third_node_loses_is_counted(others: set[UUID], expected: int) -> None:
    before = counted("held")
    async with session() as play:
        await play.working(assignment(attempt=4, avoid=frozenset(others)))
        play.hear(status(unit=0, attempt=4, progress=0.0))
        assert isinstance(await play.effect(), UnitStart)
        play.hear(Hello(version="1"))
        effect = await play.effect()
        assert isinstance(effect, UnitRequeue)
        assert effect.lost_by == NODE
        await play.told(UnitsChanged)
    assert counted("held") - before == expected


@simulated
@pytest.mark.parametrize(("is_untried", "expected"), [(True, 0), (False, 1)])
async def test_a_unit_that_is_beyond_all_nodes_is_counted(
    *, is_untried: bool, expected: int
) -> None:
    before = counted("held")
    async with session() as play:
        play.hear(Hello(version="1", ram=1 << 30))
        play.assign(assignment(attempt=3, avoid=frozenset({OTHER, THIRD})))
        await play.welcome()
        await play.socket.expect(JobDispatch)
        play.hear(result(attempt=3, status="failed", failure="node", lacks="memory"))
        await play.told(FindAlternatives)
        known = AlternativesFound(JOB, 0, 3, is_able=False, is_other=False, is_untried=is_untried)
        assert play.ref.tell(known)
        assert (await play.effect()).retry_at is not None
        await play.told(UnitsChanged)
    assert counted("held") - before == expected


@simulated
@pytest.mark.parametrize(("others", "expected"), [(2, 0), (3, 1)])
async def test_a_lease_that_runs_out_after_three_nodes_is_counted(
    others: int, expected: int
) -> None:
    before = counted("lost")
    avoid = frozenset([OTHER, THIRD, NODE][:others])
    lost = open_unit(state="RUNNING", attempt=5, node=NODE, lease_until=EPOCH, avoid=avoid)
    async with sweeping() as cast:
        cast.store.lost = [lost]
        commit = await cast.ledger.expect(Commit, within=40.0)
        cast.store.lost = []
        decide(commit, Posted(units=(state_of("QUEUED"),)))
        await cast.scheduler.expect(UnitsChanged)
    assert counted("lost") - before == expected
