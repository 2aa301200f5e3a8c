"""Tests of the agent as a separate process: signals, and what it leaves behind when killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from rendertrust.node.state_folder import Enrolment, StateFolder
from rendertrust.protocol import Hello, JobStatus
from tests.integration.node.gateway import Gateway
from tests.integration.node.processes import descendants, is_alive
from tests.integration.node.scenes import SLOW, build
from tests.support.until import until

LONG = {"rows": 10_000}
SPINS = "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass"
PROGRAM = """
import asyncio, sys
from pathlib import Path
from rendertrust.node import agent
from rendertrust.node.agent_settings import AgentSettings
ended = asyncio.run(agent.run(Path(sys.argv[1]), settings=AgentSettings(health_port=None)))
print(ended.reason)
sys.exit(0 if ended.ok else 1)
"""


@asynccontextmanager
async def process(peer: Gateway, state: Path) -> AsyncGenerator[asyncio.subprocess.Process]:
    StateFolder(state).enrol(
        Enrolment(url=peer.url, node_id="n1", name="test", token="first-token")
    )
    command = (sys.executable, "-c", PROGRAM, str(state))
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def test_sigterm_gives_the_unit_back_and_ends_in_seconds(
    peer: Gateway, tmp_path: Path
) -> None:
    async with process(peer, tmp_path / "state") as child:
        await peer.next(Hello)
        await peer.send(peer.dispatch("cpu_benchmark", params=LONG))
        await peer.next(JobStatus)
        child.send_signal(signal.SIGTERM)
        result = await peer.result("j1")
        assert (result.status, result.failure) == ("failed", "network")
        async with asyncio.timeout(120):
            out, _ = await child.communicate()
        assert (child.returncode, out) == (0, b"stopped\n")


async def test_result_of_a_killed_process_is_sent_by_the_next(
    peer: Gateway, tmp_path: Path
) -> None:
    async with process(peer, tmp_path / "state") as child:
        await peer.next(Hello)
        await peer.send(peer.dispatch("echo", output=peer.output("o1")))
        first = await peer.result("j1")
        child.kill()
        await child.wait()
    async with process(peer, tmp_path / "state"):
        assert len((await peer.next(Hello)).running) == 1
        assert await peer.result("j1") == first


@pytest.mark.heavy
@pytest.mark.render
async def test_blender_dies_with_a_killed_agent(peer: Gateway, tmp_path: Path) -> None:
    slow = build(tmp_path / "slow.blend", SLOW).read_bytes()
    async with process(peer, tmp_path / "state") as child:
        await peer.next(Hello)
        await peer.send(peer.dispatch("render", inputs=(peer.input("slow.blend", slow),)))
        await until(lambda: any(isinstance(f, JobStatus) and f.progress for f in peer.frames))
        workers = descendants(child.pid)
        assert len(workers) >= 2
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: not any(is_alive(pid) for pid in workers))


@pytest.mark.nightly
async def test_a_busy_machine_starves_no_lease(peer: Gateway, tmp_path: Path) -> None:
    """Other programs keep all processors busy at the same priority as the agent's."""
    hogs: list[asyncio.subprocess.Process] = []
    async with process(peer, tmp_path / "state") as child:
        await peer.next(Hello)
        try:
            while len(hogs) < 2 * (os.cpu_count() or 1):
                hogs += [await asyncio.create_subprocess_exec(sys.executable, "-c", SPINS)]
            lease = attrs.evolve(peer.dispatch("cpu_benchmark", params=LONG), lease_seconds=40)
            await peer.send(lease)
            for _ in range(8):
                await peer.next(JobStatus)
        finally:
            for hog in hogs:
                hog.kill()
                await hog.wait()
        assert child.returncode is None
