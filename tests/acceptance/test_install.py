"""A machine with nothing but Python, on another host: it installs from the gateway, and joins."""

import asyncio
import os
import subprocess
import sys
import sysconfig
import tempfile
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

import rendertrust
from tests.support.api_clients import PASSWORD, Creator
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.network_namespace import Host, another_host
from tests.support.releases import download_packages

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(sys.version_info < (3, 13), reason="the client's lock is for Python 3.13"),
]
SETTINGS = {
    "RENDERTRUST_SERVER_HOST": "0.0.0.0",
    "RENDERTRUST_SERVER_INSECURE_DEVELOPMENT": "true",
}
NOBODY = 65_534
WITHIN_SECONDS = 240.0
NAME = f"python{sysconfig.get_python_version()}"
PYTHONS = (Path(sys.base_prefix, "bin", NAME), Path("/usr/bin", NAME))
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", "--clear-groups")
CALL = """
from rendertrust import Client

with Client({!r}) as client:
    client.login({!r}, {!r})
    print(client.downloads().version)
"""
gateway = gateway_with(SETTINGS)


def user_and_python() -> tuple[tuple[str, ...], Path]:
    """Return how to run a command as an ordinary user, and a Python that this user can read.

    The tests may run as root, with a Python in root's folder.
    """
    if os.geteuid() == 0:
        for python in PYTHONS:
            command = [*AS_NOBODY, str(python), "-c", "import venv, ensurepip"]
            if subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0:
                return AS_NOBODY, python
    return (), PYTHONS[0]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Return a folder that ordinary users can read, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def index(place: Path) -> Path:
    """Return a folder with the packages that the wheel needs: the machine's own package index."""
    folder = place / "index"
    folder.mkdir()
    download_packages(folder)
    return folder


@attrs.frozen
class Machine:
    """A machine without the program. ``user``: the command that makes its user ordinary."""

    host: Host
    home: Path
    index: Path
    user: tuple[str, ...]
    python: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.index),
            "PIP_CONFIG_FILE": os.devnull,
            "RENDERTRUST_PYTHON": str(self.python),
            "RENDERTRUST_BLENDER": "no",
        }

    async def run(self, line: str) -> tuple[int, str]:
        """Run a line in the user's shell; return its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *self.host.command(*self.user, "sh", "-c", line),
            env=self.environment,
            cwd=self.home,
            stdout=PIPE,
            stderr=STDOUT,
        )
        async with asyncio.timeout(WITHIN_SECONDS):
            printed, _ = await process.communicate()
        code = process.returncode
        assert code is not None
        return code, printed.decode()


@pytest.fixture
def machine(place: Path, index: Path) -> Iterator[Machine]:
    user, python = user_and_python()
    home = Path(tempfile.mkdtemp(prefix="a home ", dir=place))
    if user:
        os.chown(home, NOBODY, -1)
    with another_host() as host:
        yield Machine(host, home, index, user, python)


async def line_for(creator: Creator, address: str) -> str:
    """Return the line of the page Add a machine, as somebody at this address sees it."""
    status, made = await creator.call("POST", "/nodes/join-codes")
    assert status == 201, made
    assert made["code"] not in made["install_command"].partition("|")[0], "never in a URL"
    return str(made["install_command"]).replace(creator.url, address)


async def test_a_fresh_machine_joins_by_one_line_and_again(
    gateway: Gateway, creator: Creator, machine: Machine
) -> None:
    address = f"http://{machine.host.here}:{gateway.port}"
    program = machine.home / ".local/share/rendertrust/venv/bin/rendertrust"
    code, printed = await machine.run(f"{await line_for(creator, address)} --name fresh")
    assert (code, "Joined" in printed) == (0, True), printed
    assert f"Joined {address} as fresh; the node is yours." in printed
    code, printed = await machine.run('"$HOME/.local/bin/rendertrust" --version')
    assert (code, printed.strip()) == (0, f"rendertrust {rendertrust.__version__}")
    assert program.exists()
    code, printed = await machine.run(await line_for(creator, address))
    assert (code, "as fresh; the node is yours" in printed) == (0, True), printed
    assert "Collecting" not in printed, "the second time installs nothing"
    status, found = await creator.call("GET", "/nodes")
    assert (status, [node["name"] for node in found["nodes"]]) == (200, ["fresh"])
    (program.parent.parent.parent / "installed").write_text("another wheel of this version")
    code, printed = await machine.run(f"curl -fsSL {address}/join.sh | sh")
    assert (code, f"testing version {rendertrust.__version__}" in printed) == (0, True), printed
    assert "restart it" in printed
    code, printed = await machine.run(f"curl -fsSL {address}/join.sh | sh")
    assert (code, "Collecting" in printed) == (0, False), printed


async def test_a_wheel_with_another_hash_is_refused(gateway: Gateway, machine: Machine) -> None:
    address = f"http://{machine.host.here}:{gateway.port}"
    other = "s/^sha256=....../sha256=000000/"
    code, printed = await machine.run(f"curl -fsSL {address}/join.sh | sed {other} | sh")
    assert (code, "DO NOT MATCH THE HASHES" in printed) == (1, True), printed
    assert "get this script again" in printed
    venv = machine.home / ".local/share/rendertrust/venv"
    assert not list(venv.glob("lib/*/site-packages/rendertrust*"))


async def test_the_line_of_the_page_installs_the_wheel_into_a_fresh_environment(
    gateway: Gateway, creator: Creator, machine: Machine
) -> None:
    address = f"http://{machine.host.here}:{gateway.port}"
    _, found = await creator.call("GET", "/downloads")
    line = found["install"].replace(found["join_script"].removesuffix("/join.sh"), address)
    code, printed = await machine.run(f'"{machine.python}" -m venv own && own/bin/{line}')
    assert code == 0, printed
    (machine.home / "ask.py").write_text(CALL.format(address, creator.email, PASSWORD))
    code, printed = await machine.run("own/bin/python ask.py")
    assert (code, printed.strip()) == (0, rendertrust.__version__), printed
    # This index has neither Blender nor rendertrust: pip looks only for Blender.
    code, printed = await machine.run("own/bin/pip install 'rendertrust[render]'")
    assert (code, "No matching distribution found for bpy" in printed) == (1, True), printed
