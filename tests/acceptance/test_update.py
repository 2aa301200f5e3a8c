"""A node from the gateway's script updates its program: real wheels, pip and environments."""

import asyncio
import os
import signal
import sys
import sysconfig
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer

import rendertrust
from rendertrust.node.program_folder import STARTS_MAX
from rendertrust.node.state_folder import StateFolder
from tests.integration.node.gateway import Gateway
from tests.support import releases
from tests.support.free_ports import free_port
from tests.support.releases import KEY, KEY_TEXT, OTHER, wheel_of
from tests.support.until import until
from web.downloads.join_script import join_script
from web.downloads.wheel import built_wheel

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(900),  # four installations by pip
    pytest.mark.skipif(sys.version_info < (3, 13), reason="the client's lock is for Python 3.13"),
]
WITHIN_SECONDS = 240.0
PYTHON = Path(sys.base_prefix, "bin", f"python{sysconfig.get_python_version()}")
# Runs the command line of a node that asks at once.
IMPATIENT = """
import sys
from rendertrust.node import automatic_update
automatic_update.ASK_SECONDS = 0.1
from rendertrust.__main__ import run
sys.exit(run(sys.argv[1:]))
"""

# Ends a node before it connects, although its program passes the self-test.
MUTE = """

async def _mute(self):
    raise RuntimeError("this release does not connect")


Connection.run = _mute
"""


@attrs.frozen
class Machine:
    """A user's machine with the gateway's program."""

    home: Path
    index: Path

    @property
    def program(self) -> Path:
        return self.home / ".local/share/rendertrust/venv/bin/rendertrust"

    @property
    def state(self) -> StateFolder:
        return StateFolder(self.home / "state")

    async def start(self, *command: str | Path) -> Process:
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "RENDERTRUST_STATE": str(self.state.path),
            "RENDERTRUST_PYTHON": str(PYTHON),
            "RENDERTRUST_BLENDER": "no",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.index),
            "PIP_CONFIG_FILE": os.devnull,
        }
        return await asyncio.create_subprocess_exec(
            *map(str, command),
            env=environment,
            cwd=self.home,
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
        )

    async def run(self, *command: str | Path, told: str = "") -> tuple[int, str]:
        """Run a command; return its exit code and what it printed."""
        process = await self.start(*command)
        async with asyncio.timeout(WITHIN_SECONDS):
            printed, _ = await process.communicate(told.encode())
        assert process.returncode is not None
        return process.returncode, printed.decode()

    async def version(self) -> str:
        code, printed = await self.run(self.program, "--version")
        assert code == 0, printed
        return printed.strip().removeprefix("rendertrust ")


@pytest_asyncio.fixture(loop_scope="session")
async def gateway() -> AsyncIterator[Gateway]:
    double = Gateway()
    double.server = TestServer(double.app(), port=free_port())
    await double.server.start_server()
    try:
        yield double
    finally:
        await double.server.close()


@pytest_asyncio.fixture(loop_scope="session")
async def machine(tmp_path: Path, gateway: Gateway) -> Machine:
    """Return a machine that installed this checkout's version by the script, and joined."""
    (index := tmp_path / "index").mkdir()
    await asyncio.to_thread(releases.download_packages, index)
    (home := tmp_path / "a home").mkdir()
    machine, wheel = Machine(home, index), built_wheel()
    gateway.downloads, gateway.files = releases.handed_out(wheel, KEY), {wheel.name: wheel.body}
    code, printed = await machine.run("sh", "-s", told=join_script(gateway.url, wheel))
    assert code == 0, printed
    code, printed = await machine.run(machine.program, "node", "join", gateway.url, "--unowned")
    assert (code, KEY_TEXT in printed) == (0, True), printed
    return machine


def hand_out(gateway: Gateway, checkout: Path, version: str, *, key: object = KEY) -> None:
    """Let the gateway hand out another version, signed by a key."""
    wheel = wheel_of(checkout, version)
    keys = [each for each in (KEY, OTHER) if each is key]
    gateway.downloads, gateway.files = releases.handed_out(wheel, *keys), {wheel.name: wheel.body}


async def refused(machine: Machine, why: str) -> None:
    """Check that an update is refused, and leaves the program that is there."""
    before = await machine.version()
    code, printed = await machine.run(machine.program, "node", "update")
    assert (code, why in printed) == (1, True), printed
    assert await machine.version() == before


