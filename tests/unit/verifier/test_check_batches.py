"""Batches: several results of one job that a verifier opens in one check."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.effects import JobInsert, Transfer, UnitAssign
from actors.node_session.messages import RunCheck
from actors.verifier.case import Case
from actors.verifier.check_queue import BYTES_MOST, batch_of
from actors.verifier.report import Report, answers, clears
from rendertrust.relay_frames import BATCH_MAX
from sql.account_names import ADJUSTMENTS, user_account
from sql.job_plan import NewUnit
from sql.units import result_key
from tests.support.plans import planned
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import (
    CREATOR,
    EXACT,
    NODE,
    OPERATOR,
    PRICE,
    Inspector,
    Play,
    pending,
    verifying,
)

LOOKED: Mapping[str, Any] = {"looked": True}
FAULT: Mapping[str, Any] = {"fault": "the picture is none"}
NEVER_DRAWN: Mapping[str, Any] = {"least_odds": 0.0}
NODES = {OPERATOR: (NODE, UUID(int=11)), UUID(int=3): (UUID(int=12),)}


# -- choice of the results


def case(unit: int, owner: UUID | None = OPERATOR, size: int = 1, **more: Any) -> Case:
    """Return the case of a result that waits to be opened."""
    row = {name: more.pop(name) for name in ("job", "node", "sha256") if name in more}
    state = {n: more.pop(n) for n in ("is_alone", "failed", "rests_until", "unread") if n in more}
    found = pending(owner=owner, **more)
    opened = Case.opened(
        attrs.evolve(found, row=attrs.evolve(found.row, unit=unit, size=size, **row))
    )
    for name, value in state.items():
        setattr(opened, name, value)
    return opened


@st.composite
def cases(draw: st.DrawFn) -> list[Case]:
    """Draw results of two jobs and several owners, some of which must not be in a batch."""
    drawn = st.sampled_from
    rare: Mapping[str, Any] = {
        "is_alone": True,
        "failed": 1,
        "rests_until": 9.0,
        "unread": "it is away",
        "sha256": None,
        "drawn": True,
        "params": {"frames": [1, 2]},
        "job_type": "video",
    }
    found = list[Case]()
    for unit in range(draw(st.integers(1, 40))):
        owner = draw(drawn([OPERATOR, OPERATOR, OPERATOR, UUID(int=3), None]))
        node = draw(
            drawn(NODES.get(owner, (NODE, UUID(int=11))) if owner else (NODE, UUID(int=11)))
        )
        name = draw(drawn([*rare, *([None] * 30)]))
        more = {} if name is None else {name: rare[name]}
        job = UUID(int=draw(drawn([1001, 1001, 1001, 1002])))
        size = draw(drawn([1, 1, 1, BYTES_MOST // 3]))
        found.append(case(unit, owner, size, job=job, node=node, **more))
    return found


@given(cases())
def test_a_batch_is_of_one_job_and_one_owner_and_takes_what_waits_in_turn(
    found: list[Case],
) -> None:
    first = found[0]
    batch = batch_of(first, found, now=1.0)
    assert batch[0] is first
    assert len(batch) <= BATCH_MAX
    assert [one for one in found if one in batch] == list(batch), "in turn, and each once"
    assert len({(one.pending.row.job, one.pending.owner) for one in batch}) == 1
    if first.pending.owner is None:
        assert len({one.pending.row.node for one in batch}) == 1
    if len(batch) > 1:
        assert all(one.step == "open" and one.kind == "frame" for one in batch)
        assert not any(one.is_alone or one.failed or one.unread for one in batch)
        assert all(one.rests_until <= 1.0 and one.pending.row.sha256 for one in batch)
        assert sum(one.pending.row.size or 0 for one in batch) <= BYTES_MOST


def test_sixteen_that_wait_are_one_batch_and_what_runs_is_in_none() -> None:
    found = [case(unit) for unit in range(20)]
    found[3].check = UUID(int=7)
    batch = batch_of(found[0], found, now=0.0)
    assert [one.pending.row.unit for one in batch] == [0, 1, 2, *range(4, 17)]


# -- reports

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
SAID = st.sampled_from([LOOKED, FAULT, EXACT, None]) | JSON


@given(st.lists(SAID, max_size=4), st.integers(1, 4))
def test_whatever_a_verifier_says_there_is_one_answer_for_each_result(
    said: list[Any], count: int
) -> None:
    found = answers({"opened": said}, count)
    assert len(found) == count
    if len(said) == count:
        kinds = {id(LOOKED): Report(looked=True), id(FAULT): Report(fault=FAULT["fault"])}
        for one, heard in zip(said, found, strict=True):
            assert id(one) not in kinds or heard == kinds[id(one)]
            assert one is not EXACT or heard is None, "a comparison was not asked for"
    else:
        assert found == [None] * count


@given(JSON)
def test_what_is_no_list_of_reports_says_nothing(said: Any) -> None:
    assert answers({"opened": {"0": said}}, 2) == [None, None]
    assert answers(None, 2) == [None, None]


@pytest.mark.parametrize(
    ("report", "is_cleared"),
    [
        (Report(looked=True), True),
        (Report(unable="the engine is EEVEE", is_uncut=True), True),
        (Report(fault="the picture is none"), False),
        (Report(looked=True, suspect="it is of one colour"), False),
        (Report(looked=True, pixels="cd"), False),
    ],
)
def test_a_batch_blames_nobody(report: Report, is_cleared: bool) -> None:
    one = case(0)
    signed = '{"pixels": {"sha256": "ab", "of": "png"}}' if report.pixels else None
    row = attrs.evolve(one.pending.row, work=signed)
    one.pending = attrs.evolve(one.pending, row=row)
    assert clears(report, one.pending.row.work) is is_cleared


# -- with a running Verifier


async def rendered(
    play: Play, count: int, owner: UUID = OPERATOR, nodes: Sequence[UUID] = ()
) -> UUID:
    """Return a job of ``count`` frames, delivered in turn by known nodes; no frame is drawn."""
    play.jobs += 1
    job, nodes = UUID(int=1000 + play.jobs), nodes or NODES[owner][:1]
    for node in nodes:
        if node not in play.store.nodes:
            play.store.add_node(node, ("render",), owner=owner)
        play.known("v" * 100, node)
    turns = [nodes[unit % len(nodes)] for unit in range(count)]
    account = user_account(CREATOR)
    grant = Transfer(ADJUSTMENTS, account, account, PRICE * count, "ADJUSTMENT", str(job))
    units = [NewUnit(PRICE, place) for place in range(count)]
    plan = planned("render", "s3://rendertrust/x", {"frame": 1}, units=units)
    insert = JobInsert(job, CREATOR, plan)
    assigned = (UnitAssign(job, unit, 1, node) for unit, node in enumerate(turns))
    await play.do(transfers=(grant,))
    await play.do(insert, *assigned)
    for unit, node in enumerate(turns):
        await play.again(job, node, 1, owner, unit=unit)
    return job


def keys(order: RunCheck) -> list[str]:
    return [order.picture.key, *(one.picture.key for one in order.further)]


def keys_of(job: UUID, units: Sequence[int]) -> list[str]:
    return [result_key(CREATOR, job, unit, 1) for unit in units]


async def verdicts(play: Play, job: UUID, count: int) -> list[str | None]:
    """Wait until ``count`` units have a verdict, and return the verdicts of all units."""

    def found() -> list[str | None]:
        rows = sorted(
            (one.unit, one.verdict) for one in play.store.checks.values() if one.job == job
        )
        return [verdict for _, verdict in rows]

    await until(lambda: sum(one is not None for one in found()) >= count, within=60)
    return found()


async def alone(play: Play, checker: Inspector, units: Sequence[int], job: UUID) -> list[RunCheck]:
    """Let these units be opened one by one without a fault."""
    orders = [await play.checks(checker, LOOKED) for _ in units]
    assert [keys(order) for order in orders] == [keys_of(job, [unit]) for unit in units]
    return orders


@simulated
async def test_what_waits_of_a_job_is_opened_by_one_check_and_settled() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        job = await rendered(play, 5)
        checker = play.inspector(batches=True)
        order = await play.asked(checker)
        assert keys(order) == keys_of(job, range(5))
        assert (order.count, order.whole) == (0, False)
        assert all(one.evidence is not None for one in order.further)
        play.says(checker, order, {"opened": [LOOKED] * 5})
        assert await verdicts(play, job, 5) == ["sampled-out"] * 5
        assert (play.charged(), checker.probe.ref.depth) == (5 * PRICE, 0)


@simulated
async def test_what_a_batch_finds_wrong_or_says_nothing_of_is_opened_alone() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        job = await rendered(play, 4)
        checker = play.inspector(batches=True)
        order = await play.asked(checker)
        play.says(checker, order, {"opened": [LOOKED, None, FAULT, LOOKED]})
        assert await verdicts(play, job, 2) == ["sampled-out", None, None, "sampled-out"]
        await alone(play, checker, [1], job)
        last = await play.checks(checker, FAULT)
        assert (keys(last), last.further) == (keys_of(job, [2]), ())
        assert await verdicts(play, job, 4) == [*["sampled-out"] * 2, "invalid", "sampled-out"]
        assert play.store.checks[job, 2, 1].strike


@simulated
@pytest.mark.parametrize("end", ["no report", "time", "lost"])
async def test_a_batch_that_comes_to_nothing_is_no_failure_of_its_results(end: str) -> None:
    """Each result is then opened alone at once; a result that fails again is retried later."""
    async with verifying(check_seconds=20.0, again_seconds=30.0, **NEVER_DRAWN) as play:
        job = await rendered(play, 3)
        checker = play.inspector(batches=True)
        order = await play.asked(checker)
        assert len(keys(order)) == 3
        if end == "no report":
            play.says(checker, order, None, "its worker died")
        elif end == "time":
            await play.dropped(checker, order)
        else:
            checker = play.comes_back(checker)
        begun = play.clock.monotonic()
        await alone(play, checker, [0, 1], job)
        await play.checks(checker, None)
        assert play.clock.monotonic() - begun < 15.0
        await alone(play, checker, [2], job)
        assert play.clock.monotonic() - begun >= 30.0
        assert await verdicts(play, job, 3) == ["sampled-out"] * 3


@simulated
async def test_a_verifier_that_offers_no_batches_opens_one_by_one() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        job = await rendered(play, 3)
        await alone(play, play.inspector(), [0, 1, 2], job)
        assert await verdicts(play, job, 3) == ["sampled-out"] * 3


@simulated
async def test_results_of_other_owners_and_other_jobs_are_other_batches() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        found = [await rendered(play, 2), await rendered(play, 2, UUID(int=3))]
        found.append(await rendered(play, 2))
        checker, seen = play.inspector(batches=True), list[list[str]]()
        for _ in found:
            order = await play.checks(checker, {"opened": [LOOKED] * 2})
            seen.append(keys(order))
        assert sorted(seen) == sorted(keys_of(job, [0, 1]) for job in found)


@simulated
async def test_a_drawn_result_is_in_no_batch() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        checker = play.inspector(batches=True)
        drawn = await play.delivered()
        assert (await play.asked(checker)).unit.job == drawn
        job = await rendered(play, 2)
        other = play.inspector(21, batches=True)
        assert keys(await play.asked(other)) == keys_of(job, [0, 1])


@simulated
async def test_a_batch_goes_on_while_one_of_its_results_is_pending() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        job = await rendered(play, 3)
        checker = play.inspector(batches=True)
        order = await play.asked(checker)
        for unit in (0, 2):
            del play.store.checks[job, unit, 1]
        await asyncio.sleep(5)
        assert checker.probe.ref.depth == 0
        del play.store.checks[job, 1, 1]
        await play.dropped(checker, order)


@simulated
async def test_a_new_result_does_not_wait_for_others_to_join_it() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        checker = play.inspector(batches=True)
        job = await rendered(play, 1)
        begun = play.clock.monotonic()
        order = await play.asked(checker)
        assert (order.further, keys(order)) == ((), keys_of(job, [0]))
        assert play.clock.monotonic() - begun < 2.0


@simulated
async def test_a_verifier_opens_what_it_renders_and_nothing_of_its_owners_other_nodes() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        mine = UUID(int=20)
        job = await rendered(play, 6, nodes=(NODE, mine))
        checker = play.inspector(20, batches=True)
        order = await play.asked(checker)
        assert keys(order) == keys_of(job, [1, 3, 5])
        play.says(checker, order, {"opened": [LOOKED] * 3})
        assert await verdicts(play, job, 3) == [None, "sampled-out"] * 3
        await asyncio.sleep(200)
        assert checker.probe.ref.depth == 0
        other = play.inspector(21, batches=True)
        assert keys(await play.asked(other)) == keys_of(job, [0, 2, 4])
