"""Equal invalid results of several owners: either the scene is at fault, or accomplices lie."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from actors.ledger.effects import UnitAssign, UnitFail
from actors.node_session.sampling import Sampling
from sql.reputation_rules import strikes_of
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import (
    CLASS,
    EXACT,
    NODE,
    Inspector,
    Play,
    apart,
    verifying,
)

OWNERS = {UUID(int=11): UUID(int=31), UUID(int=12): UUID(int=32)}
WITNESS = UUID(int=13)
SHARES = 40
WRONG = apart(200.0)


class Draws:
    """Fixes the draws of deliveries; each node is known, so that the odds are a twentieth."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = 0.9

        async def draw(*_: object) -> tuple[float, float]:
            return self.number, 0.05

        monkeypatch.setattr(Sampling, "draw", draw)


async def deliver_a_lie(play: Play, draws: Draws, checker: Inspector) -> UUID:
    """Return a unit whose first result was a lie, drawn and fined; two further nodes are known."""
    for node, owner in {**OWNERS, WITNESS: UUID(int=33)}.items():
        play.store.add_node(node, ("render",), owner=owner)
    for node in (NODE, *OWNERS):
        play.known("v" * 1000, node)
    for _ in range(SHARES):
        job = await play.delivered()
        await play.checks(checker, {"looked": True})
        await play.ends(job, "COMPLETED")
    before, draws.number = play.earned(), 0.0
    job = await play.assigned(NODE)
    await play.again(job, NODE, 1)
    await play.confirms(checker, WRONG)
    await play.ends(job, "QUEUED")
    assert play.earned() < before
    return job


async def deliver_again(
    play: Play, checker: Inspector, job: UUID, attempts: Mapping[int, UUID], told: Mapping[str, Any]
) -> None:
    """Let these nodes deliver the unit in turn; a check answers with ``told`` for this unit."""
    for attempt, node in attempts.items():
        await play.do(UnitAssign(job, 0, attempt, node))
        await play.again(job, node, attempt, OWNERS[node])
        while play.verdict(job, attempt) is None:
            order = await play.asked(checker)
            whole = {"whole": True} if order.whole else {}
            is_it = order.unit.job == job
            play.says(checker, order, {**(told if is_it else EXACT), **whole})
            await asyncio.sleep(2)


def strikes(play: Play, node: UUID) -> int:
    from tests.twins.store_checks import records

    return strikes_of(records(play.store, [node]))


def returned(play: Play) -> int:
    return sum(fine.returned_at is not None for fine in play.store.fines.values())


@simulated
async def test_broken_files_of_accomplices_excuse_no_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = Draws(monkeypatch)
    async with verifying() as play:
        checker = play.inspector()
        job = await deliver_a_lie(play, draws, checker)
        draws.number = 0.9
        await deliver_again(
            play, checker, job, dict(enumerate(OWNERS, 2)), {"fault": "it cannot be opened"}
        )
        await asyncio.sleep(20)
        assert (returned(play), strikes(play, NODE)) == (0, 1)
        assert [strikes(play, node) for node in OWNERS] == [1, 1]
        assert await play.store.audit() == []


@simulated
async def test_a_lie_that_accomplices_repeat_where_no_draw_found_them_is_not_excused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fourth account blames the scene, so all further results are compared."""
    draws = Draws(monkeypatch)
    async with verifying() as play:
        checker = play.inspector()
        job = await deliver_a_lie(play, draws, checker)
        draws.number = 0.9
        now = play.clock.now()
        await play.do(UnitAssign(job, 0, 2, WITNESS))
        await play.do(
            UnitFail(job, 0, 2, WITNESS, "scene", "no camera", retry_at=now, accused=CLASS)
        )
        await deliver_again(play, checker, job, dict(enumerate(OWNERS, 3)), WRONG)
        await asyncio.sleep(20)
        assert (returned(play), strikes(play, NODE)) == (0, 1)


@simulated
async def test_results_that_were_all_drawn_and_agree_excuse_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draws = Draws(monkeypatch)
    async with verifying() as play:
        checker = play.inspector()
        job = await deliver_a_lie(play, draws, checker)
        fined = len(play.store.fines)
        await deliver_again(play, checker, job, dict(enumerate(OWNERS, 2)), WRONG)
        assert (returned(play), strikes(play, NODE)) == (fined, 0)
        assert [strikes(play, node) for node in OWNERS] == [0, 0]
        assert await play.store.audit() == []
