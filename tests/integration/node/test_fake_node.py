"""Tests that the fake node speaks the real protocol."""

import asyncio

import pytest

from rendertrust.protocol import Ack, Hello, JobDispatch, JobStatus, Welcome
from rendertrust.testing import FakeNode, FakeTask, completes, fails, hangs, works
from tests.integration.node.gateway import Gateway


async def test_it_joins_and_completes(peer: Gateway) -> None:
    async with FakeNode(peer.url, behave=completes(b"picture", progress=(0.1, 0.9))) as node:
        assert (await peer.next(Hello)).capabilities == ("echo", "render")
        await peer.send(Welcome())
        await peer.send(peer.dispatch("render", output=peer.output("p")))
        dispatch = await node.next(JobDispatch, within=60)
        assert dispatch.job_id == "j1"
        assert [(await peer.next(JobStatus)).progress for _ in range(2)] == [0.1, 0.9]
        result = await peer.result("j1")
        assert (result.result_ref, result.size) == ("results/p", 7)
        assert peer.objects["p"] == b"picture"
        await peer.send(Ack(job_id="j1", unit=0, attempt=1))
        assert (await node.next(Ack, within=60)).attempt == 1


async def test_it_fails_and_hangs_as_told(peer: Gateway) -> None:
    async with FakeNode(peer.url, behave=fails("scene", "no camera")):
        await peer.next(Hello)
        await peer.send(peer.dispatch("render"))
        assert (await peer.result("j1")).error == "no camera"
    async with FakeNode(peer.url, behave=hangs(0.5)) as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("render"))
        assert (await peer.next(JobStatus)).progress == 0.5
        with pytest.raises(TimeoutError):
            await node.next(Ack, within=0.05)


async def test_it_tells_how_it_was_closed(peer: Gateway) -> None:
    async with FakeNode(peer.url) as node:
        await peer.next(Hello)
        await peer.sockets[-1].close(code=4003)
        assert await node.closed(within=60) == 4003


async def test_it_says_that_it_was_refused(peer: Gateway) -> None:
    peer.refuses_registration = 422
    with pytest.raises(ConnectionError, match="422"):
        async with FakeNode(peer.url):
            raise AssertionError


async def test_a_function_that_breaks_fails_the_unit_and_the_test(peer: Gateway) -> None:
    def broken(task: FakeTask) -> bytes:
        raise KeyError(task.dispatch.job_id)

    async def joined() -> None:
        async with FakeNode(peer.url, behave=works(broken)):
            await peer.next(Hello)
            await peer.send(peer.dispatch("render"))
            assert (await peer.result("j1")).error == "KeyError in the test's function"

    with pytest.raises(KeyError, match="j1"):
        await joined()


async def test_a_unit_is_at_work_while_the_function_works(peer: Gateway) -> None:
    ready = asyncio.Event()

    async def slowly(task: FakeTask) -> bytes:
        await ready.wait()
        return b"done"

    async with FakeNode(peer.url, behave=works(slowly)):
        await peer.next(Hello)
        await peer.send(peer.dispatch("render", output=peer.output("p")))
        assert (await peer.next(JobStatus)).progress == 0.0
        ready.set()
        assert (await peer.next(JobStatus)).progress == 0.5
        assert (await peer.result("j1")).size == 4


async def test_it_ends_a_behaviour_that_still_sends_before_it_closes(peer: Gateway) -> None:
    async def chatters(node: FakeNode, dispatch: JobDispatch) -> None:
        status = JobStatus(job_id=dispatch.job_id, unit=0, attempt=1, progress=0.5)
        while True:
            await node.send(status)
            await asyncio.sleep(0)

    async with FakeNode(peer.url, behave=chatters):
        await peer.next(Hello)
        await peer.send(peer.dispatch("render"))
        assert (await peer.next(JobStatus)).progress == 0.5
