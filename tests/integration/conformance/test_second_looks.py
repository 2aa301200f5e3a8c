"""What rests on a stranger's word alone is found, once, and what was seen of it counts."""

from datetime import timedelta
from uuid import UUID

import pytest

from actors.ledger.messages import Posted, UnitStart
from actors.paymaster.messages import DisputeOpen
from actors.verifier.second import BEGIN
from sql.checks import SecondLook, TrialMade, TrialRow, Voucher
from sql.sampling import ALWAYS_UNTIL
from tests.integration.conformance.stage import Stage, dispatch, fresh_id
from tests.integration.conformance.test_verdicts import CLASS, Delivered, delivered, delivery, said

DRAWN, SHOWN = ((0.1, 0.2, None), (0.3, 0.4, 0.5)), (0.25, 0.75)


async def vouched(stage: Stage, minutes: int = 6) -> tuple[Delivered, Voucher]:
    """A result that a stranger called exact, so long ago."""
    case, verifier = await delivered(stage), await stage.node()
    at = stage.clock.now() - timedelta(minutes=minutes)
    told = Voucher(case.job, 0, 1, verifier, CLASS, at, DRAWN, SHOWN)
    await stage.store.note_voucher(told)
    assert isinstance(await stage.do(said(case.job, "exact", case.operator)), Posted)
    return case, told


def look(stage: Stage, case: Delivered, *, held: bool | None) -> SecondLook:
    return SecondLook(case.job, 0, 1, case.node, CLASS, stage.clock.now(), held)


async def test_what_a_stranger_alone_called_valid_is_found_with_where_he_looked(
    stage: Stage,
) -> None:
    case, told = await vouched(stage)
    await vouched(stage, minutes=4)
    ours = await delivered(stage)
    assert isinstance(await stage.do(said(ours.job, "exact", ours.operator)), Posted)
    [found] = await stage.store.vouched(10, BEGIN)
    assert (found.row.id, found.voucher, found.is_again) == ((case.job, 0, 1), told, True)
    assert await stage.store.vouched(10, found.place) == []
    assert await stage.store.pending_checks(10) == [], "nothing waits for it"
    stage.clock.pass_by(timedelta(days=30).total_seconds())
    assert await stage.store.vouched(10, BEGIN) == [], "it is payable by then"


async def test_the_oldest_are_found_first(stage: Stage) -> None:
    later, first = await vouched(stage, 7), await vouched(stage, 9)
    [found] = await stage.store.vouched(1, BEGIN)
    assert found.row.job_id == first[0].job
    [found] = await stage.store.vouched(2, found.place)
    assert found.row.job_id == later[0].job


@pytest.mark.parametrize("held", [True, None])
async def test_what_was_looked_at_is_not_found_again(stage: Stage, held: bool | None) -> None:
    case, _ = await vouched(stage)
    for _ in range(2):
        await stage.store.note_second_look(look(stage, case, held=held))
    assert await stage.store.vouched(10, BEGIN) == []
    [record] = await stage.store.records([case.node])
    assert (record.before, record.since) == ("", "v")
    assert await stage.store.unlooked_shares(10) == []


async def test_what_is_disputed_is_not(stage: Stage) -> None:
    case, _ = await vouched(stage)
    opened = DisputeOpen(fresh_id(), case.job, 0, case.user, "it is noisy", timedelta(days=7))
    assert isinstance(await stage.do(opened), Posted)
    assert await stage.store.vouched(10, BEGIN) == []


async def test_what_was_no_such_picture_is_a_strike_and_calls_back_what_else_there_is(
    stage: Stage,
) -> None:
    case, _ = await vouched(stage)
    await stage.store.note_second_look(look(stage, case, held=False))
    [record] = await stage.store.records([case.node])
    assert sorted(record.before + record.since) == ["m", "v"]
    assert record.reputation.strikes == 1
    found = await stage.store.unlooked_shares(10)
    assert [(one.job, one.unit) for one in found] == [(case.job, 0)]
    assert await stage.store.audit() == []


async def test_of_a_node_that_the_gateways_own_know_nothing_is_found(stage: Stage) -> None:
    """Ten results that they saw, themselves or where a stranger had looked, and no fewer."""
    case, _ = await vouched(stage)
    for count in range(ALWAYS_UNTIL):
        now = stage.clock.now()
        found = [one.row.job_id for one in await stage.store.vouched(99, BEGIN)]
        assert found == [case.job], count
        more = await once_more(stage, case)
        if count % 2:
            verifier, at = await stage.node(), now - timedelta(minutes=5)
            await stage.store.note_voucher(Voucher(more, 0, 1, verifier, CLASS, at, DRAWN, SHOWN))
            seen = SecondLook(more, 0, 1, case.node, CLASS, now, held=True)
            await stage.store.note_second_look(seen)
    assert await stage.store.vouched(99, BEGIN) == []


async def once_more(stage: Stage, case: Delivered) -> UUID:
    """Another result of the same node's, that was found exact."""
    user, job = await stage.user(200), fresh_id()
    (outcome,) = await stage.commit(dispatch(user, job, 100, 1, case.node))
    assert isinstance(outcome, Posted)
    for effect in (
        UnitStart(job, 0, 1, case.node),
        delivery(job, case.node, case.operator),
        said(job, "exact", case.operator),
    ):
        assert isinstance(await stage.do(effect), Posted)
    return job


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("by_creator", [True, False])
async def test_an_invitation_bars_nobody_before_it_is_accepted(
    stage: Stage, joined: bool, by_creator: bool
) -> None:
    """Otherwise whoever sends invitations chooses who cannot check a job."""
    case, other = await delivered(stage), await stage.user()
    pair = (case.user, other) if by_creator else (other, case.user)
    await (stage.found if joined else stage.invite)(*pair)
    [fresh] = await stage.store.pending_checks(10)
    at = stage.clock.now() - timedelta(minutes=6)
    await stage.store.note_voucher(Voucher(case.job, 0, 1, await stage.node(), CLASS, at))
    assert isinstance(await stage.do(said(case.job, "exact", case.operator)), Posted)
    [vouched_for] = await stage.store.vouched(10, BEGIN)
    made = TrialMade(
        TrialRow(fresh_id(), vouched_for, 16, DRAWN, frozenset({0})), stage.clock.now()
    )
    await stage.store.note_trial(made)
    [trial] = await stage.store.trials(16)
    for found in (fresh, vouched_for, trial.of):
        assert (other in found.friends) == joined
