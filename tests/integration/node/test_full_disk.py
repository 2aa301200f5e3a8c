"""Nodes with a full disk: the operator is told, one unit fails, and the node pauses."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from rendertrust.node import blender, doctor
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.state_folder import StateFolder
from rendertrust.protocol import Hello, JobResult, JobStatus
from tests.integration.node.conftest import QUICK, Start
from tests.integration.node.gateway import Gateway
from tests.integration.node.test_manifests import UrlSource, listed, run_echo
from tests.support.until import until

MIB = 1 << 20
SMALL: AgentSettings = attrs.evolve(QUICK, disk_bytes_least=2 * MIB, look_seconds=0.05)
# This node looks at its disk rarely: it would pause if it looked while a unit fills the disk.
CALM = attrs.evolve(SMALL, look_seconds=600.0)
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a disk")


@pytest.fixture(autouse=True)
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 8 MiB as the state folder."""
    place = tmp_path / "state"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "none", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path, *, but: int = 0) -> Path:
    """Fill the disk except for ``but`` bytes with a file, and return the file."""
    ballast = place / "ballast"
    facts = os.statvfs(place)
    with ballast.open("wb", buffering=0) as file:
        left = facts.f_bavail * facts.f_frsize - but
        while left > 0:
            try:
                left -= file.write(b"x" * min(left, MIB))
            except OSError:
                break
    return ballast


def is_full(result: JobResult) -> bool:
    said = (result.status, result.failure, result.given_back)
    return said == ("failed", "node", None) and "disk is full" in (result.error or "")


async def test_an_input_that_has_no_room_fails_its_unit_alone(peer: Gateway, start: Start) -> None:
    async with start(CALM):
        await peer.next(Hello)
        large = peer.input("in.blend", os.urandom(9 * MIB))
        await peer.send(peer.dispatch("echo", inputs=(large,)))
        assert is_full(await peer.result("j1"))
        await peer.send(peer.dispatch("echo", "j2"))
        assert (await peer.result("j2")).status == "completed"


async def test_files_of_a_manifest_that_have_no_room_fail_their_unit_alone(
    peer: Gateway, start: Start
) -> None:
    files = {f"textures/{number}.exr": os.urandom(5 * MIB) for number in range(2)}
    peer.answer = UrlSource(peer, files)
    async with start(CALM):
        await peer.next(Hello)
        assert is_full(await run_echo(peer, listed(files).written("key")))
        await peer.send(peer.dispatch("echo", "j2"))
        assert (await peer.result("j2")).status == "completed"


async def test_where_not_even_a_row_can_be_kept_the_gateway_is_told(
    peer: Gateway, start: Start, gate: asyncio.Event, disk: Path
) -> None:
    async with start(CALM) as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("gated", output=peer.output("o1")))
        await peer.next(JobStatus)
        fill(disk)
        gate.set()
        assert is_full(await peer.result("j1"))
        assert any("spool cannot be written" in line for line in node.told)


async def test_it_rests_until_there_is_room_and_says_so(
    peer: Gateway, start: Start, disk: Path
) -> None:
    async with start(SMALL) as node:
        await peer.next(Hello)
        ballast = fill(disk, but=MIB)
        await until(lambda: any(line.startswith("resting") for line in node.told))
        told = next(line for line in node.told if line.startswith("resting"))
        assert "disk is nearly full" in told
        await until(lambda: peer.sockets[-1].closed)
        assert "disk is nearly full" in str(peer.beats[-1]["metadata"]["resting"])
        ballast.unlink()
        await peer.next(Hello)
        await until(lambda: "working again" in node.told)
        await peer.send(peer.dispatch("echo"))
        assert (await peer.result("j1")).status == "completed"
        await until(lambda: peer.beats[-1]["metadata"]["resting"] is None)


async def test_what_is_cached_gives_way_to_work(peer: Gateway, start: Start, disk: Path) -> None:
    async with start(SMALL) as node:
        await peer.next(Hello)
        large = peer.input("in.blend", os.urandom(4 * MIB))
        await peer.send(peer.dispatch("echo", inputs=(large,)))
        assert (await peer.result("j1")).status == "completed"
        fill(disk, but=MIB)
        await until(lambda: not list(node.folder.cache.glob("??/*")))
        await peer.send(peer.dispatch("echo", "j2"))
        assert (await peer.result("j2")).status == "completed"
        assert not any(line.startswith("resting") for line in node.told)


async def test_a_node_that_is_started_on_a_full_disk_waits_for_room(
    peer: Gateway, start: Start, disk: Path
) -> None:
    async with start(SMALL):
        await peer.next(Hello)
    ballast = fill(disk)
    async with start(SMALL) as node:
        await until(lambda: any("waiting: this machine's disk" in line for line in node.told))
        ballast.unlink()
        await peer.next(Hello)


@pytest.mark.render
async def test_without_room_blender_is_not_called_broken(disk: Path) -> None:
    found = await blender.find(disk / "work")
    assert isinstance(found, blender.NoBlender)
    assert found.reason == "this machine's disk is nearly full"
    told = doctor.disk(StateFolder(disk))
    assert (told.state, "free disk space" in told.remedy) == (doctor.BAD, True)
