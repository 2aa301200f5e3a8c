"""Multipart results: a node sends parts of its own units only; the gateway completes the upload."""

import asyncio
import hashlib
from typing import Any

import attrs
import pytest

from actors.ledger.effects import UnitComplete, UnitFail, UnitStart
from actors.node_session.messages import RelayFramesHandled
from rendertrust.protocol import (
    Ack,
    JobDispatch,
    PartsOffered,
    PartsWanted,
    Urls,
    UrlsRequest,
    WantedPart,
)
from sql.units import result_key
from tests.unit.dispatch.session_stage import Play, result, session, status
from tests.unit.dispatch.stage import JOB, USER, assignment
from tests.unit.simulated_time import simulated

MIB = 1 << 20
PART = 5 * MIB  # the smallest part that a store accepts
BODIES = [bytes([number]) * PART for number in (1, 2)] + [b"end"]
WHOLE = b"".join(BODIES)
SUMS = tuple(hashlib.sha256(body).hexdigest() for body in BODIES)
SHA256 = hashlib.sha256(WHOLE).hexdigest()
KEY = result_key(USER, JOB, 0, 1)
DONE: dict[str, Any] = {
    "unit": 0,
    "attempt": 1,
    "result_ref": KEY,
    "sha256": SHA256,
    "size": len(WHOLE),
    "part_sums": SUMS,
}


def asked(*numbers: int, size: int = len(WHOLE), what: str = "result") -> UrlsRequest:
    parts = tuple(WantedPart(number=n, sha256=SUMS[(n - 1) % 3]) for n in numbers)
    wanted = PartsWanted(what=what, size=size, parts=parts)
    return UrlsRequest(job_id=str(JOB), unit=0, attempt=1, wanted=wanted)


async def offered(play: Play, *numbers: int, **more: Any) -> PartsOffered:
    play.hear(asked(*numbers, **more))
    answer = await play.socket.expect(Urls)
    assert answer.offered is not None
    assert (answer.output, answer.inputs) == (None, ())
    return answer.offered


async def put(play: Play, given: PartsOffered, *numbers: int) -> None:
    """Put these parts to the granted URLs."""
    for place in given.places:
        if place.number in numbers:
            body = BODIES[place.number - 1]
            answer = await play.objects.request("PUT", place.url, place.headers, body)
            assert answer.status == 200


async def working(play: Play) -> JobDispatch:
    return await play.working(assignment())


@simulated
async def test_a_slow_store_holds_up_no_session_that_gives_leave_to_put_parts() -> None:
    async with session(part_bytes=PART, look_seconds=60.0) as play:
        await working(play)
        play.objects.open.clear()
        for _ in range(3):  # a node without an answer asks again
            play.hear(asked(1, 2, 3))
        assert await play.ref.ask(RelayFramesHandled(), within=1.0)
        play.hear(status(status="running", progress=0.9))
        assert isinstance(await play.effect(), UnitStart)
        hung, play.objects.open = play.objects.open, asyncio.Event()
        play.objects.open.set()  # calls from now on get answers
        await asyncio.sleep(61.0)
        assert not hung.is_set()
        answer = await play.socket.expect(Urls)
        assert answer.offered is not None
        assert len(answer.offered.places) == 3
        assert len(play.objects.multiparts.open) == 1


@simulated
async def test_what_is_long_comes_in_parts_and_is_one_object() -> None:
    async with session(part_bytes=PART) as play:
        sent = await working(play)
        assert sent.output is not None
        assert sent.output.part_bytes == PART
        given = await offered(play, 1, 2, 3)
        assert (given.arrived, [place.number for place in given.places]) == ((), [1, 2, 3])
        await put(play, given, 1, 2, 3)
        play.hear(result(**DONE))
        effect = await play.effect()
        assert isinstance(effect, UnitComplete), effect
        assert (effect.size, effect.sha256) == (len(WHOLE), bytes.fromhex(SHA256))
        await play.socket.expect(Ack)
        assert await play.objects.get(KEY) == WHOLE
        assert (play.objects.multiparts.open, play.cast.store.result_multiparts) == (set(), {})


@simulated
async def test_what_has_arrived_is_not_sent_again() -> None:
    async with session(part_bytes=PART) as play:
        await working(play)
        await put(play, await offered(play, 1, 2, 3), 1, 3)
        again = await offered(play, 1, 2, 3)
        assert (again.arrived, [place.number for place in again.places]) == ((1, 3), [2])
        assert len(play.objects.multiparts.open) == 1


@simulated
async def test_a_result_that_was_made_one_and_not_booked_is_told_again() -> None:
    """The gateway was killed between completing the upload and booking the result."""
    async with session(part_bytes=PART) as play:
        await working(play)
        await put(play, await offered(play, 1, 2, 3), 1, 2, 3)
        [begun] = play.cast.store.result_multiparts.values()
        listed = await play.objects.parts_of(KEY, begun.store_id)
        told = [
            attrs.evolve(part, sha256=bytes.fromhex(sum_))
            for part, sum_ in zip(listed, SUMS, strict=True)
        ]
        await play.objects.complete_multipart(KEY, begun.store_id, told)
        play.hear(result(**DONE))
        assert isinstance(await play.effect(), UnitComplete)
        assert play.cast.store.result_multiparts == {}


