"""Third-party plugins: the manual's example, installed and run, and faulty plugins."""

import asyncio
import hashlib
import re
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs
import orjson
import pytest

from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.plugin import Completed, Result, Task
from rendertrust.node.plugins import GROUP, PluginOffer, offer
from rendertrust.node.plugins.third_party import in_thread
from rendertrust.node.state_folder import StateFolder
from rendertrust.protocol import Hello, JobCancel, JobDispatch, JobResult, JobStatus, Log
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
    assert files["word_count.py"].count("\n") <= 45
    for name, text in files.items():
        (source / name).write_text(text)
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target)]
    ran = subprocess.run(
        [*command, str(source)], capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr
    target.chmod(0o755)  # the sandbox of a check runs as another user
    return target


@pytest.fixture
async def capabilities(
    peer: Gateway, start: Start, site: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Sequence[str]]:
    """Run a node with the manual's plugin, and yield what it offers."""
    monkeypatch.syspath_prepend(str(site))
    async with start():
        yield (await peer.next(Hello)).capabilities


async def test_the_plugin_of_the_manual_is_installed_offered_and_run(
    peer: Gateway, capabilities: Sequence[str]
) -> None:
    assert "word_count" in capabilities
    inputs = (peer.input("a.txt", b"one two"), peer.input("b.txt", b"three"))
    await peer.send(peer.dispatch("word_count", inputs=inputs, output=peer.output("o")))
    result = await peer.result("j1")
    assert (result.status, result.work) == ("completed", {"words": 3})
    assert orjson.loads(peer.objects["o"]) == {"a.txt": 2, "b.txt": 1}
    said = "".join(frame.text for frame in peer.frames if isinstance(frame, Log))
    assert said == "{'a.txt': 2, 'b.txt': 1}\n"
    await peer.send(peer.dispatch("word_count", "j2"))
    assert (await peer.result("j2")).failure == "scene"


RIGHT = b'{"a.txt": 2}'
WRONG = {"verdict": "invalid", "exact": False, "reason": "it has other counts"}


async def test_the_plugin_of_the_manual_checks_results_in_the_sandbox(
    peer: Gateway, capabilities: Sequence[str]
) -> None:
    assert "check:word_count" in capabilities
    for text, delivered, verdict in (
        (b"one two", RIGHT, {"verdict": "valid", "exact": True, "reason": ""}),
        (b"one", RIGHT, WRONG),
        (b"one two", b"{", WRONG),
    ):
        name = hashlib.sha256(text + delivered).hexdigest()
        order = check_of(peer, "word_count", text, delivered)
        await peer.send(attrs.evolve(order, job_id=name))
        result = await peer.result(name)
        assert result.status == "completed", result
        assert measured(result) == verdict


def check_of(peer: Gateway, job_type: str, text: bytes, delivered: bytes) -> JobDispatch:
    """Return the order to check what another node delivered for a unit with one input."""
    inputs = (peer.input("a.txt", text), peer.input("check/result", delivered))
    of = {"job_id": "j9", "unit": 3, "attempt": 2, "params": {"limit": 5}}
    params = {"of": of, "same_class": False, "seconds": 60.0}
    return peer.dispatch(f"check:{job_type}", inputs=inputs, params=params)


def measured(result: JobResult) -> object:
    """Return the findings of a check, which a node with a key signs."""
    assert result.work is not None
    return result.work if result.signature is None else result.work["measured"]


CURIOUS = """
import os, socket, sys
from pathlib import Path

from rendertrust.node.plugin import Completed, InvalidResult, UnverifiableResult, ValidResult


class Curious:
    job_type = "curious"

    async def run(self, task): return Completed()

    async def check(self, task, delivered):
        asked = (task.inputs["a.txt"].read_text()).split()
        if asked[0] == "facts":
            facts = (task.job_id, task.unit, task.attempt, dict(task.params), task.same_class)
            print("stray output", facts)
            (task.folder / "mine").write_text("writable")
            return UnverifiableResult(repr(facts))
        if asked[0] == "file":
            return InvalidResult(str(Path(asked[1]).exists()))
        if asked[0] == "network":
            socket.create_connection((asked[1], int(asked[2])), 5)
        if asked[0] == "raise":
            raise ValueError(delivered.read_text())
        if asked[0] == "exit":
            sys.exit(0)
        if asked[0] == "killed":
            os.kill(os.getpid(), 9)
        if asked[0] == "hang":
            while True: pass
"""


@pytest.fixture
def curious(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a plugin whose check does what its input says."""
    place = Path(_site(tmp_path, "curious", CURIOUS))
    for folder in (place, *place.iterdir()):
        folder.chmod(0o755)
    monkeypatch.syspath_prepend(str(place))


@pytest.mark.usefixtures("curious")
async def test_a_check_gets_the_task_of_the_other_node(peer: Gateway, start: Start) -> None:
    async with start():
        await peer.next(Hello)
        await peer.send(check_of(peer, "curious", b"facts", b"x"))
        facts = repr(("j9", 3, 2, {"limit": 5}, False))
        verdict = {"verdict": "unverifiable", "exact": False, "reason": facts}
        assert measured(await peer.result("j1")) == verdict


@pytest.mark.usefixtures("curious")
async def test_a_check_sees_neither_files_nor_network_of_the_machine(
    peer: Gateway, start: Start, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of this machine")
    async with start():
        await peer.next(Hello)
        await peer.send(check_of(peer, "curious", f"file {secret}".encode(), b"x"))
        verdict = {"verdict": "invalid", "exact": False, "reason": "False"}
        assert measured(await peer.result("j1")) == verdict
        host, port = peer.server.host, peer.server.port
        order = check_of(peer, "curious", f"network {host} {port}".encode(), b"x")
        await peer.send(attrs.evolve(order, job_id="j2"))
        result = await peer.result("j2")
        assert (result.status, result.failure) == ("failed", "verifier")
        assert "OSError" in (result.error or "") or "Connection" in (result.error or "")


@pytest.mark.usefixtures("curious")
@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ("raise", "ValueError: what it delivered"),
        ("exit", "SystemExit: 0"),
        ("killed", "killed by SIGKILL"),
        ("nothing", "must return ValidResult, InvalidResult or UnverifiableResult"),
        ("hang", "took too long"),
    ],
    ids=["raises", "exits", "is killed", "decides nothing", "hangs"],
)
async def test_a_check_that_ends_without_a_verdict_has_failed(
    peer: Gateway, start: Start, asked: str, error: str
) -> None:
    async with start():
        await peer.next(Hello)
        order = check_of(peer, "curious", asked.encode(), b"what it delivered")
        order = attrs.evolve(
            order, params={**order.params, "seconds": 1.0 if asked == "hang" else 60.0}
        )
        await peer.send(order)
        result = await peer.result("j1")
        assert (result.status, result.failure) == ("failed", "verifier")
        assert error in (result.error or "")


async def test_a_plugin_that_the_sandbox_cannot_load_offers_no_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "import os\n"
        "if os.environ.get('LANG') == 'C.UTF-8': raise OSError('no such device')\n"
        "class Picky:\n    job_type = 'picky'\n    async def run(self, task): ...\n"
        "    async def check(self, task, delivered): ...\n"
    )
    place = Path(_site(tmp_path, "picky", source))
    for folder in (place, *place.iterdir()):
        folder.chmod(0o755)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    monkeypatch.syspath_prepend(str(place))
    found = await offer(StateFolder(tmp_path / "state"), AgentSettings())
    assert "picky" in found.plugins
    assert "no such device" in found.not_offered["check:picky"]


async def test_a_plugin_does_not_take_the_job_type_of_a_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "class Sly:\n    job_type = 'check:render'\n    async def run(self, task): ...\n"
    monkeypatch.syspath_prepend(_site(tmp_path, "sly", source))
    found = await offer(StateFolder(tmp_path / "state"), AgentSettings())
    assert "check:render" not in found.plugins
    assert "reserved for checks" in found.not_offered["sly"]


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

    async def offered(folder: StateFolder, settings: AgentSettings, **given: Any) -> PluginOffer:
        found = await offer(folder, settings, **given)
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
