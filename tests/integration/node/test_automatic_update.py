"""A node with --update prepares a newer release, finishes its units, and ends to change to it."""

import asyncio
from pathlib import Path

import attrs
import pytest

from rendertrust.node.automatic_update import ASK_SECONDS, AutomaticUpdate
from rendertrust.node.program_folder import ProgramFolder
from rendertrust.node.program_update import ProgramUpdate
from rendertrust.protocol import Hello, JobStatus
from tests.integration.node.conftest import Start
from tests.integration.node.gateway import Gateway, ack_of
from tests.support import releases
from tests.support.program_folders import QuickTools, in_use, program_folder
from tests.support.releases import KEY, KEY_TEXT, NEWER
from tests.support.until import until


@attrs.define
class Hours:
    """A clock that stands until the test lets the node ask."""

    slept: list[float] = attrs.field(factory=list[float])
    asks: asyncio.Queue[None] = attrs.field(factory=asyncio.Queue[None])

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self.asks.get()

    async def asked(self, times: int) -> None:
        """Let the node ask once, and wait until it sleeps again."""
        self.asks.put_nowait(None)
        await until(lambda: len(self.slept) > times)


@attrs.frozen
class Automatic:
    folder: ProgramFolder
    tools: QuickTools
    clock: Hours
    updates: AutomaticUpdate
    told: list[str]


@pytest.fixture
def automatic(peer: Gateway, tmp_path: Path) -> Automatic:
    folder, tools, clock = program_folder(tmp_path / "program", "0.1.0"), QuickTools(), Hours()
    told: list[str] = []
    update = ProgramUpdate(folder, tools, told.append)
    updates = AutomaticUpdate(
        update, peer.url, lambda: KEY_TEXT, sleep=clock.sleep, share=lambda: 0.25
    )
    return Automatic(folder, tools, clock, updates, told)


def hand_out(peer: Gateway) -> None:
    peer.downloads, peer.files = releases.handed_out(NEWER, KEY), {NEWER.name: NEWER.body}


async def test_a_node_finishes_its_unit_before_it_changes(
    peer: Gateway, start: Start, gate: asyncio.Event, automatic: Automatic
) -> None:
    peer.answer = ack_of
    async with start(updates=automatic.updates) as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("gated", output=peer.output("j1")))
        await peer.next(JobStatus)
        hand_out(peer)
        automatic.clock.asks.put_nowait(None)
        await automatic.updates.is_ready.wait()
        await until(lambda: any("newer program" in each for each in node.told))
        await peer.send(peer.dispatch("gated", "j2", output=peer.output("j2")))
        returned = await peer.result("j2")
        assert (returned.status, returned.failure) == ("failed", "network"), "it goes elsewhere"
        assert (node.task.done(), in_use(automatic.folder)) == (False, "0.1.0")
        gate.set()
        assert (await peer.result("j1")).status == "completed"
        ended = await node.ended()
    assert (ended.ok, ended.updates) == (True, True)
    assert automatic.updates.prepared is not None
    assert await automatic.updates.update.activate(automatic.updates.prepared) is None
    assert in_use(automatic.folder) == "9.0.0"


async def test_an_idle_node_changes_at_once_and_asks_at_times_of_its_own(
    peer: Gateway, start: Start, automatic: Automatic
) -> None:
    async with start(updates=automatic.updates) as node:
        await peer.next(Hello)
        await automatic.clock.asked(1)
        assert automatic.clock.slept == [ASK_SECONDS * 0.75] * 2
        hand_out(peer)
        automatic.clock.asks.put_nowait(None)
        assert (await node.ended()).updates


async def test_a_node_that_is_refused_says_so_once_and_goes_on(
    peer: Gateway, start: Start, automatic: Automatic
) -> None:
    peer.downloads = releases.handed_out(NEWER)
    async with start(updates=automatic.updates) as node:
        await peer.next(Hello)
        for times in (1, 2, 3):
            await automatic.clock.asked(times)
        [said] = [each for each in automatic.told if "not updated" in each]
        assert "is not signed" in said
        assert not node.task.done()


async def test_a_release_that_failed_its_self_test_is_not_tried_again(
    peer: Gateway, start: Start, automatic: Automatic
) -> None:
    hand_out(peer)
    automatic.folder.note_failure(NEWER.sha256)
    async with start(updates=automatic.updates) as node:
        await peer.next(Hello)
        await automatic.clock.asked(1)
        assert (automatic.tools.installed, node.task.done()) == ([], False)


async def test_a_drain_ends_a_node_that_waits_for_its_unit(
    peer: Gateway, start: Start, gate: asyncio.Event, automatic: Automatic
) -> None:
    """The operator's wish goes first: the node does not start again by itself."""
    peer.answer = ack_of
    hand_out(peer)
    async with start(updates=automatic.updates) as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("gated", output=peer.output("j1")))
        await peer.next(JobStatus)
        automatic.clock.asks.put_nowait(None)
        await automatic.updates.is_ready.wait()
        node.folder.wish_drain()
        await until(lambda: any("draining" in each for each in node.told))
        gate.set()
        ended = await node.ended()
    assert (ended.reason, ended.updates) == ("drained", False)
