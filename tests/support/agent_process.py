"""Node agents as processes that tests kill: ``rendertrust node join`` and ``... node run``."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.support import programs
from tests.support.gateway_process import alive_in
from tests.support.programs import ROOT, Program
from tests.support.until import until

BLENDERLESS = (
    "import runpy, sys; sys.modules['bpy'] = None;"
    " runpy.run_module('rendertrust', run_name='__main__', alter_sys=True)"
)
JOIN_SECONDS, CONNECT_SECONDS = 240.0, 120.0
STOP_SECONDS = 20.0
Place = Callable[..., Sequence[str]]
# An agent at a lower priority would get no processor time for minutes while other tests run.
BESIDE: Sequence[str] = ("--nice", "0")


class Agent:
    """A node agent as a process that a test starts, stops and kills.

    ``place`` turns a command into a command that runs on the node's host. ``environment`` is added
    to the test's own variables. An API key in it makes its user the node's owner; without a key the
    node has no owner. ``blender=False`` hides Blender from the agent, which saves most of the time
    that joining and starting take.
    """

    def __init__(
        self,
        state: Path,
        place: Place,
        environment: Mapping[str, str] | None = None,
        *,
        blender: bool = True,
    ) -> None:
        self._blender = blender
        self.state = state
        self.environment = {**os.environ, **(environment or {})}
        self.more: Sequence[str] = ()  # further arguments of `run`
        self.id = ""
        self._place = place
        self._process: Process | Program | None = None

    async def _spawn(self, *words: str, stdout: int | IO[bytes]) -> Process | Program:
        """Start ``rendertrust node …``: forked on this host, executed on another host."""
        words = ("rendertrust", "--json", "node", *words, "--state", str(self.state))
        if self._place is on_this_host:
            out = stdout if isinstance(stdout, int) else stdout.fileno()
            return await programs.start(
                *words,
                env=self.environment,
                without=() if self._blender else ("bpy",),
                stdout=out,
                stderr=STDOUT,
            )
        start = ("-m", words[0]) if self._blender else ("-c", BLENDERLESS)
        return await asyncio.create_subprocess_exec(
            *self._place(sys.executable, *start, *words[1:]),
            cwd=ROOT,
            env=self.environment,
            stdin=DEVNULL,
            stdout=stdout,
            stderr=STDOUT,
            start_new_session=True,
        )

    async def join(self, url: str) -> None:
        """Run ``rendertrust node join``, which tries the renderer and registers the node."""
        owned = () if "RENDERTRUST_API_KEY" in self.environment else ("--unowned",)
        process = await self._spawn("join", url, *owned, "--name", self.state.name, stdout=PIPE)
        async with asyncio.timeout(JOIN_SECONDS):
            said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        joined = json.loads(said[said.index(b"{") :].splitlines()[0])
        assert ("render" in joined["capabilities"]) == self._blender, joined
        self.id = joined["node_id"]

    async def start(self) -> None:
        """Start ``rendertrust node run`` and wait until the node is connected."""
        with self.log.open("ab") as log:
            words = ("run", "--health-port", "-1", "--threads", "1", *BESIDE, *self.more)
            self._process = await self._spawn(*words, stdout=log)
        await until(lambda: "connected to" in self.log.read_text(), within=CONNECT_SECONDS)

    @property
    def log(self) -> Path:
        return self.state.with_suffix(".log")

    def leftovers(self) -> list[int]:
        """Return the ids of all processes, also the agent's, whose command names its folder."""
        return alive_in(self.state)

    async def kill(self) -> None:
        """Send SIGKILL to the agent's process only."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.send_signal(number)
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()


def on_this_host(*words: str) -> Sequence[str]:
    """Return the command unchanged: it runs on this host."""
    return words


@contextlib.asynccontextmanager
async def running_agent(
    url: str, state: Path, place: Place = on_this_host, *, blender: bool = True
) -> AsyncGenerator[Agent]:
    """Yield a node agent that has joined and is connected; stop it at the end."""
    async with enrolled_agent(url, state, place, blender=blender) as agent:
        await agent.start()
        yield agent


@contextlib.asynccontextmanager
async def enrolled_agent(
    url: str,
    state: Path,
    place: Place = on_this_host,
    environment: Mapping[str, str] | None = None,
    *,
    blender: bool = True,
) -> AsyncGenerator[Agent]:
    """Yield a node agent that has joined; at the end stop it and kill its remaining processes."""
    agent = Agent(state, place, environment, blender=blender)
    await agent.join(url)
    try:
        yield agent
    finally:
        await agent.stop()
        for pid in agent.leftovers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
