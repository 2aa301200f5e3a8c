"""Jobs that need equal frames use one device class; owners of other nodes see why units wait."""

import asyncio
from contextlib import AsyncExitStack

from rendertrust.protocol import JobDispatch
from rendertrust.testing import Behaviour, FakeNode, completes
from tests.acceptance.test_animation import completed, units
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.until import until

OLD, NEW = "cpu/x86_64/old", "cpu/x86_64/new"
COMPLETES = completes()


async def nodes(
    stack: AsyncExitStack, gateway: Gateway, *classes: str, behave: Behaviour = COMPLETES
) -> list[FakeNode]:
    """Connect one node of each of these device classes."""
    found = [
        FakeNode(gateway.url, capabilities=("echo",), device_class=name, behave=behave)
        for name in classes
    ]
    return [await stack.enter_async_context(node) for node in found]


class Together:
    """Behaviour of nodes that complete frames only once each node has a frame, so no node is
    faster.
    """

    def __init__(self, count: int) -> None:
        self._at_work: set[str] = set()
        self._all_are = asyncio.Event()
        self._count = count

    async def behave(self, node: FakeNode, dispatch: JobDispatch) -> None:
        self._at_work.add(node.node_id)
        if len(self._at_work) == self._count:
            self._all_are.set()
        await self._all_are.wait()
        await COMPLETES(node, dispatch)


async def wait_until_known(creator: Creator, count: int) -> None:
    """Wait until the Scheduler knows the device classes of ``count`` nodes, by a job that none of
    the nodes may do.
    """
    named = {"device_class": "cpu/arm64/none"}
    status, answer = await creator.dispatch("echo", frames="1-2", needs=named, queue=True)
    assert status == 202, answer

    async def known() -> bool:
        unit, _ = await units(creator, answer["job_id"])
        return f"{count} are of another device class" in unit["waiting"]["words"]

    await until(known)


def given(node: FakeNode) -> int:
    return sum(isinstance(frame, JobDispatch) for frame in node.received)


async def test_all_frames_are_done_by_the_class_that_most_nodes_have(
    gateway: Gateway, creator: Creator
) -> None:
    async with AsyncExitStack() as stack:
        together = Together(2)
        old, *new = await nodes(stack, gateway, OLD, NEW, NEW, behave=together.behave)
        await wait_until_known(creator, 3)
        status, answer = await creator.dispatch("echo", frames="1-12", needs={"alike": True})
        assert status == 200, answer
        await completed(creator, answer["job_id"])
        assert given(old) == 0
        assert [given(node) > 0 for node in new] == [True, True]
    async with AsyncExitStack() as stack:
        await nodes(stack, gateway, OLD)
        named = {"device_class": "cpu/arm64/none"}
        status, answer = await creator.dispatch("echo", frames="1-2", needs=named, queue=True)
        assert status == 202, answer

        async def told() -> bool:
            unit, _ = await units(creator, answer["job_id"])
            return "1 is of another device class" in unit["waiting"]["words"]

        await until(told)
        unit, _ = await units(creator, answer["job_id"])
        assert unit["waiting"]["code"] == "nobody"

    async def refused() -> bool:
        """Return True once the gateway refuses the job, because it has noticed that the last node
        left.
        """
        needs = {"alike": True}
        status, answer = await creator.dispatch("echo", frames="1-2", needs=needs, queue=True)
        assert status in (202, 400), answer
        return status == 400

    await until(refused)
