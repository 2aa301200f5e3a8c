"""Nodes that send parts of results to wrong places or abandon them, at a whole gateway."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from actors.sweeper.actor import ABANDONED_AFTER, OVER_AFTER
from rendertrust.protocol import (
    JobCancel,
    JobDispatch,
    PartsOffered,
    PartsWanted,
    Urls,
    UrlsRequest,
    WantedPart,
)
from rendertrust.testing import FakeNode
from tests.integration.liars.test_liars import WITHIN, Farm, farm
from tests.support.attempts import attempt_of
from tests.support.sweeping import remove_abandoned_results
from tests.twins.objects import TwinObjects

__all__ = ["farm"]
PART = 64 << 20
ANY = "ab" * 32


async def ask_for_parts(
    node: FakeNode, dispatch: JobDispatch, what: str = "result", **named: Any
) -> None:
    """Ask for URLs of the first two parts of a long result."""
    parts = tuple(WantedPart(number=number, sha256=ANY) for number in (1, 2))
    wanted = PartsWanted(what=what, size=PART + 9, parts=parts)
    of = attempt_of(dispatch)
    await node.send(UrlsRequest(wanted=wanted, **{**of, **named}))


async def idle(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    """Do nothing with the unit."""


async def offered(node: FakeNode) -> PartsOffered:
    answer = await node.next(Urls, within=WITHIN)
    assert answer.offered is not None
    return answer.offered


async def begun(farm: Farm) -> list[tuple[UUID, str]]:
    rows = await farm.owner.fetch("SELECT job_id, what FROM result_multiparts ORDER BY what")
    return [(row["job_id"], row["what"]) for row in rows]


async def test_parts_go_to_the_keys_of_the_nodes_own_units_alone(farm: Farm) -> None:
    """A node cannot choose a key: its parts belong to the units that it was given."""
    node = await farm.liar(idle)
    await farm.place()
    mine = await node.next(JobDispatch, within=WITHIN)
    await ask_for_parts(node, mine, job_id=str(UUID(int=5)))
    await ask_for_parts(node, mine, attempt=(mine.attempt or 0) + 1)
    await ask_for_parts(node, mine, unit=5)
    await ask_for_parts(node, mine, what="evidence")
    await ask_for_parts(node, mine)
    both = [await offered(node) for _ in range(2)]  # in any order
    assert sorted((given.what, len(given.places)) for given in both) == [
        ("evidence", 2),
        ("result", 2),
    ]
    for given in both:
        for place in given.places:
            assert f"/{mine.job_id}/0/1/{given.what}?" in place.url
    assert await begun(farm) == [(UUID(mine.job_id), "evidence"), (UUID(mine.job_id), "result")]


async def sweep(farm: Farm, ago: timedelta) -> int:
    """Date all uploads of parts ``ago`` back, sweep, and return how many remain."""
    await farm.owner.execute("UPDATE result_multiparts SET asked_at = now() - $1::interval", ago)
    await remove_abandoned_results(farm.gateway.gateway)
    return len(await begun(farm))


@pytest.mark.parametrize("is_over", [False, True])
async def test_parts_that_nobody_goes_on_with_are_removed(farm: Farm, is_over: bool) -> None:
    node = await farm.liar(idle)
    job = await farm.place()
    dispatch = await node.next(JobDispatch, within=WITHIN)
    await ask_for_parts(node, dispatch)
    await offered(node)
    objects = farm.gateway.gateway.ports.objects
    assert isinstance(objects, TwinObjects)
    assert len(objects.multiparts.open) == 1
    if is_over:
        assert (await farm.jane.call("POST", f"/jobs/{job}/stop"))[0] == 200
        await node.next(JobCancel, within=WITHIN)
    soon, late = OVER_AFTER + timedelta(minutes=1), ABANDONED_AFTER + timedelta(minutes=1)
    assert await sweep(farm, OVER_AFTER - timedelta(minutes=1)) == 1
    assert await sweep(farm, soon) == (0 if is_over else 1)
    assert await sweep(farm, late) == 0
    assert objects.multiparts.open == set()


@pytest.mark.parametrize("has_ended", [False, True])
async def test_parts_of_a_second_attempt_are_kept_as_long_as_it_runs(
    farm: Farm, has_ended: bool
) -> None:
    node = await farm.liar(idle)
    await farm.place()
    dispatch = await node.next(JobDispatch, within=WITHIN)
    await ask_for_parts(node, dispatch)
    await offered(node)
    await farm.liar(idle)  # the node of the second attempt
    await farm.owner.execute(
        "UPDATE units u SET copy_attempt = 2, copy_assigned_at = now(),"
        " copy_node_id = (SELECT n.id FROM nodes n WHERE n.id <> u.node_id LIMIT 1)"
    )
    if has_ended:
        await farm.owner.execute("UPDATE units SET copy_node_id = NULL, copy_assigned_at = NULL")
    await farm.owner.execute("UPDATE result_multiparts SET attempt = 2")
    assert await sweep(farm, OVER_AFTER + timedelta(minutes=1)) == (0 if has_ended else 1)


async def test_more_than_may_be_is_a_failure_of_the_node(farm: Farm) -> None:
    node = await farm.liar(idle)
    job = await farm.place()
    dispatch = await node.next(JobDispatch, within=WITHIN)
    wanted = PartsWanted(what="result", size=2**50, parts=(WantedPart(number=1, sha256=ANY),))
    await node.send(UrlsRequest(job_id=dispatch.job_id, unit=0, attempt=1, wanted=wanted))
    unit = await farm.blamed(job)
    assert "cannot be uploaded in parts" in unit["error_message"]
    assert await begun(farm) == []
    await farm.sound()
