"""The shell blocks of the tutorials, run in order in a fresh folder."""

import asyncio
import os
import re
import shlex
import sys
import sysconfig
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping
from pathlib import Path

import pytest

import rendertrust
from rendertrust.client import AsyncClient
from rendertrust.preflight.findings import OPENGL_PACKAGES
from tests.integration.node.scenes import build
from tests.support.agent_process import running_agent
from tests.support.engines import engine_folder
from tests.support.free_ports import free_port
from tests.support.gateway_process import ROOT, Gateway
from tests.support.lent_engines import gateway_with

TUTORIALS = ROOT / "docs/tutorials"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"^\n {4}\S", re.MULTILINE)
APT_LOG = "apt-get.log"
FARM = "https://farm.example"  # the reader's farm, in the tutorials
READER, OPERATOR = "jane@example.org", "john@example.org"
PASSWORD = "correct horse battery"
SECONDS = 500.0

pytestmark = [pytest.mark.heavy, pytest.mark.render, pytest.mark.timeout(580)]
gateway = gateway_with()


async def run(tutorial: str, folder: Path, replaced: Mapping[str, str]) -> str:
    """Run all shell blocks of a tutorial in one shell, and return what they print.

    ``replaced`` are addresses and ports of the tutorial that differ in a test. The first command
    that fails ends the shell; processes that it started end with it.
    """
    text = (TUTORIALS / tutorial).read_text()
    blocks = BLOCK.findall(text)
    assert blocks
    assert not INDENTED.search(text), "a block that is not run"
    script = "set -euo pipefail\n" + "\n".join(blocks)
    for text, other in replaced.items():
        script = script.replace(text, other)
    programs = stand_ins(folder / "bin")
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        script,
        cwd=folder,
        env={
            "HOME": str(folder),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "RENDERTRUST_PASSWORD": PASSWORD,
        },
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(SECONDS):
            said, _ = await process.communicate()
    finally:
        end_session(process.pid)
    assert process.returncode == 0, said.decode()
    return said.decode()


def stand_ins(folder: Path) -> Path:
    """Write programs that act for those of the reader's machine, and return their folder.

    Packages of the system are there already. A new environment of Python finds the packages of
    this one, as if pip had got them from the package index; only ``rendertrust`` is installed.
    """
    folder.mkdir()
    python, packages = shlex.quote(sys.executable), shlex.quote(sysconfig.get_path("purelib"))
    path = f"lib/python{sysconfig.get_python_version()}/site-packages/here.pth"
    lines = {
        "sudo": 'exec "$@"',
        "apt-get": f'echo "$@" >> {shlex.quote(str(folder / APT_LOG))}',
        "python3": f'{python} "$@" || exit\n[ "${{2-}}" != venv ] || echo {packages} > "$3/{path}"',
    }
    lines["python3.13"] = lines["python3"]
    for name, line in lines.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return folder


def addresses(gateway: Gateway) -> dict[str, str]:
    """Return what replaces the addresses of the farm and of its package in a tutorial."""
    wheel = f"rendertrust-{rendertrust.__version__}-py3-none-any.whl"
    return {f"{FARM}/download/…": f"{gateway.url}/download/{wheel}", FARM: gateway.url}


def end_session(leader: int) -> None:
    """End what the shell left running."""
    try:
        os.killpg(leader, 15)
    except ProcessLookupError:
        return


async def test_a_first_animation(gateway: Gateway, tmp_path: Path) -> None:
    build(tmp_path / "scene.blend")
    async with running_agent(gateway.url, tmp_path / "node"):
        said = await run("first-animation.md", tmp_path, addresses(gateway))
    assert len(list((tmp_path / "frames").glob("*.png"))) == 4, said
    assert (tmp_path / "film.mp4").stat().st_size > 1_000


async def test_a_node_on_a_spare_machine(gateway: Gateway, tmp_path: Path) -> None:
    async with AsyncClient(gateway.url) as client:
        await client.register(OPERATOR, "John", PASSWORD)
    replaced = {**addresses(gateway), READER: OPERATOR}
    said = await run("spare-machine.md", tmp_path, replaced)
    assert "[Service]" in said
    installed = (tmp_path / "bin" / APT_LOG).read_text().split()
    assert set(installed) == {"install", "bubblewrap", *OPENGL_PACKAGES}


async def test_a_production_farm() -> None:
    with engine_folder() as folder:
        port = str(free_port())
        replaced = {
            "git clone URL": f"git clone -q {ROOT}",
            "/opt/rendertrust": str(folder / "opt"),
            "/usr/local/bin/": str(folder / "bin"),
            "8000": port,
        }
        said = await run("production-farm.md", folder, replaced)
    assert "in order" in said or "clean" in said, said
