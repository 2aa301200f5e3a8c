"""Units that their nodes lose, on the in-memory store and on PostgreSQL."""

from actors.ledger.effects import UnitAssign, UnitRequeue
from tests.integration.conformance.stage import Stage


async def test_a_unit_that_is_lost_goes_to_other_nodes_from_the_second_loss_on(
    stage: Stage,
) -> None:
    _, first, job = await stage.dispatched()
    second, third = await stage.node(), await stage.node()
    waits: list[float] = []
    avoided: list[int] = []
    for attempt, node in enumerate([first, first, second, third, third], 1):
        if attempt > 1:
            await stage.do(UnitAssign(job, 0, attempt, node))
        now = stage.clock.now()
        await stage.do(UnitRequeue(job, 0, attempt, "it is lost", lost_by=node))
        [waiting] = await stage.open_units(100)
        waits.append(((waiting.not_before or now) - now).total_seconds())
        avoided.append(len(waiting.avoid))
    unit, [waiting] = await stage.unit(job), await stage.open_units(100)
    assert waits == [0, 1, 2, 60, 60]
    assert avoided == [0, 1, 2, 3, 3]
    assert (unit.state, unit.failures, unit.faults, unit.unsent) == ("QUEUED", 0, 0, 0)
    assert waiting.barred == frozenset(), "those nodes may get other units of the job"
    assert await stage.store.audit() == []
