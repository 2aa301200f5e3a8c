"""Simulated worlds: ten by day, forty by night, any with ``python -m tests.simulation``."""

from uuid import UUID

import attrs
import pytest

from tests.simulation.checks import violations
from tests.simulation.world import Plan, World, run_seed
from tests.support.examples import chosen, series
from tests.unit.simulated_time import simulated

SEEDS = range(1, 41)
HOURS = chosen(day=0.05, night=0.25)


@pytest.mark.parametrize("seed", series(SEEDS, range(1, 11)))
def test_after_all_the_trouble_every_promise_is_kept(seed: int) -> None:
    report = run_seed(seed, Plan(hours=HOURS))
    again = f"python -m tests.simulation --seed {seed} --hours {HOURS}"
    assert not report.wrong, f"seed {seed} ({again}):\n" + "\n".join(report.wrong)
    assert report.completed > report.jobs / 2
    assert report.events > 0


@pytest.mark.nightly
def test_many_nodes_with_twice_the_trouble() -> None:
    plan = Plan(nodes=50, customers=25, hours=0.1, trouble=0.4)
    report = run_seed(7, plan)
    assert not report.wrong, f"seed 7 of {plan}:\n" + "\n".join(report.wrong)


def test_a_seed_is_one_history() -> None:
    plan = Plan(hours=0.05)
    assert run_seed(3, plan) == run_seed(3, plan)
    assert run_seed(3, plan).trace != run_seed(4, plan).trace


@simulated
async def test_the_checks_see_what_is_wrong() -> None:
    world = World(1, Plan(hours=0.02, trouble=0.0))
    assert await world.run() == ()
    store, customers, nodes = world.store, world.customers, world.nodes
    honest = {node.identity.id for node in nodes if not node.plain}
    paid = next(
        unit
        for unit in store.units.values()
        if unit.state == "COMPLETED" and unit.price and unit.node_id in honest
    )

    def found() -> str:
        return " ".join(violations(store, customers, nodes))

    store.units[paid.job_id, 0] = attrs.evolve(paid, attempt=paid.attempt + 1)
    assert "its node never finished it" in found()
    store.units[paid.job_id, 0] = attrs.evolve(paid, state="RUNNING", ended_at=None)
    assert "still RUNNING" in found()
    assert "charged 1 times" in found()
    store.units[paid.job_id, 0] = paid
    hold = store.holds[f"job:{paid.job_id}:0"]
    store.holds[hold.reference] = attrs.evolve(hold, state="RELEASED", settled=0)
    assert "its hold is RELEASED" in found()
    store.holds[hold.reference] = hold
    customers[0].acknowledged["key-x"] = UUID(int=404)
    assert "was promised and is not there" in found()
    store.answers.popitem()
    assert "keys" in found()
