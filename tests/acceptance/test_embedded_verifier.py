"""The embedded verifier of a gateway: it verifies, sees none of the gateway's secrets, and ends
with it.
"""

import os
import signal
from pathlib import Path

import pytest

from tests.integration.node.scenes import build
from tests.support.agent_process import enrolled_agent
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway, alive_in, descendants, none_alive_in
from tests.support.lent_engines import gateway_with
from tests.support.until import until

pytestmark = [pytest.mark.render, pytest.mark.heavy]
TINY = {"width": 32, "height": 32, "samples": 4}
PROGRAM = b"rendertrust.node.embedded_verifier"


gateway = gateway_with(
    {
        "RENDERTRUST_VERIFICATION_ENABLED": "true",
        "RENDERTRUST_VERIFICATION_RENDERERS_GIB": "2",
    }
)


def verifier(gateway: Gateway) -> int | None:
    """Return the process id of the embedded verifier, not of its tether or sandbox."""
    assert gateway.process is not None
    for pid in descendants(gateway.process.pid):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[1:4] == [b"-I", b"-m", PROGRAM]:
            return pid
    return None


def connections(gateway: Gateway) -> int:
    """Return how often the verifier has connected."""
    log = gateway.data / "verifier" / "log"
    return log.read_text().count("connected to") if log.exists() else 0


async def test_it_verifies_what_a_node_renders(
    gateway: Gateway, creator: Creator, tmp_path: Path
) -> None:
    scene = build(tmp_path / "scene.blend")
    async with enrolled_agent(gateway.url, tmp_path / "node") as node:
        await node.start()
        payload = await creator.upload(scene.read_bytes())
        status, placed = await creator.dispatch("render", payload_ref=payload, params=TINY)
        assert status == 200, placed
        job = str(placed["job_id"])
        found = await creator.job_within(job, "COMPLETED", within=240)
    assert found["charged"] == "10.0000"
    _, receipt = await creator.call("GET", f"/jobs/{job}/receipt")
    assert receipt["receipt"]["verdict"] == "exact"
    _, units = await creator.call("GET", f"/jobs/{job}/units")
    assert [unit["node_id"] for unit in units["units"]] == [node.id]


@pytest.mark.nightly
async def test_it_installs_the_version_that_rendered_a_result(
    gateway: Gateway, creator: Creator, tmp_path: Path
) -> None:
    """Both the node and the verifier install Blender 5.1 beside their own version."""
    packed = build(tmp_path / "scene.blend").read_bytes()
    zstandard = pytest.importorskip("zstandard", reason="comes with Blender")
    reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
    older: bytes = reader.read().replace(b"v0502", b"v0501", 1)  # as if 5.1 had saved it
    async with enrolled_agent(gateway.url, tmp_path / "node") as node:
        node.more = ("--renderers", "2G")
        await node.start()
        payload = await creator.upload(older)

        async def submitted() -> str | None:  # once the node has the list of versions
            status, placed = await creator.dispatch("render", payload_ref=payload, params=TINY)
            return str(placed["job_id"]) if status == 200 else None

        job = str(await until(submitted, within=150))
        await creator.job_within(job, "COMPLETED", within=900)
    _, receipt = await creator.call("GET", f"/jobs/{job}/receipt")
    assert receipt["receipt"]["verdict"] == "exact"
    assert "5.1" in str(receipt["receipt"]), receipt
    log = (gateway.data / "verifier" / "log").read_text()
    assert "Blender 5.1.2 is installed" in log
    assert "started in Blender 5.1" in log


async def test_it_sees_nothing_of_what_the_gateway_keeps(gateway: Gateway) -> None:
    await until(lambda: connections(gateway) > 0)
    root = Path(f"/proc/{verifier(gateway)}/root")
    data = Path(f"{root}{gateway.data}")
    assert {path.name for path in data.iterdir()} == {"verifier"}
    assert {path.name for path in (data / "verifier").iterdir()} == {"given", "state"}
    assert not os.access(f"{root}{gateway.log}", os.F_OK)
    assert not {"root", "home", "run", "var"} & {path.name for path in root.iterdir()}
    # The verifier sees no other process either, as a process's environment might hold secrets.
    others = [path for path in (root / "proc").iterdir() if path.name.isdigit()]
    words = [(path / "cmdline").read_bytes() for path in others]
    assert words
    assert all(PROGRAM in each or b"/worker/" in each for each in words), words


async def test_killed_it_comes_back_and_ends_with_the_gateway(gateway: Gateway) -> None:
    await until(lambda: connections(gateway) > 0)
    before, pid = connections(gateway), verifier(gateway)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: connections(gateway) > before)
    assert verifier(gateway) not in (None, pid)
    assert gateway.process is not None
    assert gateway.process.returncode is None
    folder = gateway.data / "verifier"
    assert alive_in(folder)
    await gateway.kill()
    await none_alive_in(folder)
    await gateway.start()
