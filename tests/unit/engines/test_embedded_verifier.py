"""The embedded verifier's sandbox, limits and identity, and its late start."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from actors.kernel import State
from rendertrust.node import blender_discovery, embedded_verifier, machine_facts, plugins
from rendertrust.node.agent_settings import GIB
from rendertrust.node.state_folder import Enrolment, StateFolder
from rendertrust.node_key import load_or_create_key
from supervisors.child import StartFailed
from supervisors.engines import embedded_verifier as verifier
from supervisors.engines.current_endpoint import CurrentEndpoint, NotStarted
from supervisors.engines.embedded_verifier import (
    CannotVerify,
    CheckBounds,
    Confinement,
    EmbeddedVerifier,
    SandboxCommand,
    bounds_of,
    confine,
    key_of,
    run_within,
    walls_of,
)
from supervisors.engines.engine_account import EngineAccount, engine_account
from supervisors.engines.engine_actor import engine_child
from supervisors.engines.engine_folder import EngineFolder
from supervisors.engines.errors import EngineError
from supervisors.restart_policy import Intensity
from supervisors.tree import ONE, Branch, supervisor_of
from tests.support.engines import engine_folder
from tests.unit.simulated_time import simulated

ENROLMENT = Enrolment(url="http://127.0.0.1:8000", node_id="n", name="v", token="t", proven=True)
SPARE = Branch("Verification", ONE, Intensity(5, 30), (), spare=True)
needs_sandbox = pytest.mark.skipif(shutil.which("bwrap") is None, reason="no bubblewrap")


def test_its_bounds_are_half_of_the_machine_unless_they_are_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine_facts, "cores", lambda: 8)
    monkeypatch.setattr(machine_facts, "ram_bytes", lambda: 16 * GIB)
    assert bounds_of(0, 0) == CheckBounds(4, 8 * GIB)
    assert bounds_of(3, 5, 6) == CheckBounds(3, 5 * GIB, 6 * GIB)
    monkeypatch.setattr(machine_facts, "cores", lambda: 1)
    monkeypatch.setattr(machine_facts, "ram_bytes", lambda: 2 * GIB)
    assert bounds_of(0, 0) == CheckBounds(1, 2 * GIB)


def test_the_agent_keeps_the_bounds() -> None:
    settings = embedded_verifier.settings_of(3, 5 * GIB)
    assert (settings.slots, settings.threads_each, settings.memory_each) == (1, 3, 5 * GIB)
    assert settings.renderers_bytes_max is None
    assert embedded_verifier.settings_of(3, 5 * GIB, GIB).renderers_bytes_max == GIB
    assert settings.health_port is None
    assert not settings.unsafe_no_sandbox


def test_the_node_keeps_its_id_and_another_folder_is_another_node(tmp_path: Path) -> None:
    one, again, other = (
        Confinement(EngineFolder(tmp_path, "verifier", None), SandboxCommand(()), key)
        for key in (b"a" * 32, b"a" * 32, b"b" * 32)
    )
    assert one.id == again.id != other.id
    assert one.id.version == 4


async def test_its_command_line_shows_its_own_folders_and_hides_the_data_folder(
    tmp_path: Path,
) -> None:
    folder = EngineFolder(tmp_path / "data", "verifier", None)
    folder.make()

    async def enrol() -> Enrolment:
        return ENROLMENT

    confined = Confinement(
        folder, SandboxCommand(("bwrap", "--tmpfs", str(folder.data))), b"k" * 32
    )
    engine = EmbeddedVerifier(confined, CheckBounds(3, 5 * GIB), enrol)
    words = [str(word) for word in (await engine.command()).arguments]
    mine = str(tmp_path / "data" / "verifier")
    assert words[: words.index("--")] == [
        *("bwrap", "--tmpfs", str(tmp_path / "data")),
        *("--ro-bind", f"{mine}/given", f"{mine}/given", "--bind", f"{mine}/state"),
        *(f"{mine}/state", "--setenv", "HOME", f"{mine}/state"),
    ]
    program = words[words.index("--") + 1 :]
    assert program[:4] == [sys.executable, "-I", "-m", "rendertrust.node.embedded_verifier"]
    assert program[4:] == [f"{mine}/given", f"{mine}/state", "3", str(5 * GIB), "0"]


async def test_it_is_given_its_key_and_where_to_go(tmp_path: Path) -> None:
    folder = EngineFolder(tmp_path / "data", "verifier", None)
    folder.make()
    load_or_create_key(key_of(folder))

    async def enrol() -> Enrolment:
        return ENROLMENT

    engine = EmbeddedVerifier(
        Confinement(folder, SandboxCommand(()), b"k" * 32), CheckBounds(1, GIB), enrol
    )
    await engine.prepare(0)
    given, own = StateFolder(folder.path / "given"), StateFolder(tmp_path / "state")
    assert embedded_verifier.take(given, own)
    assert own.enrolment() == ENROLMENT
    assert own.key.read_bytes() == key_of(folder).read_bytes()
    assert not embedded_verifier.take(StateFolder(tmp_path / "nothing"), own)


def found(*readable: Path) -> blender_discovery.Renderer:
    """Return a renderer whose Blender is this Python."""
    return blender_discovery.Renderer(
        kind="bpy", before=(sys.executable,), after=(), readable=readable
    )


def test_without_blender_or_bubblewrap_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = EngineFolder(tmp_path, "verifier", None)
    with monkeypatch.context() as patch:
        patch.setattr(blender_discovery, "find", lambda: None)
        with pytest.raises(CannotVerify, match="pip install 'rendertrust"):
            walls_of(folder)
    monkeypatch.setattr(blender_discovery, "find", found)
    monkeypatch.setattr(shutil, "which", {}.get)
    with pytest.raises(CannotVerify, match="apt-get install bubblewrap"):
        walls_of(folder)


@needs_sandbox
@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_blender_may_lie_where_its_account_cannot_go(monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = EngineAccount("somebody", 54_321, 54_321)
    with engine_folder() as base:
        closed = base / "closed"
        (closed / "bpy").mkdir(parents=True)
        (closed / "secret").touch()
        closed.chmod(0o700)
        monkeypatch.setattr(blender_discovery, "find", lambda: found(closed / "bpy"))
        probe = f"""
