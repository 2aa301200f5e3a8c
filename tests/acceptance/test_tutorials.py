"""The shell blocks of the tutorials, run in order in a fresh folder."""

import asyncio
import os
import re
import shlex
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping
from pathlib import Path

import pytest

from rendertrust.client import AsyncClient
from tests.integration.node.scenes import build
from tests.support.agent_process import running_agent
from tests.support.engines import engine_folder
from tests.support.free_ports import free_port
from tests.support.gateway_process import ROOT, Gateway
from tests.support.lent_engines import gateway_with

TUTORIALS = ROOT / "docs/tutorials"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
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
    blocks = BLOCK.findall((TUTORIALS / tutorial).read_text())
    assert blocks
    script = "set -euo pipefail\n" + "\n".join(blocks)
    for text, other in replaced.items():
        script = script.replace(text, other)
    program = folder / "bin" / "rendertrust"
    program.parent.mkdir()
    python = shlex.quote(sys.executable)
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {python} -m rendertrust "$@"\n')
    program.chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        script,
        cwd=folder,
        env={
            "HOME": str(folder),
            "PATH": f"{program.parent}:{os.environ['PATH']}",
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


def end_session(leader: int) -> None:
    """End what the shell left running."""
    try:
        os.killpg(leader, 15)
    except ProcessLookupError:
        return


async def test_a_first_animation(gateway: Gateway, tmp_path: Path) -> None:
    build(tmp_path / "scene.blend")
    async with running_agent(gateway.url, tmp_path / "node"):
        said = await run("first-animation.md", tmp_path, {FARM: gateway.url})
    assert len(list((tmp_path / "frames").glob("*.png"))) == 4, said
    assert (tmp_path / "film.mp4").stat().st_size > 1_000


async def test_a_node_on_a_spare_machine(gateway: Gateway, tmp_path: Path) -> None:
    async with AsyncClient(gateway.url) as client:
        await client.register(OPERATOR, "John", PASSWORD)
    replaced = {FARM: gateway.url, READER: OPERATOR}
    said = await run("spare-machine.md", tmp_path, replaced)
    assert "[Service]" in said


async def test_a_production_farm() -> None:
    with engine_folder() as folder:
        port = str(free_port())
        said = await run("production-farm.md", folder, {"8000": port})
    assert "in order" in said or "clean" in said, said
