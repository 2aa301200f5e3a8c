"""Settings of a machine's owner: when the node works, for whom, and when it ends."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import attrs
import pytest

from rendertrust.node import agent, idle_detector, machine_facts
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.idle_detector import CpuTimes
from rendertrust.node.plugins import PluginOffer
from rendertrust.node.sandbox import NoSandbox
from rendertrust.node.state_folder import StateFolder
from rendertrust.node.working_hours import WorkingHours
from rendertrust.protocol import Hello, JobStatus
from tests.integration.node.conftest import QUICK, Start
from tests.integration.node.gateway import Gateway, ack_of
from tests.support.until import until

SHORT, LONG = {"rows": 300}, {"rows": 10_000}
WATCHFUL = attrs.evolve(QUICK, nice=1, look_seconds=0.1, idle_looks=1, idle_only=True)


@attrs.define
class OtherPrograms:
    """Processor times, as the kernel reports them, of other programs on this machine."""

    busy: bool = False
    others: int = 0
    total: int = 0

    def read(self) -> CpuTimes:
        self.others, self.total = self.others + 90 * self.busy, self.total + 100
        return CpuTimes(self.others, self.total)


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> OtherPrograms:
    found = OtherPrograms()
    monkeypatch.setattr(idle_detector.IdleDetector, "look", _looking(found))
    return found


def _looking(found: OtherPrograms) -> object:
    look = idle_detector.IdleDetector.look

    def looked(self: idle_detector.IdleDetector) -> bool:
        self.read = found.read
        return look(self)

    return looked


async def test_a_busy_machine_finishes_what_runs_hangs_up_and_comes_back(
    peer: Gateway, start: Start, others: OtherPrograms, gate: asyncio.Event
) -> None:
    peer.answer = ack_of
    async with start(WATCHFUL) as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("gated"))
        await peer.next(JobStatus)
        others.busy = True
        await until(lambda: node.folder.told().get("status") == "resting")
        await peer.send(peer.dispatch("echo", "j2"))
        refused = await peer.result("j2")
        assert (refused.status, refused.failure) == ("failed", "network")
        assert not peer.sockets[-1].closed
        gate.set()
        assert (await peer.result("j1")).status == "completed"
        await until(lambda: peer.sockets[-1].closed)
        beats = len(peer.beats)
        seen = agent.status(node.folder.path)
        assert isinstance(seen, agent.Status)
        assert seen.resting == "other users or programs are using this machine"
        others.busy = False
        await peer.next(Hello)
        await until(lambda: len(peer.beats) > beats)


async def test_a_node_does_not_connect_outside_of_its_hours(peer: Gateway, start: Start) -> None:
    now = datetime.now().astimezone()
    far = now + timedelta(hours=11)
    hours = WorkingHours(far.hour * 60, (far + timedelta(hours=1)).hour * 60)
    async with start(attrs.evolve(QUICK, hours=hours, look_seconds=0.1)) as node:
        await until(lambda: node.folder.told().get("status") == "resting")
        assert "only" in node.folder.told()["why"]
        assert any(line.startswith("resting: the node works only from") for line in node.told)
        assert peer.connects == 0
        node.stop.set()
        assert (await node.ended()).ok


async def test_drained_by_its_owner_it_finishes_gives_back_and_ends(
    peer: Gateway, start: Start, gate: asyncio.Event
) -> None:
    peer.answer = ack_of
    async with start() as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("gated"))
        await peer.next(JobStatus)
        await peer.send(peer.dispatch("echo", "j2"))
        await until(lambda: len(node.folder.told().get("units", [])) == 2)
        node.folder.wish_drain()
        assert (await peer.result("j2")).status == "failed"
        gate.set()
        assert (await peer.result("j1")).status == "completed"
        assert await node.ended(60) == agent.AgentExit(reason="drained", ok=True)
    async with start():
        await peer.next(Hello)  # the wish to drain is used up and does not end the next agent


async def test_stopped_it_finishes_what_runs_where_it_may(
    peer: Gateway, start: Start, gate: asyncio.Event
) -> None:
    peer.answer = ack_of
    async with start(attrs.evolve(QUICK, finish_seconds=120)) as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("gated"))
        await peer.next(JobStatus)
        node.stop.set()
        await until(lambda: any("a second signal" in line for line in node.told))
        gate.set()
        assert (await peer.result("j1")).status == "completed"
        assert await node.ended(60) == agent.AgentExit(reason="stopped", ok=True)


async def test_a_second_signal_gives_back_at_once(peer: Gateway, start: Start) -> None:
    peer.answer = ack_of
    async with start(attrs.evolve(QUICK, finish_seconds=3600)) as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("cpu_benchmark", params=LONG))
        await peer.next(JobStatus)
        node.stop.set()
        await until(lambda: any("a second signal" in line for line in node.told))
        await until(lambda: not node.stop.is_set())
        node.stop.set()
        assert (await peer.result("j1")).status == "failed"
        assert (await node.ended(60)).reason == "stopped"


async def test_a_node_without_a_sandbox_serves_its_owner_and_whom_he_trusts(
    peer: Gateway, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PluginOffer, "has_sandbox", False)
    async with start() as node:
        assert (await peer.next(Hello)).pools == ("mine", "trusted")
        for job, pool in (("j1", "any"), ("j2", None), ("j3", "trusted"), ("j4", "mine")):
            await peer.send(peer.dispatch("echo", job, pool=pool))
        answers = {job: await peer.result(job) for job in ("j1", "j2", "j3", "j4")}
        assert [answers[job].status for job in answers] == ["failed"] * 2 + ["completed"] * 2
        assert answers["j1"].failure == "network"
        assert node.folder.told()["serves"] == ["mine", "trusted"]


def test_what_an_owner_accepted_is_kept_in_his_words_alone(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    assert not folder.accepts_no_sandbox
    folder.accept_no_sandbox("yes")
    assert not folder.accepts_no_sandbox
    folder.accept_no_sandbox("I trust every scene that this node renders")
    assert folder.accepts_no_sandbox
    assert isinstance(NoSandbox(), NoSandbox)


def test_caps_are_shared_by_the_slots() -> None:
    settings = AgentSettings(slots=2, cores=1, ram_bytes=8 << 30)
    assert settings.threads_each == 1
    assert settings.memory_each == 4 << 30
    assert AgentSettings(slots=1, cores=10_000).cores_given == machine_facts.cores()
    assert AgentSettings().memory_each is None


async def test_hello_tells_the_caps(peer: Gateway, start: Start) -> None:
    async with start(attrs.evolve(QUICK, cores=1, ram_bytes=2 << 30)):
        hello = await peer.next(Hello)
    assert (hello.cores, hello.ram) == (1, 2 << 30)
