"""Frames that are to be alike are done by one class of nodes; the others are told why they wait."""

from contextlib import AsyncExitStack

from rendertrust.protocol import JobDispatch
from rendertrust.testing import FakeNode
from tests.acceptance.test_animation import completed, units
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.until import until

OLD, NEW = "cpu/x86_64/old", "cpu/x86_64/new"


async def nodes(stack: AsyncExitStack, gateway: Gateway, *classes: str) -> list[FakeNode]:
    """One of each of these."""
    found = [FakeNode(gateway.url, capabilities=("echo",), device_class=name) for name in classes]
    return [await stack.enter_async_context(node) for node in found]


async def all_known(creator: Creator, count: int) -> None:
    """Wait until the Scheduler has heard what so many nodes are: by a frame that none may do."""
    named = {"device_class": "cpu/arm64/none"}
    status, answer = await creator.dispatch("echo", frames="1-2", needs=named, queue=True)
    assert status == 202, answer

    async def known() -> bool:
        unit, _ = await units(creator, answer["job_id"])
        return f"{count} are of another class" in unit["waiting"]["words"]

    await until(known, within=30)


def given(node: FakeNode) -> int:
    return sum(isinstance(frame, JobDispatch) for frame in node.received)


async def test_all_frames_are_done_by_the_class_that_most_nodes_have(
    gateway: Gateway, creator: Creator
) -> None:
    async with AsyncExitStack() as stack:
        old, *new = await nodes(stack, gateway, OLD, NEW, NEW)
        await all_known(creator, 3)
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
            return "1 is of another class" in unit["waiting"]["words"]

        await until(told, within=30)
        unit, _ = await units(creator, answer["job_id"])
        assert unit["waiting"]["code"] == "nobody"
    status, refused = await creator.dispatch(
        "echo", frames="1-2", needs={"alike": True}, queue=True
    )
    assert status == 400, refused
