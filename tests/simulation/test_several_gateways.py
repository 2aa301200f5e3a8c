"""Two and three gateways over one database, with different clocks and an unreliable bus."""

from collections import Counter
from typing import Any, cast
from uuid import UUID

import attrs
import pytest

from tests.simulation.checks import sampling_faults
from tests.simulation.world import LEAST_ODDS, Plan, Report, World, run_seed, valid_result
from tests.support.examples import chosen
from tests.twins.store import StoreTwin
from tests.unit.simulated_time import simulated

SEEDS = range(1, 11)
GATEWAYS = (2, 3)


def plan_of(seed: int) -> Plan:
    """Return the plan of a short simulation with two or three gateways."""
    hours = chosen(day=0.03, night=0.05)
    return Plan(nodes=7, customers=3, hours=hours, gateways=GATEWAYS[seed % len(GATEWAYS)])


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
@pytest.mark.parametrize(("gateways", "verifiers"), [(2, 1), (3, 2)])
async def test_on_calm_days_each_unit_is_tried_once_and_each_result_drawn_once(
    gateways: int, verifiers: int
) -> None:
    """The clocks differ by up to three minutes; no result is given to two verifiers."""
    plan = Plan(
        nodes=10,
        customers=6,
        hours=chosen(day=0.05, night=0.1),
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
    assert max(unit.attempt - unit.unsent for unit in units) <= 3, "copies of slow units"
    looks = Counter(result for node in world.nodes for result in node.looked_at)
    assert looks
    assert set(looks.values()) == {1}


@pytest.mark.parametrize(
    ("every", "verdicts", "wrong"),
    [
        (3, {True: "exact", False: "sampled-out"}, ""),
        (10, {True: "exact", False: "sampled-out"}, "40 of 400 results were drawn"),
        (
            3,
            {True: "sampled-out", False: "sampled-out"},
            "drawn is True, and its verdict sampled-out",
        ),
        (3, {True: "exact", False: "exact"}, "drawn is False, and its verdict exact"),
    ],
)
def test_draws_that_are_not_by_the_odds_are_seen(
    every: int, verdicts: dict[bool, str], wrong: str
) -> None:
    store = StoreTwin()
    for number in range(400):
        row, drawn = valid_result(UUID(int=number), UUID(int=1)), number % every == 0
        store.jobs[row.job] = cast("Any", None)  # only its existence is checked
        store.checks[row.id] = attrs.evolve(row, drawn=drawn, verdict=verdicts[drawn])
    found = sampling_faults(store, LEAST_ODDS)
    assert any(wrong in line for line in found) if wrong else not found
