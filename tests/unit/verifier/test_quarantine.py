"""The end of a quarantine by valid results for the node's owner."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from actors.scheduler.messages import StandingChanged
from actors.verifier.messages import LieDetected
from actors.verifier.quarantine import why
from sql.audit_log import Act
from sql.database import Unavailable
from sql.reputation_rules import (
    KIN,
    LIES,
    RELEASED_BY,
    STRIKES_MOST,
    TRIED_MOST,
    Record,
    strikes_of,
)
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import (
    EXACT,
    NODE,
    OPERATOR,
    Inspector,
    Play,
    apart,
    verifying,
)

REASON_MOST = 500  # letters of a reason in the database
LOOKS = 25.0  # seconds in which the Verifier looks twice for nodes to release


async def quarantined(play: Play) -> Inspector:
    """Have the gateway quarantine the node for three lies, and connect a verifier."""
    play.known("m" * STRIKES_MOST)
    assert play.verifier.tell(LieDetected(NODE))
    await until(lambda: play.standing() == "QUARANTINED", within=60)
    await asyncio.sleep(1)
    return play.inspector()


async def renders_own(play: Play, checker: Inspector, number: int, pool: str = "mine") -> None:
    """Have the node deliver ``number`` different valid frames for its owner."""
    for _ in range(number):
        content = f"picture {play.jobs}".encode()
        job = await play.delivered(user=OPERATOR, pool=pool, content=content)
        assert (await play.checks(checker, EXACT)).draws, "it is compared"
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "exact"


async def lies_to_owner(play: Play, checker: Inspector) -> None:
    job = await play.delivered(user=OPERATOR, pool="mine")
    await play.confirms(checker, apart(0.9))
    await play.ends(job, "QUEUED")


async def is_not_compared(play: Play) -> None:
    """Have the node deliver a frame for its owner, and wait until it is settled without a check."""
    job = await play.delivered(user=OPERATOR, pool="mine")
    await play.ends(job, "COMPLETED")
    assert play.verdict(job) == "unverified"


async def strikes(play: Play) -> int:
    return strikes_of(await play.store.records([NODE]))


def acts(play: Play) -> list[tuple[str, str]]:
    return [(act.act, act.actor) for act in play.store.acts]


@simulated
async def test_valid_results_for_its_owner_release_a_node_with_two_strikes() -> None:
    """The Scheduler is told of the release; the next lie is the third strike again."""
    async with verifying(least_odds=0.0) as play:
        checker = await quarantined(play)
        await renders_own(play, checker, RELEASED_BY - 1)
        await asyncio.sleep(LOOKS)
        assert play.standing() == "QUARANTINED"
        await renders_own(play, checker, 1)
        await until(lambda: play.standing() == "ACTIVE", within=LOOKS)
        assert await strikes(play) == STRIKES_MOST - 1
        released = ("node.release", "verifier")
        assert acts(play) == [("node.quarantine", "verifier"), released]
        assert "10 frames in a row" in play.store.acts[-1].reason
        told = [one for one in play.told() if isinstance(one, StandingChanged)]
        assert [(one.standing.name, one.standing.version) for one in told] == [
            ("QUARANTINED", 1),
            ("ACTIVE", 2),
        ]
        await asyncio.sleep(LOOKS)
        assert play.standing() == "ACTIVE"
        job = await play.delivered()
        await play.confirms(checker, apart(0.9))
        await play.ends(job, "QUEUED")
        await until(lambda: play.standing() == "QUARANTINED", within=60)
        assert play.store.acts[-1].reason.endswith("An admin releases it.")
        await asyncio.sleep(1)
        for _ in range(RELEASED_BY):
            await is_not_compared(play)
        await asyncio.sleep(LOOKS)
        assert play.standing() == "QUARANTINED", "results release a node only once"


@simulated
async def test_an_invalid_result_restarts_the_count() -> None:
    async with verifying() as play:
        checker = await quarantined(play)
        await renders_own(play, checker, RELEASED_BY - 1)
        await lies_to_owner(play, checker)
        await renders_own(play, checker, RELEASED_BY - 1)
        await asyncio.sleep(LOOKS)
        assert play.standing() == "QUARANTINED"
        await renders_own(play, checker, 1)
        await until(lambda: play.standing() == "ACTIVE", within=LOOKS)


@simulated
async def test_what_cannot_be_checked_neither_counts_nor_ends_the_row() -> None:
    async with verifying() as play:
        checker = await quarantined(play)
        await renders_own(play, checker, RELEASED_BY - 1)
        job = await play.delivered(user=OPERATOR, pool="mine", frames=[1, 2])
        await play.checks(checker, {"unable": "its simulation is not baked"})
        await until(lambda: play.verdict(job) == "unverifiable", within=60)
        await asyncio.sleep(LOOKS)
        assert play.standing() == "QUARANTINED"
        await renders_own(play, checker, 1)
        await until(lambda: play.standing() == "ACTIVE", within=LOOKS)


@simulated
async def test_results_for_others_do_not_count() -> None:
    """The quarantined node finishes units of other users that it had before."""
    async with verifying() as play:
        checker = await quarantined(play)
        for _ in range(RELEASED_BY):
            job = await play.delivered()
            await play.checks(checker, EXACT)
            await play.ends(job, "COMPLETED")
        await asyncio.sleep(LOOKS)
        assert play.standing() == "QUARANTINED"


@simulated
async def test_a_new_key_in_quarantine_for_another_waits_for_an_admin() -> None:
    """An admin may have ordered the quarantine of the other key."""
    async with verifying(least_odds=0.0) as play:
        play.store.add_node(NODE, ("render",), owner=OPERATOR)
        play.stand("QUARANTINED")
        play.store.nodes[NODE].caught = KIN
        for _ in range(RELEASED_BY):
            await is_not_compared(play)
        await asyncio.sleep(LOOKS)
        assert play.standing() == "QUARANTINED"


@simulated
async def test_a_quarantined_node_is_compared_even_if_its_strikes_were_withdrawn() -> None:
    async with verifying(least_odds=0.0) as play:
        play.known("v" * 1000)
        play.stand("QUARANTINED")
        play.store.nodes[NODE].caught = LIES
        await asyncio.sleep(1)
        await renders_own(play, play.inspector(), RELEASED_BY)
        await until(lambda: play.standing() == "ACTIVE", within=LOOKS)


async def _by_admin(play: Play) -> Inspector:
    """Quarantine a node as an admin does."""
    play.store.add_node(NODE, ("render",), owner=OPERATOR)
    play.stand("QUARANTINED")
    return play.inspector()


async def _by_admin_first(play: Play) -> Inspector:
    """Find the third lie of a node that an admin has quarantined."""
    checker = await _by_admin(play)
    await asyncio.sleep(1)
    play.known("m" * STRIKES_MOST)
    assert play.verifier.tell(LieDetected(NODE))
    await until(lambda: play.store.nodes[NODE].caught is not None, within=60)
    return checker


async def _by_admin_later(play: Play) -> Inspector:
    """Have an admin order the quarantine of a node that the gateway has quarantined."""
    checker = await quarantined(play)
    play.stand("QUARANTINED")
    return checker


@simulated
@pytest.mark.parametrize("begin", [_by_admin, _by_admin_first, _by_admin_later])
async def test_a_quarantine_that_an_admin_ordered_ends_by_an_admin(
    begin: Callable[[Play], Awaitable[Inspector]],
) -> None:
    async with verifying() as play:
        checker = await begin(play)
        await renders_own(play, checker, RELEASED_BY + 1, pool="any")
        await asyncio.sleep(LOOKS)
        assert play.standing() == "QUARANTINED"
        play.release()
        await asyncio.sleep(LOOKS)
        assert play.standing() == "ACTIVE"


@simulated
async def test_work_for_the_owner_is_compared_only_in_a_quarantine_by_the_gateway() -> None:
    async with verifying() as play:
        for begin in (_by_admin, _by_admin_later):
            checker = await begin(play)
            await is_not_compared(play)
            assert checker.probe.ref.depth == 0
            play.release()
            await asyncio.sleep(1)


@simulated
async def test_verifiers_compare_no_more_than_thirty_frames_for_a_release() -> None:
    """The frames cost their owner nothing, and each invalid one restarts the count."""
    async with verifying() as play:
        checker = await quarantined(play)
        for _ in range(TRIED_MOST):
            await lies_to_owner(play, checker)
        await is_not_compared(play)


@simulated
async def test_a_frame_that_waits_for_a_check_is_settled_when_its_node_is_released() -> None:
    async with verifying() as play:
        play.goes(await quarantined(play))
        job = await play.delivered(user=OPERATOR, pool="mine")
        await asyncio.sleep(LOOKS)
        assert play.verdict(job) is None, "a verifier may come back"
        play.release()
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "unverified"


@simulated
async def test_frames_that_no_verifier_may_check_do_not_wait() -> None:
    """The owner of the node owns the only verifier."""
    async with verifying() as play:
        play.store.add_node(UUID(int=20), ("render",), owner=OPERATOR)
        await quarantined(play)
        await is_not_compared(play)


@simulated
async def test_results_delivered_before_the_quarantine_do_not_end_it() -> None:
    async with verifying() as play:
        jobs = [
            await play.delivered(user=OPERATOR, pool="any", content=f"early {number}".encode())
            for number in range(RELEASED_BY)
        ]
        await asyncio.sleep(1)
        checker = await quarantined(play)
        for job in jobs:
            await play.checks(checker, EXACT)
            await play.ends(job, "COMPLETED")
        await asyncio.sleep(LOOKS)
        assert play.standing() == "QUARANTINED"


@simulated
async def test_without_verification_no_result_ends_a_quarantine() -> None:
    async with verifying(enabled=False) as play:
        await quarantined(play)
        await is_not_compared(play)


@simulated
async def test_a_gateway_that_died_after_the_last_verdict_releases_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with verifying() as play:
        checker = await quarantined(play)

        async def away() -> dict[UUID, int]:
            raise Unavailable("away")

        with monkeypatch.context() as patch:
            patch.setattr(play.store, "releasable_nodes", away)
            await renders_own(play, checker, RELEASED_BY)
            await asyncio.sleep(LOOKS)
            assert play.standing() == "QUARANTINED"
        await play.restarts()
        await until(lambda: play.standing() == "ACTIVE", within=LOOKS)


@simulated
async def test_a_review_of_a_record_from_before_the_release_does_not_quarantine_again() -> None:
    async with verifying() as play:
        await quarantined(play)
        [before] = await play.store.records([NODE])
        await asyncio.sleep(1)
        play.release()
        act = Act(play.clock.now(), None, "verifier", "node.quarantine", f"node:{NODE}", "it lied")
        assert await play.store.quarantine(NODE, before.released_at, act) is None
        assert play.standing() == "ACTIVE"


def test_the_reason_fits_whatever_classes_the_node_states() -> None:
    records = [Record(NODE, letter * 200, False, "", "m") for letter in "abc"]
    reason = why(records)
    assert len(reason) <= REASON_MOST
    assert "An admin releases it, or 10 different valid frames in a row for its owner" in reason
