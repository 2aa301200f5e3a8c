"""Parts of the tree that end the process when one of their handlers never returns."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from actors.kernel import fail_point
from actors.kernel.handler import Table
from actors.pulse.stuck_detector import StuckDetector
from supervisors.registry import Registry
from supervisors.tree import MAY_TAKE_MINUTES
from tests.unit.simulated_time import simulated
from tests.unit.supervisors.test_sessions import GatewayWithNode
from web.edge_children import hub_child, sweeper_child, video_maker_child

LOOK, HOUR = 5, 3_600


async def for_ever(*_: Any) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("name", ["sequencer", "paymaster", "scheduler", "lifeline"])
def test_an_actor_that_hangs_is_noticed_also_where_its_own_timer_is_its_only_message(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_fail_points(address: str, table: Table) -> Table:
        hangs: Table = {kind: (for_ever, *of[1:]) for kind, of in table.items()}
        return hangs if address == name else table

    monkeypatch.setattr(fail_point, "with_fail_points", with_fail_points)
    assert first_stuck_actors() == {name}


def test_what_may_take_minutes_for_one_message_is_left_out() -> None:
    site = SimpleNamespace(console=None, url="", ports=None)
    registry, gateway = Registry(), cast("Any", site)
    children = (sweeper_child, hub_child, video_maker_child)
    parts = [child(gateway, registry) for child in children]
    audits = {"auditor", "night auditor"}
    assert {*audits, *(part.name for part in parts)} == MAY_TAKE_MINUTES


def test_nothing_is_noticed_where_nothing_hangs() -> None:
    assert first_stuck_actors() == set()


@simulated
async def first_stuck_actors() -> set[str]:
    """Return the first actors that are found stuck within an hour."""
    grid, vitality, loop = GatewayWithNode(), StuckDetector(), asyncio.get_running_loop()
    await grid.tree.root.start()
    try:
        for _ in range(HOUR // LOOK):
            await asyncio.sleep(LOOK)
            if found := vitality.stuck(grid.tree.vital(), loop.time()):
                return set(found)
        return set()
    finally:
        await grid.tree.root.stop()
