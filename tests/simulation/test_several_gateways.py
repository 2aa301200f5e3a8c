"""Two and three gateways over one database, whose clocks differ and whose bus is bad."""

from collections import Counter

import pytest

from tests.simulation.world import Plan, Report, World, run_seed
from tests.unit.simulated_time import simulated

SEEDS = range(1, 11)
GATEWAYS = (2, 3)


def plan_of(seed: int) -> Plan:
    """A short life of two gateways or three."""
    return Plan(nodes=7, customers=3, hours=0.05, gateways=GATEWAYS[seed % len(GATEWAYS)])


def failures(report: Report, plan: Plan) -> str:
    again = f"--seed {report.seed} --gateways {plan.gateways} --hours {plan.hours}"
    size = f"--nodes {plan.nodes} --customers {plan.customers}"
    return f"python -m tests.simulation {again} {size}:\n" + "\n".join(report.wrong)


@pytest.mark.parametrize("seed", SEEDS)
def test_several_gateways_keep_every_promise(seed: int) -> None:
    plan = plan_of(seed)
    report = run_seed(seed, plan)
    assert not report.wrong, failures(report, plan)
    assert report.completed > report.jobs / 2
    assert report.events > 0


@simulated
@pytest.mark.parametrize(("gateways", "verifiers"), [(2, 0), (3, 2)])
async def test_on_calm_days_no_unit_is_taken_from_a_node_that_works(
    gateways: int, verifiers: int
) -> None:
    """Clocks are a minute and a half off, and strangers, or the gateway's own, check."""
    plan = Plan(
        nodes=10,
        customers=3,
        hours=0.05,
        trouble=0.0,
        gateways=gateways,
        verifiers=verifiers,
    )
    world = World(1, plan)
    for gateway, skew in zip(world.gateways, (90.0, -90.0, 0.0), strict=False):
        gateway.clock.skew = skew
    assert await world.run() == ()
    units = world.store.units.values()
    assert Counter(unit.state for unit in units)["FAILED"] == 0
    assert max(unit.attempt - unit.unsent for unit in units) <= 3, "copies of what is slow"
