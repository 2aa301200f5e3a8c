"""Third-party plugins: the manual's example, installed and run, and faulty plugins."""

import asyncio
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import attrs
import orjson
import pytest

from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.plugin import Completed, Result, Task
from rendertrust.node.plugins import GROUP, PluginOffer, offer
from rendertrust.node.plugins.third_party import in_thread
from rendertrust.node.state_folder import StateFolder
from rendertrust.protocol import Hello, JobCancel, JobStatus, Log
from tests.integration.node.conftest import Start
from tests.integration.node.gateway import Gateway
from tests.support.until import until

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "PLUGINS.md").read_text("utf-8")
FILES = re.compile(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the manual's example plugin with pip into a folder of its own."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    files = dict(FILES.findall(PAGE))
    assert set(files) == {"word_count.py", "pyproject.toml"}
    assert files["word_count.py"].count("\n") <= 32
    for name, text in files.items():
        (source / name).write_text(text)
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target)]
    ran = subprocess.run(
        [*command, str(source)], capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return target


async def test_the_plugin_of_the_manual_is_installed_offered_and_run(
    peer: Gateway, start: Start, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(site))
    async with start():
        assert "word_count" in (await peer.next(Hello)).capabilities
        inputs = (peer.input("a.txt", b"one two"), peer.input("b.txt", b"three"))
        await peer.send(peer.dispatch("word_count", inputs=inputs, output=peer.output("o")))
        result = await peer.result("j1")
        assert (result.status, result.work) == ("completed", {"words": 3})
        assert orjson.loads(peer.objects["o"]) == {"a.txt": 2, "b.txt": 1}
        said = "".join(frame.text for frame in peer.frames if isinstance(frame, Log))
        assert said == "a.txt: 2\nb.txt: 1\n"
        await peer.send(peer.dispatch("word_count", "j2"))
        assert (await peer.result("j2")).failure == "scene"


class Blocks:
    """Plugin that never yields to its event loop while it works."""

    job_type: ClassVar[str] = "blocks"

    async def run(self, task: Task) -> Result:
        until_when = time.monotonic() + task.params["seconds"]
        while time.monotonic() < until_when and not task.cancelled:
            time.sleep(0.01)  # noqa: ASYNC251 - the plugin's fault
        return Completed()


class Breaks:
    job_type: ClassVar[str] = "breaks"

    async def run(self, task: Task) -> Result:
        raise SystemExit(3)


class Waits:
    job_type: ClassVar[str] = "waits"

    async def run(self, task: Task) -> Result:
        (task.folder.parent / "begun").write_text("")
        try:
            await asyncio.Event().wait()
        finally:
            (task.folder.parent / "tidy").write_text("")
        return Completed()


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the faulty plugins to the plugins that a node offers."""

    async def offered(folder: StateFolder, settings: AgentSettings) -> PluginOffer:
        found = await offer(folder, settings)
        more = {plugin.job_type: in_thread(plugin()) for plugin in (Blocks, Breaks, Waits)}
        return attrs.evolve(found, plugins={**found.plugins, **more})

    monkeypatch.setattr("rendertrust.node.agent.plugins.offer", offered)


@pytest.mark.usefixtures("foreign")
async def test_a_plugin_that_never_gives_way_holds_up_no_lease(peer: Gateway, start: Start) -> None:
    async with start():
        await peer.next(Hello)
        await peer.send(peer.dispatch("blocks", params={"seconds": 3600}))
        for _ in range(5):
            assert (await peer.next(JobStatus)).status == "running"
        await peer.send(JobCancel(job_id="j1", unit=0, attempt=1))
        assert (await peer.result("j1")).status == "cancelled"
        await peer.send(peer.dispatch("echo", "j2"))
        assert (await peer.result("j2")).status == "completed"


@pytest.mark.usefixtures("foreign")
async def test_a_plugin_that_breaks_fails_its_unit_alone(peer: Gateway, start: Start) -> None:
    async with start():
        await peer.next(Hello)
        await peer.send(peer.dispatch("breaks"))
        result = await peer.result("j1")
        assert (result.failure, result.error) == ("node", "RuntimeError in the plugin")
        await peer.send(peer.dispatch("echo", "j2"))
        assert (await peer.result("j2")).status == "completed"


@pytest.mark.usefixtures("foreign")
async def test_a_cancelled_plugin_tidies_up(peer: Gateway, start: Start) -> None:
    async with start() as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("waits"))
        await peer.next(JobStatus)
        await until((node.folder.work / "begun").exists)
        await peer.send(JobCancel(job_id="j1", unit=0, attempt=1))
        assert (await peer.result("j1")).status == "cancelled"
        assert (node.folder.work / "tidy").exists()


async def test_a_plugin_does_not_take_the_place_of_the_nodes_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "class Thief:\n    job_type = 'echo'\n    async def run(self, task): ...\n"
    monkeypatch.syspath_prepend(_site(tmp_path, "thief", source))
    found = await offer(StateFolder(tmp_path / "state"), AgentSettings())
    assert type(found.plugins["echo"]).__name__ == "EchoPlugin"
    assert "echo" in found.not_offered["thief"]


async def test_a_plugin_that_breaks_when_asked_is_not_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "class Rude:\n    job_type = 'rude'\n    async def run(self, task): ...\n"
        "    async def why_not(self): raise OSError('no such device')\n"
    )
    monkeypatch.syspath_prepend(_site(tmp_path, "rude", source))
    found = await offer(StateFolder(tmp_path / "state"), AgentSettings())
    assert "echo" in found.plugins
    assert "no such device" in found.not_offered["rude"]


def _site(folder: Path, name: str, source: str) -> str:
    """Write an installed package with one plugin, and return its folder."""
    place = folder / "site"
    info = place / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (place / f"{name}.py").write_text(source)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {name}:{name.capitalize()}\n")
    return str(place)
