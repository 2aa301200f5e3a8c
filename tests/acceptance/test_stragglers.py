"""A straggling frame gets a copy on an idle node, and is paid once."""

import asyncio
from contextlib import AsyncExitStack

import attrs

from rendertrust.protocol import Ack, JobCancel, JobDispatch, Running
from rendertrust.testing import Behaviour, FakeNode, completes, hangs
from tests.acceptance.test_animation import charges, units
from tests.support.api_clients import Creator, Json
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.until import until

FRAMES, LAST = 8, 7
SETTINGS = {"RENDERTRUST_SCHEDULING_STRAGGLER_SECONDS": "0.5"}
ENDS = completes(b"a frame", progress=(0.5,))


gateway = gateway_with(SETTINGS, prices={"echo": "1.5"})
"""Where an ``echo`` costs something."""


@attrs.define
class Line:
    """Behaviour of nodes that delay the last frame: attempt 1 until ``first``, attempt 2 until
    ``copy``.
    """

    first: asyncio.Event = attrs.field(factory=asyncio.Event)
    copy: asyncio.Event = attrs.field(factory=asyncio.Event)

    def behaviour(self) -> Behaviour:
        async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
            if dispatch.unit == LAST:
                await hangs(0.1)(node, dispatch)
                await (self.first if dispatch.attempt == 1 else self.copy).wait()
            await ENDS(node, dispatch)

        return behave


@attrs.frozen
class Race:
    """Two nodes with the last frame: ``first`` has attempt 1, and ``second`` attempt 2."""

    creator: Creator
    job: str
    line: Line
    first: FakeNode
    second: FakeNode

    async def unit(self) -> Json:
        return (await units(self.creator, self.job))[LAST]

    async def ended(self) -> Json:
        return await self.creator.job_within(self.job, "COMPLETED")


def has(node: FakeNode, attempt: int) -> bool:
    """Return True if the node was given this attempt at the last frame."""
    given = [frame for frame in node.received if isinstance(frame, JobDispatch)]
    return (LAST, attempt) in {(frame.unit, frame.attempt) for frame in given}


async def raced(stack: AsyncExitStack, gateway: Gateway, creator: Creator) -> Race:
    line = Line()
    nodes = [
        await stack.enter_async_context(FakeNode(gateway.url, behave=line.behaviour(), name=name))
        for name in ("one", "two")
    ]
    status, answer = await creator.dispatch("echo", frames=f"1-{FRAMES}")
    assert status == 200, answer

    async def copied() -> FakeNode | None:
        return next((node for node in nodes if has(node, 2)), None)

    second = await until(copied)
    assert second is not None
    (first,) = [node for node in nodes if node is not second]
    return Race(creator, str(answer["job_id"]), line, first, second)


async def check_books(gateway: Gateway, race: Race) -> None:
    """Check that each frame was charged once and nothing is held."""
    found = await race.ended()
    assert (found["charged"], found["done"]) == ("12.0000", FRAMES)
    assert await charges(race.creator) == {f"job:{race.job}:{n}": 1 for n in range(FRAMES)}
    _, balance = await race.creator.call("GET", "/credits/balance")
    assert (balance["balance"], balance["held"]) == ("88.0000", "0.0000")
    code, said = await gateway.fsck()
    assert code == 0, said


async def test_both_have_it_and_the_first_is_first_after_all(
    gateway: Gateway, creator: Creator
) -> None:
    async with AsyncExitStack() as stack:
        race = await raced(stack, gateway, creator)
        unit = await race.unit()
        assert (unit["state"], unit["attempt"]) == ("RUNNING", 1)
        assert (unit["node_id"], unit["copy_node_id"]) == (race.first.node_id, race.second.node_id)
        assert unit["waiting"]["code"] == "copied"
        _, told = await creator.call("GET", f"/jobs/{race.job}/events?limit=100")
        # On a busy machine, another frame may have taken so long that it was copied, too.
        copied = [e for e in told["events"] if e["type"] == "unit.copied"]
        (event,) = [e for e in copied if e["unit"] == LAST]
        assert event["attempt"] == 2
        assert (event["node_id"], event["money"]) == (race.second.node_id, None)
        race.line.first.set()
        await race.ended()
        unit = await race.unit()
        assert (unit["attempt"], unit["node_id"]) == (1, race.first.node_id)
        cancelled = await race.second.next(JobCancel, within=60)
        assert (cancelled.unit, cancelled.attempt) == (LAST, 2)
        await check_books(gateway, race)


async def test_the_copy_is_first_and_the_other_is_told_to_stop(
    gateway: Gateway, creator: Creator
) -> None:
    async with AsyncExitStack() as stack:
        race = await raced(stack, gateway, creator)
        race.line.copy.set()
        await race.ended()
        unit = await race.unit()
        assert (unit["attempt"], unit["node_id"]) == (2, race.second.node_id)
        assert unit["copy_node_id"] is None
        cancelled = await race.first.next(JobCancel, within=60)
        assert (cancelled.unit, cancelled.attempt) == (LAST, 1)
        race.line.first.set()  # the late result is acknowledged, and changes nothing

        async def acknowledged() -> bool:
            acks = [frame for frame in race.first.received if isinstance(frame, Ack)]
            return (LAST, 1) in {(ack.unit, ack.attempt) for ack in acks}

        assert await until(acknowledged)
        await check_books(gateway, race)


async def test_both_live_through_the_death_of_the_gateway(
    gateway: Gateway, creator: Creator
) -> None:
    """The restarted gateway knows both attempts: it sends neither attempt again, and one result
    counts.
    """
    async with AsyncExitStack() as stack:
        race = await raced(stack, gateway, creator)
        await gateway.kill()
        await gateway.start()
        for attempt, node in ((1, race.first), (2, race.second)):
            node.running = [Running(job_id=race.job, unit=LAST, attempt=attempt)]
            await node.connect()
        race.line.copy.set()
        race.line.first.set()
        await until(lambda: _is_over(race))
        await check_books(gateway, race)


async def _is_over(race: Race) -> bool:
    return (await race.creator.job(race.job))["completed_at"] is not None
