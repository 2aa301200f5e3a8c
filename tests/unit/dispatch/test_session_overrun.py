"""A unit that takes over three times its quoted work is stopped, without blame."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from actors.ledger.effects import UnitComplete, UnitFail
from actors.ledger.messages import Posted
from actors.node_session.progress_watchdog import (
    OverrunTracker,
    overrun_error,
    percent,
    quote_share,
    quoted_seconds,
    underquoted_error,
)
from rendertrust.protocol import JobCancel
from sql.job_plan import Pricing
from sql.overruns import Overrun, agreed
from tests.twins.clock import EPOCH
from tests.unit.dispatch.session_stage import Play, result, session, status
from tests.unit.dispatch.stage import JOB, NODE, OWNER, assignment, state_of
from tests.unit.dispatch.test_session_progress import PATIENT, began, report_progress
from tests.unit.simulated_time import simulated

QUOTED = 100  # seconds: the unit costs ten credits, and one credit pays for ten seconds
FAR: dict[str, Any] = {**PATIENT, "stall_seconds": 1e6}
PRICED: dict[str, Any] = {
    "price": 100_000,
    "pricing": Pricing(work=1, price=10_000, pays_for=10),
}


def overrun(owner: UUID | None, attempt: int, needs: int = 400) -> Overrun:
    return Overrun(JOB, 0, attempt, uuid4(), owner, needs, EPOCH)


async def stopped(play: Play) -> UnitFail:
    effect = await play.effect(within=60.0)
    assert isinstance(effect, UnitFail)
    assert (effect.error_class, effect.accused, effect.caught) == ("scene", None, None)
    told = await play.socket.expect(JobCancel)
    assert told.reason == effect.error
    return effect


@simulated
async def test_over_three_times_its_quote_it_goes_to_another_node() -> None:
    async with session(**FAR) as play:
        await began(play, **PRICED)
        await report_progress(play, 3 * QUOTED + 40, 0.25)
        play.hear(status(progress=0.5))
        effect = await stopped(play)
        assert effect.retry_at is not None
        assert effect.error_code == "too_slow"
        assert "over 3 times the quoted 100 s" in effect.error
        (noted,) = play.cast.store.overruns
        assert (noted.attempt, noted.node, noted.owner) == (1, NODE, OWNER)
        assert 600 <= noted.percent <= 640, "over 3 times the quote, at half the work"


@simulated
async def test_what_passes_before_the_first_of_it_is_rendered_is_no_work() -> None:
    """Blender may take long to start on a busy machine; the time before the first pixel is free."""
    async with session(**FAR) as play:
        await began(play, **PRICED)
        await report_progress(play, 10 * QUOTED, 0.0)
        await report_progress(play, 3 * QUOTED + 30, 0.25)
        assert play.cast.store.overruns == []
        play.hear(status(progress=0.5))
        await stopped(play)
        (noted,) = play.cast.store.overruns
        assert 600 <= noted.percent <= 700


def test_what_is_quoted_in_hundredths_of_a_second_is_not_called_nothing() -> None:
    unit = assignment(price=53)
    assert "the quoted 0.032 s" in overrun_error(0.0318, 62.0)
    assert "Quoted were 0.032 s of work for 0.0053 credits, and it takes about 0.11 s" in (
        underquoted_error(unit, 0.0318, 350)
    )


@simulated
async def test_nodes_of_three_owners_make_it_underquoted() -> None:
    async with session(**FAR) as play:
        play.cast.store.overruns = [overrun(uuid4(), 1, 400), overrun(uuid4(), 2, 900)]
        await began(play, **PRICED, attempt=3, faults=2)
        await report_progress(play, 3 * QUOTED + 40, 0.5)
        effect = await stopped(play)
        assert effect.retry_at is None
        assert effect.error_code == "underquoted"
        new = agreed(play.cast.store.overruns)
        assert new is not None
        assert "for 10 credits" in effect.error
        assert f"the new quote is about {new / 10:g} credits" in effect.error


@simulated
async def test_an_owner_is_asked_once() -> None:
    async with session(**FAR) as play:
        play.cast.store.overruns = [overrun(OWNER, 1)]
        await began(play, **PRICED, attempt=2, faults=1)
        await report_progress(play, 20 * QUOTED, *(number / 100 for number in range(100)))


@simulated
async def test_what_has_no_quote_takes_as_long_as_it_takes() -> None:
    async with session(**FAR) as play:
        await began(play, price=100_000)
        await report_progress(play, 20 * QUOTED, *(number / 100 for number in range(100)))
        assert play.cast.store.overruns == []


@simulated
async def test_what_is_late_and_right_is_paid_as_quoted() -> None:
    async with session(**FAR) as play:
        await began(play, **PRICED)
        await report_progress(play, 3 * QUOTED, 0.9)
        play.hear(result())
        effect = await play.effect(Posted(units=(state_of("COMPLETED"),)))
        assert isinstance(effect, UnitComplete)
        assert not effect.free


@simulated
async def test_a_node_that_is_slow_at_everything_has_more_time() -> None:
    async with session(**FAR) as play:
        for _ in range(3):
            play.overruns.note(NODE, uuid4(), 4.0)
        await began(play, **PRICED)
        await report_progress(play, 11 * QUOTED, *(number / 100 for number in range(100)))
        assert play.cast.store.overruns == []


def test_how_slow_a_node_is_follows_from_its_other_jobs() -> None:
    overruns, jobs = OverrunTracker(), [uuid4() for _ in range(30)]
    for number, job in enumerate(jobs[:2]):
        overruns.note(NODE, job, 5.0 + number)
    assert overruns.slowness(NODE, JOB) == 1.0, "two jobs are too few"
    overruns.note(NODE, JOB, 50.0)
    assert overruns.slowness(NODE, JOB) == 1.0, "what is noted of a job does not count for itself"
    overruns.note(NODE, jobs[2], 7.0)
    assert (overruns.slowness(NODE, JOB), overruns.slowness(NODE, jobs[9])) == (6.0, 6.5)
    for job in jobs:
        overruns.note(NODE, job, 0.2)
    assert overruns.slowness(NODE, JOB) == 1.0, "a fast node gets no less time"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ([("a", 400), ("b", 500)], None),
        ([("a", 400), ("b", 500), ("a", 600)], None),
        ([("a", 400), ("b", 500), (None, 900)], 500),
        ([("a", 400), ("a", 700), ("b", 500), ("c", 10_000)], 700),
        ([("a", 400), ("b", 500), ("c", 600), ("d", 9_999)], 500),
        ([(None, 400), (None, 500), (None, 600)], None),
    ],
)
def test_what_three_owners_agree_on(said: list[tuple[str | None, int]], found: int | None) -> None:
    owners = {"a": UUID(int=1), "b": UUID(int=2), "c": UUID(int=3), "d": UUID(int=4), None: None}
    assert agreed(overrun(owners[who], n, many) for n, (who, many) in enumerate(said, 1)) == found


def test_the_quote_follows_from_the_price() -> None:
    assert quoted_seconds(assignment(**PRICED)) == QUOTED
    assert quoted_seconds(assignment(price=5)) is None
    assert quoted_seconds(assignment(pricing=PRICED["pricing"])) is None, "the unit costs nothing"
    assert (quote_share(400.0, QUOTED, slots=2), quote_share(-1.0, QUOTED, slots=1)) == (2.0, 0.0)
    assert (percent(4.0, 2.0, 0.5), percent(4.0, 1.0, 0.0)) == (400, 4000)
