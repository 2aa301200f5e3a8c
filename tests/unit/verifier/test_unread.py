"""Deliveries that a checker cannot read: the gateway reads them itself before anybody is blamed."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from actors.node_session.results import result_key
from sql.sampling import ALWAYS_UNTIL
from sql.work import evidence_key
from tests.support.until import until
from tests.twins.objects import TwinObjects
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import CREATOR, EXACT, NODE, PRICE, Checker, Play, verifying

WAIT = 60.0  # for a check, at most
SHARE = PRICE * 70 // 100
UUID_20 = UUID(int=20)


async def cannot_read(play: Play, checker: Checker) -> None:
    """It is asked, and the store gives it what it cannot use."""
    order = await play.asked(checker)
    why = "check/picture could not be fetched: ClientPayloadError"
    play.says(checker, order, None, why, is_unread=True)


async def put_encoded(objects: TwinObjects, key: str, content: bytes) -> None:
    leave = await objects.presign_put(key, once=False)
    headers = {**leave.headers, "Content-Encoding": "gzip"}
    assert (await objects.request("PUT", leave.url, headers, content)).status == 200


@simulated
@pytest.mark.parametrize("named", [result_key, evidence_key])
@pytest.mark.parametrize("is_own", [False, True])
async def test_what_nobody_can_read_is_its_nodes_failure_unpaid_and_no_strike(
    named: Callable[[UUID, UUID, int, int], str], is_own: bool
) -> None:
    async with verifying(least_odds=1.0, own=frozenset({UUID_20} if is_own else ())) as play:
        play.known("v" * ALWAYS_UNTIL)
        job = await play.delivered()
        key = named(CREATOR, job, 0, 1)
        await put_encoded(play.objects, key, await play.objects.get(key))
        await cannot_read(play, play.checker(20, None if is_own else 3))
        unit = await play.ends(job, "QUEUED")
        assert (play.verdict(job), unit.failures) == ("doubtful", 1)
        assert (play.charged(), play.earned(), play.standing()) == (0, 0, "ACTIVE")
        assert play.store.nodes[NODE].caught is None


@simulated
async def test_what_the_gateway_can_read_is_for_another_checker_to_look_at() -> None:
    async with verifying(least_odds=1.0) as play:
        job = await play.delivered()
        await cannot_read(play, play.checker(20, 3))
        await play.checks(play.checker(21, 4), EXACT)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("exact", SHARE)


@simulated
async def test_a_store_that_is_away_is_nobodys_failure() -> None:
    async with verifying(least_odds=1.0) as play:
        job = await play.delivered()
        play.objects.away = True
        one, other = play.checker(20, 3), play.checker(21, 4)
        await until(lambda: one.probe.ref.depth or other.probe.ref.depth, within=60)
        first, second = (one, other) if one.probe.ref.depth else (other, one)
        await cannot_read(play, first)
        await play.ends(job, "VERIFYING")
        play.objects.away = False
        await play.checks(second, EXACT)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("exact", SHARE)


@simulated
@pytest.mark.parametrize("is_drawn", [True, False])
async def test_what_the_store_does_not_give_in_time_is_no_failure_of_its_node(
    is_drawn: bool,
) -> None:
    """It ends as a check that nobody could make."""
    odds: dict[str, Any]
    odds = {"least_odds": 1.0} if is_drawn else {"least_odds": 0.0, "own": frozenset({UUID_20})}
    async with verifying(wait_seconds=WAIT, **odds) as play:
        play.known("v" * 10 * ALWAYS_UNTIL)
        job = await play.delivered()
        play.objects.broken.add(result_key(CREATOR, job, 0, 1))
        begun = play.clock.monotonic()
        await cannot_read(play, play.checker(20, 3 if is_drawn else None))
        await until(lambda: play.verdict(job) is not None, within=2 * WAIT)
        assert play.clock.monotonic() - begun >= WAIT
        unit = await play.ends(job, "COMPLETED")
        assert (play.verdict(job), unit.failures) == ("unverifiable", 0)
        assert (play.earned(), play.standing()) == (SHARE, "ACTIVE")


@simulated
@pytest.mark.parametrize("is_there", [True, False])
async def test_what_is_called_unreadable_late_is_read_before_its_node_is_blamed(
    is_there: bool,
) -> None:
    async with verifying(wait_seconds=WAIT, least_odds=1.0) as play:
        play.known("v" * 10 * ALWAYS_UNTIL)
        job = await play.delivered()
        key = result_key(CREATOR, job, 0, 1)
        if not is_there:
            await put_encoded(play.objects, key, await play.objects.get(key))
        checker = play.checker(20, 3)
        order = await play.asked(checker)
        await asyncio.sleep(WAIT + 10)
        assert play.verdict(job) is None
        play.says(checker, order, None, "it could not be fetched", is_unread=True)
        unit = await play.ends(job, "COMPLETED" if is_there else "QUEUED")
        told = ("unverifiable", 0) if is_there else ("doubtful", 1)
        assert (play.verdict(job), unit.failures) == told