async def refused(play: Play, **changed: Any) -> UnitFail:
    play.hear(result(**{**DONE, **changed}))
    effect = await play.effect()
    assert isinstance(effect, UnitFail), effect
    return effect


@simulated
async def test_parts_that_have_not_arrived_are_no_result() -> None:
    async with session(part_bytes=PART) as play:
        await working(play)
        await put(play, await offered(play, 1, 2, 3), 1, 2)
        failed = await refused(play)
        assert (failed.error_class, failed.error) == (
            "node",
            "parts of the result have not arrived",
        )
        assert await play.objects.head(KEY) is None


@simulated
@pytest.mark.parametrize("sums", [SUMS[::-1], SUMS[:2], (*SUMS, SUMS[0]), ("ab" * 32,) * 3])
async def test_other_parts_than_arrived_are_no_result(sums: tuple[str, ...]) -> None:
    async with session(part_bytes=PART) as play:
        await working(play)
        await put(play, await offered(play, 1, 2, 3), 1, 2, 3)
        failed = await refused(play, part_sums=sums)
        assert failed.error_class == "node"
        assert await play.objects.head(KEY) is None


@simulated
async def test_parts_that_the_store_forgot_are_nobodys_fault() -> None:
    async with session(part_bytes=PART) as play:
        await working(play)
        await put(play, await offered(play, 1, 2, 3), 1, 2, 3)
        [begun] = play.cast.store.result_multiparts.values()
        await play.objects.abort_multipart(KEY, begun.store_id)
        assert (await refused(play)).error_class == "network"


@simulated
async def test_parts_that_were_never_begun_are_no_result() -> None:
    async with session(part_bytes=PART) as play:
        await working(play)
        assert (await refused(play)).error_class == "network"


@simulated
async def test_an_object_that_was_put_at_once_is_not_said_to_have_parts() -> None:
    async with session(part_bytes=PART) as play:
        await working(play)
        await play.objects.put(KEY, WHOLE)
        failed = await refused(play)
        assert failed.error == "the object is not made of the parts that the result names"


@simulated
async def test_a_result_in_parts_says_its_sha256() -> None:
    async with session(part_bytes=PART) as play:
        await working(play)
        await put(play, await offered(play, 1, 2, 3), 1, 2, 3)
        assert "SHA-256" in (await refused(play, sha256=None)).error


@simulated
async def test_a_part_that_there_is_none_of_is_not_given() -> None:
    async with session(part_bytes=PART) as play:
        await working(play)
        given = await offered(play, 1, 4, 128)
        assert [place.number for place in given.places] == [1]


@simulated
@pytest.mark.parametrize("size", [0, PART, PART * 128 + 1, 2**53])
async def test_what_is_short_or_too_long_comes_in_no_parts(size: int) -> None:
    async with session(part_bytes=PART) as play:
        await working(play)
        play.hear(asked(1, size=size))
        failed = await play.effect()
        assert (failed.error_class, str(size) in failed.error) == ("node", True)
        assert play.objects.multiparts.open == set()


@simulated
async def test_whoever_changes_the_length_again_and_again_is_done_with() -> None:
    async with session(part_bytes=PART, aborted_uploads_most=2) as play:
        await working(play)
        await offered(play, 1)
        play.hear(asked(1, size=len(WHOLE) + 1))
        await offered(play, 1, size=len(WHOLE) + 1)
        play.hear(asked(1))
        failed = await play.effect()
        assert (failed.error_class, failed.error) == (
            "node",
            "the node announced another length of its result too often",
        )
        assert play.objects.multiparts.open == set()


@simulated
async def test_evidence_that_nobody_wants_is_not_taken() -> None:
    async with session(part_bytes=PART) as play:
        await working(play)
        play.hear(asked(1, what="evidence"))
        assert (await offered(play, 1)).what == "result"
        assert len(play.objects.multiparts.open) == 1


@simulated
async def test_after_its_end_no_parts_are_given() -> None:
    """Once the result is being booked, its content must not change."""
    async with session(part_bytes=PART) as play:
        await working(play)
        given = await offered(play, 1, 2, 3)
        await put(play, given, 1, 2, 3)
        play.hear(result(**DONE))
        commit = await play.commit()
        play.hear(asked(1))
        for place in given.places:
            answer = await play.objects.request("PUT", place.url, place.headers, BODIES[0])
            assert answer.status in (400, 404)
        assert isinstance(commit.effects[0], UnitComplete)
        assert play.cast.store.result_multiparts == {}


@simulated
async def test_parts_of_another_unit_are_not_given() -> None:
    async with session(part_bytes=PART) as play:
        await working(play)
        wanted = asked(1).wanted
        for changed in ({"unit": 7}, {"attempt": 2}, {"job_id": "another"}):
            named: dict[str, Any] = {"job_id": str(JOB), "unit": 0, "attempt": 1, **changed}
            play.hear(UrlsRequest(wanted=wanted, **named))
        assert (await offered(play, 1)).arrived == ()
        assert [name[:3] for name in play.cast.store.result_multiparts] == [(JOB, 0, 1)]