async def killed_at(machine: Machine, step: str) -> None:
    """Start an update, and kill it at a step."""
    process = await machine.start(machine.program, "node", "update")
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN_SECONDS):
        while step not in (line := (await process.stdout.readline()).decode()):
            assert line, "the update ended before"
    process.kill()
    await process.wait()


async def test_a_node_updates_itself_to_signed_releases_only(
    machine: Machine, gateway: Gateway, tmp_path: Path
) -> None:
    (copy := tmp_path / "checkout").mkdir()
    checkout = releases.copied(copy)
    code, printed = await machine.run(machine.program, "node", "update")
    assert (code, "Nothing to do" in printed) == (0, True), printed

    hand_out(gateway, checkout, "9.0.0", key=None)
    await refused(machine, "9.0.0 is not signed")
    hand_out(gateway, checkout, "9.0.0", key=OTHER)
    await refused(machine, "not signed by the release key of this node")
    hand_out(gateway, checkout, "9.0.0")
    [name] = gateway.files
    gateway.files = {name: gateway.files[name][::-1]}
    await refused(machine, "another file than the signed")

    hand_out(gateway, checkout, "9.0.0")
    code, printed = await machine.run(machine.program, "node", "update", "--check")
    assert (code, "9.0.0 is available" in printed) == (0, True), printed
    assert await machine.version() == rendertrust.__version__
    code, printed = await machine.run(machine.program, "node", "update")
    assert (code, "to version 9.0.0" in printed) == (0, True), printed
    assert await machine.version() == "9.0.0"

    agent = checkout / "rendertrust/node/agent.py"
    whole = agent.read_text()
    agent.write_text("raise RuntimeError('this release is broken')\n")
    hand_out(gateway, checkout, "9.1.0")
    await refused(machine, "9.1.0 failed its self-test: RuntimeError: this release is broken")
    script = join_script(gateway.url, wheel_of(checkout, "9.1.0"))
    code, printed = await machine.run("sh", "-s", told=script)
    assert (code, "failed its self-test: RuntimeError: this" in printed) == (1, True), printed
    assert "The program that was here stays in use" in printed
    assert await machine.version() == "9.0.0"
    agent.write_text(whole)

    hand_out(gateway, checkout, "9.2.0")
    await killed_at(machine, "installing version 9.2.0")
    assert await machine.version() == "9.0.0"
    await updates_itself(machine, gateway, "9.2.0")

    with (checkout / "rendertrust/node/connection.py").open("a") as module:
        module.write(MUTE)
    hand_out(gateway, checkout, "9.3.0")
    await goes_back(machine, gateway, "9.3.0", "9.2.0")
    hand_out(gateway, checkout, "9.1.9")
    code, printed = await machine.run(machine.program, "node", "update")
    assert (code, "never goes back" in printed) == (0, True), printed
    script = join_script(gateway.url, wheel_of(checkout, "9.1.9"))
    code, printed = await machine.run("sh", "-s", told=script)
    assert (code, "this farm has the older" in printed) == (1, True), printed


async def updates_itself(machine: Machine, gateway: Gateway, version: str) -> None:
    """Run a node with --update until it works with a newer version, in the same process."""
    node = await machine.start(*impatient(machine))
    await works(machine, gateway, node, version)


async def goes_back(machine: Machine, gateway: Gateway, version: str, before: str) -> None:
    """Run a node that updates itself to a version that never connects, until it goes back."""
    code, printed = await machine.run(*impatient(machine))
    assert (code, await machine.version()) == (1, version), printed
    run = (machine.program, "node", "run", "--update", "--health-port=-1")
    for _ in range(STARTS_MAX - 1):
        code, printed = await machine.run(*run)
        assert (code, await machine.version()) == (1, version), printed
    gateway.beats.clear()
    await works(machine, gateway, await machine.start(*run), before)


def impatient(machine: Machine) -> tuple[str | Path, ...]:
    """Return the command of a node that asks at once for a newer program."""
    python = machine.program.parent.resolve() / "python"
    return (python, "-c", IMPATIENT, "node", "run", "--update", "--health-port=-1")


async def works(machine: Machine, gateway: Gateway, node: Process, version: str) -> None:
    """Wait until a node works with a version, in the process that was started; then stop it."""

    def beats() -> bool:
        return any(beat["metadata"].get("version") == version for beat in gateway.beats)

    try:
        await until(beats, within=WITHIN_SECONDS)
        assert machine.state.told()["pid"] == node.pid
        assert await machine.version() == version
    finally:
        node.send_signal(signal.SIGTERM)
        printed, _ = await node.communicate()
    assert node.returncode == 0, printed.decode()
