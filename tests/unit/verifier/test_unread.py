"""Deliveries that a verifier cannot read: the gateway reads them before it blames the node."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest

from sql.units import evidence_key, result_key
from tests.twins.objects import TwinObjects
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import CREATOR, EXACT, NODE, PRICE, Inspector, Play, verifying

SHARE = PRICE * 70 // 100


async def cannot_read(play: Play, checker: Inspector) -> None:
    """Let the checker report that it cannot read the delivery."""
    order = await play.asked(checker)
    why = "check/picture could not be fetched: ClientPayloadError"
    play.says(checker, order, None, why, is_unread=True)


async def put_encoded(objects: TwinObjects, key: str, content: bytes) -> None:
    leave = await objects.presign_put(key, once=False)
    headers = {**leave.headers, "Content-Encoding": "gzip"}
    assert (await objects.request("PUT", leave.url, headers, content)).status == 200


@simulated
@pytest.mark.parametrize("named", [result_key, evidence_key])
async def test_what_nobody_can_read_is_its_nodes_failure_unpaid_and_no_strike(
    named: Callable[[UUID, UUID, int, int], str],
) -> None:
    async with verifying() as play:
        job = await play.delivered()
        key = named(CREATOR, job, 0, 1)
        await put_encoded(play.objects, key, await play.objects.get(key))
        await cannot_read(play, play.inspector())
        unit = await play.ends(job, "QUEUED")
        assert (play.verdict(job), unit.failures) == ("invalid", 1)
        assert (play.charged(), play.earned(), play.standing()) == (0, 0, "ACTIVE")
        assert play.store.checks[job, 0, 1].strike is False
        assert play.store.nodes[NODE].caught is None


@simulated
async def test_what_the_gateway_can_read_is_checked_again() -> None:
    async with verifying() as play:
        job, checker = await play.delivered(), play.inspector()
        await cannot_read(play, checker)
        await play.checks(checker, EXACT)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("exact", SHARE)


@simulated
async def test_a_store_that_is_away_is_nobodys_failure() -> None:
    async with verifying() as play:
        job, checker = await play.delivered(), play.inspector()
        order = await play.asked(checker)
        play.objects.away = True
        play.says(checker, order, None, "it could not be fetched", is_unread=True)
        await asyncio.sleep(600)
        unit = await play.ends(job, "VERIFYING")
        assert unit.failures == 0
        play.objects.away = False
        await play.checks(checker, EXACT)
        await play.ends(job, "COMPLETED")


@simulated
async def test_what_only_the_gateway_can_read_waits_an_hour_and_is_then_refused() -> None:
    """The verifier may have lost its way to the store, so nothing is decided before."""
    async with verifying(wait_seconds=300.0) as play:
        job, checker = await play.delivered(), play.inspector()
        begun = play.clock.monotonic()
        while play.verdict(job) is None and play.clock.monotonic() - begun < 2 * 3600:
            if checker.probe.ref.depth:
                await cannot_read(play, checker)
            await asyncio.sleep(10)
        assert 3600 <= play.clock.monotonic() - begun < 2 * 3600
        unit = await play.ends(job, "QUEUED")
        row = play.store.checks[job, 0, 1]
        assert (row.verdict, row.strike, row.verifier_id) == ("invalid", False, None)
        assert (unit.failures, play.charged(), play.earned()) == (1, 0, 0)


@simulated
async def test_what_cannot_be_fetched_keeps_nobody_elses_result_waiting() -> None:
    async with verifying(wait_seconds=300.0) as play:
        job, checker = await play.delivered(), play.inspector()
        await cannot_read(play, checker)
        await asyncio.sleep(100)
        order = await play.asked(checker)
        other = await play.delivered(user=UUID(int=5))
        play.says(checker, order, None, "it could not be fetched", is_unread=True)
        await play.checks(checker, EXACT)
        await play.ends(other, "COMPLETED")
        assert play.verdict(job) is None


async def reads_other(play: Play, checker: Inspector) -> None:
    """Let the checker report that it fetched other content than the node signed."""
    why = "check/picture: the download's SHA-256 differs"
    play.says(checker, await play.asked(checker), None, why, is_unread=True, is_other=True)


@simulated
@pytest.mark.parametrize("named", [result_key, evidence_key])
async def test_other_content_that_the_gateway_reads_too_is_a_strike(
    named: Callable[[UUID, UUID, int, int], str],
) -> None:
    """Of a multipart upload the store knows no SHA-256, so the gateway computes it."""
    async with verifying() as play:
        job = await play.delivered()
        key = named(CREATOR, job, 0, 1)
        await play.objects.put(key, bytes(len(await play.objects.get(key))))
        await reads_other(play, play.inspector())
        await play.ends(job, "QUEUED")
        row = play.store.checks[job, 0, 1]
        assert (row.verdict, row.strike, play.earned()) == ("invalid", True, 0)


@simulated
async def test_a_corrupted_download_of_a_verifier_is_no_failure_of_the_node() -> None:
    async with verifying() as play:
        job, checker = await play.delivered(), play.inspector()
        for _ in range(2):
            await reads_other(play, checker)
            await asyncio.sleep(200)
        await play.checks(checker, EXACT)
        unit = await play.ends(job, "COMPLETED")
        assert (play.verdict(job), unit.failures, play.earned()) == ("exact", 0, SHARE)


@simulated
async def test_a_store_that_is_away_does_not_turn_other_content_into_a_strike() -> None:
    async with verifying() as play:
        job, checker = await play.delivered(), play.inspector()
        play.objects.away = True
        await reads_other(play, checker)
        await asyncio.sleep(600)
        assert play.verdict(job) is None
        play.objects.away = False
        await play.checks(checker, EXACT)
        await play.ends(job, "COMPLETED")
