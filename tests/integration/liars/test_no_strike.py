"""Lies about scenes whose honest frames may differ: a lie is compared and unpaid, but no strike."""

from collections.abc import Mapping
from typing import Any

import pytest

from actors.ledger.commands import checks
from actors.node_session.sampling import Sampling
from rendertrust.protocol import JobDispatch
from rendertrust.testing import FakeNode
from tests.integration.liars.test_liars import Farm, delivers, farm, told
from tests.support.draws import uncovered

__all__ = ["farm"]
TIMED: Mapping[str, Any] = {"unable": "Passes > Render Time", "uncut": True, "loose": True}
FAR: Mapping[str, Any] = {
    "crops": [{"equal": False, "off": 200.0}],
    "finish": {"equal": True},
    "whole": True,
    "loose": True,
}


@pytest.fixture
def no_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no delivery be drawn, as for a node with a long record."""

    async def draw(*_: Any) -> tuple[float, float]:
        return 0.9, 0.5

    monkeypatch.setattr(Sampling, "draw", draw)
    monkeypatch.setattr(checks, "covered_odds", uncovered)


@pytest.mark.usefixtures("no_draws")
async def test_a_lie_about_a_scene_that_differs_each_time_is_unpaid_though_it_was_not_drawn(
    farm: Farm,
) -> None:
    """The verifier opens the result, then compares regions, and then renders the whole frame."""
    asked = list[tuple[bool, bool]]()

    async def inspects(node: FakeNode, dispatch: JobDispatch) -> None:
        is_whole = bool(dispatch.params.get("whole"))
        asked.append((bool(dispatch.params["draws"]), is_whole))
        work = FAR if is_whole else TIMED
        await node.send(told(dispatch, work=work, result_ref="none:check"))

    await farm.node("the gateway's", inspects, "check", key=farm.keys.pop())
    node = await farm.liar(delivers)
    unit = await farm.blamed(await farm.place())
    assert (unit["charged"], await farm.earned()) == ("0.0000", 0)
    assert asked[:3] == [(False, False), (True, False), (True, True)]
    assert await farm.owner.fetchval("SELECT drawn FROM checks WHERE attempt = 1") is False
    _, seen = await farm.operators["eve"].answered("GET", f"/nodes/{node.node_id}/checks")
    first = next(one for one in seen["checks"] if one["attempt"] == 1)
    assert (first["verdict"], first["strike"]) == ("invalid", False)
    await farm.sound()