import os
status = open("/proc/self/status").read()
might = {{line.split()[1] for line in status.splitlines() if line.startswith(("CapP", "CapE"))}}
print(os.getuid(), os.getgid(), might, os.listdir("{closed}"))
"""
        confined = confine(base / "data", somebody)
        ran = run_within(confined.walls, [sys.executable, "-I", "-c", probe])
    assert ran.stdout == f"54321 54321 {{'{0:016x}'}} ['bpy']\n", ran.stderr


@needs_sandbox
def test_what_runs_within_the_walls_sees_neither_data_nor_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blender_discovery, "find", found)
    monkeypatch.setenv("RENDERTRUST_JWT_SECRET", "do not tell")
    monkeypatch.setenv("PIP_TIMEOUT", "7")
    monkeypatch.setenv("PIP_INDEX_URL", "https://jane:do-not-tell@index.example/simple")
    with engine_folder() as base:
        confined = confine(base / "data", engine_account())
        settings = base / "gateway.toml"
        settings.write_text("secret")
        hidden = [confined.folder.secrets, confined.folder.log, settings, "/home", "/run"]
        hidden += [] if sys.base_prefix.startswith("/root/") else [Path("/root")]
        probe = f"""
import os
seen = [path for path in {[str(path) for path in hidden]} if os.path.exists(path)]
seen += [name for name in os.environ if name.startswith(("RENDERTRUST", "PIP_INDEX", "PIP_TIME"))]
print(seen, len([pid for pid in os.listdir("/proc") if pid.isdigit()]))
"""
        ran = run_within(confined.walls, [sys.executable, "-I", "-c", probe])
    assert ran.stdout == "['PIP_TIMEOUT'] 2\n"  # the probe and the sandbox's first process


@needs_sandbox
def test_a_sandbox_that_does_not_start_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CannotVerify) as refused:
        verifier.try_out(SandboxCommand(("bwrap", "--ro-bind", str(tmp_path / "no"), "/no")))
    assert "the sandbox cannot start" in str(refused.value)
    assert "\n" not in str(refused.value)


class Engine:
    """An engine that starts at the third try."""

    name, pid = "verifier", 7

    def __init__(self) -> None:
        self.tries = 0

    async def start(self, *, within: float) -> int:
        self.tries += 1
        if self.tries < 3:
            raise EngineError("not now")
        return self.pid

    async def exited(self) -> int:
        await asyncio.Event().wait()
        raise AssertionError

    async def stop(self) -> None:
        pass


@simulated
async def test_a_late_engine_fails_no_start_and_is_tried_again_with_a_back_off() -> None:
    engine, current = Engine(), CurrentEndpoint[int]()
    root = supervisor_of(SPARE, [engine_child(engine, current, name="late", late=True)])
    await root.start()
    with pytest.raises(NotStarted):
        current.get()
    await asyncio.sleep(60)
    assert current.get() == engine.pid
    reasons = [restart.reason for restart in root.restarts.recent()]
    assert len(reasons) == 2
    assert all("verifier does not start: not now" in reason for reason in reasons)
    child = root.snapshot().children[0]
    assert (child.name, child.state) == ("late", State.RUNNING)
    await root.stop()


@simulated
async def test_another_engine_fails_the_start() -> None:
    root = supervisor_of(SPARE, [engine_child(Engine(), CurrentEndpoint[int]())])
    with pytest.raises(StartFailed, match="not now"):
        await root.start()


def test_where_blender_does_not_start_its_last_words_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def offer(*_: object, **__: object) -> plugins.PluginOffer:
        return plugins.PluginOffer(plugins={}, not_offered={"check": "libXi is missing"})

    monkeypatch.setattr(plugins, "offer", offer)
    given = StateFolder(tmp_path / "given")
    given.enrol(ENROLMENT)
    given.key.write_text("a key")
    assert embedded_verifier.main(str(given.path), str(tmp_path / "state"), "1", str(GIB)) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "libXi is missing"


async def test_it_ends_when_its_standard_input_does(tmp_path: Path) -> None:
    """A pipe in the place of the enrolment keeps the program in its first step."""
    os.mkfifo(tmp_path / "enrolment.json")
    program = ("-m", "rendertrust.node.embedded_verifier", tmp_path, tmp_path / "state", "1", "1")
    process = await asyncio.create_subprocess_exec(sys.executable, *program, stdin=PIPE)
    writer = await asyncio.to_thread(os.open, tmp_path / "enrolment.json", os.O_WRONLY)
    assert process.stdin is not None
    assert process.returncode is None
    process.stdin.close()
    assert await process.wait() == 1
    os.close(writer)
