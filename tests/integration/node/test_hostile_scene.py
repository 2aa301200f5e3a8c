"""Hostile scenes: they harm nothing outside their work folder, and the node continues.

If the tests run as root, each program runs in root's sandbox and in an ordinary user's sandbox.
"""

import asyncio
import contextlib
import ctypes
import os
import platform
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from rendertrust.node import blender, driver_cache, resource_monitor
from rendertrust.node.child_process import ProcessExit
from rendertrust.node.plugin import Failed
from rendertrust.node.plugins.render import result_of
from rendertrust.node.resource_monitor import family
from rendertrust.node.rmtree import clear
from rendertrust.node.safe_open import NotARegularFile
from rendertrust.node.spool import Spool
from rendertrust.node.unit_run import failed
from rendertrust.protocol import Running
from tests.integration.node import hostile
from tests.support.listening import listening
from tests.support.until import until

AS = [
    pytest.param(True, id="root", marks=pytest.mark.skipif(os.getuid() != 0, reason="not root")),
    pytest.param(False, id="user"),
]
SURVIVOR_SECONDS = 60.0
# Limits are enforced alike for both users, so as root the ordinary user is tested nightly only.
NIGHTLY = [pytest.param(False, id="user", marks=pytest.mark.nightly)]
AS_USUAL = AS if os.getuid() != 0 else [AS[0], *NIGHTLY]
pytestmark = pytest.mark.heavy


@attrs.define
class Stage:
    """A node's disk with a canary beside the work folder, and the sandbox that runs programs."""

    folder: Path
    canary: Path
    node: blender.Blender
    before: str
    said: list[dict[str, Any]] = attrs.field(factory=list[dict[str, Any]])
    pids: set[int] = attrs.field(factory=set[int])

    def check_untouched(self) -> None:
        """Check that nothing outside the work folder has changed."""
        assert hostile.hash_of(self.canary.parent) == self.before

    async def wait_until_all_ended(self) -> None:
        await until(lambda: not any(map(_runs, self.pids)), within=SURVIVOR_SECONDS)

    def told(self, name: str) -> Any:
        return next(line[name] for line in self.said if name in line)


@pytest.fixture(params=AS)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with staged(as_root=request.param) as made:
        yield made


@pytest.fixture(params=AS_USUAL)
def usual(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with staged(as_root=request.param) as made:
        yield made


@contextlib.contextmanager
def staged(*, as_root: bool) -> Generator[Stage]:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        root.chmod(0o755)
        (root / "tree").mkdir()
        canary = root / "tree" / "canary"
        canary.write_text("secret")
        canary.chmod(0o666)
        folder = root / "work"
        (folder / "in").mkdir(parents=True)
        (folder / "in" / "scene.blend").write_text("scene")
        node = hostile.sandboxed(as_root=as_root)
        yield Stage(folder, canary, node, hostile.hash_of(canary.parent))
        clear(folder)
        assert not folder.exists()


async def run(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, program: str, **more: Any
) -> ProcessExit:
    """Run a program in the sandbox, note its processes, and return its exit as the node sees it."""
    within = more.pop("within", 120)
    names = {"CANARY": str(stage.canary), "AGENT": os.getpid(), **more}
    worker = hostile.worker_of(stage.folder.parent, program, **names)
    monkeypatch.setattr(blender, "WORKER", worker)
    stage.node.box.prepare(stage.folder)
    async with _noting(stage):
        return await stage.node.obey(
            {}, stage.folder, within=within, hear=lambda line: stage.said.append(dict(line))
        )


@asynccontextmanager
async def _noting(stage: Stage) -> AsyncGenerator[None]:
    others = set(family(os.getpid()))

    async def note() -> None:
        while True:
            stage.pids |= set(family(os.getpid())) - others
            await asyncio.sleep(0.05)

    noting = asyncio.ensure_future(note())
    try:
        yield
    finally:
        noting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await noting


def _runs(pid: int) -> bool:
    try:
        said = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return said.rpartition(")")[2].split()[0] not in "ZX"


async def test_a_scene_reads_no_file_of_the_machine(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = await run(stage, monkeypatch, hostile.READS)
    assert ending.code == 0, ending
    assert "worked" not in stage.told("read")
    assert "worked" not in stage.told("listed")
    assert stage.told("killed") != "worked"
    assert stage.told("uid") != 0
    shaders = {each.partition("=")[0] for each in driver_cache.SHADER_VARIABLES}
    allowed = {"HOME", "LANG", "PATH", "PWD", "LC_CTYPE", "LP_NUM_THREADS"} | shaders
    assert set(stage.told("environment")) <= allowed
    stage.check_untouched()


async def test_a_scene_writes_its_work_folder_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = await run(stage, monkeypatch, hostile.WRITES)
    assert ending.code == 0, ending
    assert "worked" not in stage.told("wrote")
    assert stage.told("removed") != "worked"
    assert stage.told("out") == "worked"
    assert (stage.folder / "in" / "scene.blend").read_text() == "scene"
    stage.check_untouched()


async def test_a_scene_is_what_the_kernel_ends_first_whatever_it_does(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = await run(stage, monkeypatch, hostile.SPARES)
    assert ending.code == 0, ending
    assert "worked" not in stage.told("spared")
    assert stage.told("scores") == ["1000", "1000"]
    refused, score = stage.told("child")
    assert (refused != "worked", score) == (True, "1000")


async def test_a_scene_reaches_no_address(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[object] = []

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer.get_extra_info("peername"))

    async with listening(greet) as port:
        ending = await run(stage, monkeypatch, hostile.CONNECTS, PORT=port)
    assert ending.code == 0, ending
    assert "worked" not in [*stage.told("connected"), stage.told("ipv6")]
    assert not came
    stage.check_untouched()


async def test_a_scene_starts_no_more_processes_than_it_may(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel enforces the limit, and counts only the processes of this unit."""
    monkeypatch.setattr(resource_monitor, "MEMORY_EVERY", 60.0)
    ending = await run(stage, monkeypatch, hostile.COUNTS)
    assert ending.code == 0, ending
    assert 1 <= stage.told("born") <= stage.node.box.limits(1)["processes"]
    await stage.wait_until_all_ended()


@pytest.fixture
def key_name() -> Iterator[str]:
    """Add a key to this process's session keyring, yield its name, and check that it remains."""
    libc = ctypes.CDLL(None, use_errno=True)
    name = f"canary-{os.getpid()}"
    add_key, keyctl = (248, 250) if platform.machine() == "x86_64" else (217, 219)
    key = libc.syscall(add_key, b"user", name.encode(), b"a ticket", 8, -3)
    if key < 0:
        pytest.skip("this kernel keeps no keys")
    yield name
    found = libc.syscall(keyctl, 10, -3, b"user", name.encode(), 0)
    libc.syscall(keyctl, 9, key, -3)
    assert found == key, "the scene has removed the key"


async def test_calls_that_reach_beyond_the_sandbox_are_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, key_name: str
) -> None:
    await run(stage, monkeypatch, hostile.CALLS, NAME=key_name)
    assert stage.told("key") == ["PermissionError"] * 2
    assert stage.told("cleared") == stage.told("added") == "PermissionError"
    assert stage.told("namespaces") == ["PermissionError"] * 2
    assert stage.told("mounted") == stage.told("io_uring") == "PermissionError"
    assert stage.told("sockets") == ["OSError"] * 3
    assert stage.told("usual") == ["worked"] * 2
    assert stage.told("started") == "worked"
    assert stage.told("filtered") is True


@pytest.mark.parametrize(
    ("program", "words", "fault"),
    [
        (hostile.BOMBS, "processes", ("scene", None)),
        (hostile.FILLS_DISK, "wrote more", ("scene", None)),
        (hostile.MANY_FILES, "files", ("scene", None)),
        (hostile.FILLS_MEMORY, "256 MiB that this node gives it", ("node", "memory")),
        (hostile.FILLS_SHARED, "256 MiB that this node gives it", ("node", "memory")),
        (hostile.FILLS_MEMFDS, "256 MiB that this node gives it", ("node", "memory")),
    ],
    ids=["fork bomb", "disk", "many files", "memory", "shared memory", "memory files"],
)
async def test_a_scene_that_takes_too_much_is_ended(
    usual: Stage, monkeypatch: pytest.MonkeyPatch, program: str, words: str, fault: tuple[str, Any]
) -> None:
    ending = await run(usual, monkeypatch, program)
    assert ending.excess is not None, ending
    assert words in ending.excess.reason
    result = result_of(ending, usual.folder)
    assert isinstance(result, Failed)
    told = failed(Running(job_id="j"), result)
    assert (told.failure, told.lacks) == fault
    await usual.wait_until_all_ended()
    usual.check_untouched()


@pytest.mark.parametrize(
    "program",
    [hostile.FOR_EVER, hostile.SPINS, hostile.FORKS, hostile.FLOODS],
    ids=["sleeps", "spins", "forks", "floods"],
)
async def test_a_scene_that_runs_for_ever_is_ended(
    usual: Stage, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    ending = await run(usual, monkeypatch, program, within=3)
    assert ending.code is None
    assert usual.pids
    await usual.wait_until_all_ended()
    usual.check_untouched()


@pytest.mark.parametrize(
    "program",
    [hostile.CRASHES, hostile.KILLS, hostile.LEAVES],
    ids=["crashes", "kills all it sees", "leaves a process"],
)
async def test_a_scene_that_ends_leaves_nothing(
    usual: Stage, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    began = time.monotonic()
    ending = await run(usual, monkeypatch, program)
    assert ending.last == {"begun": True}
    assert ending.excess is None
    assert time.monotonic() - began < 100, "the sandbox waited, though its scene had ended"
    await usual.wait_until_all_ended()
    usual.check_untouched()


async def test_a_folder_that_a_scene_closed_is_seen_or_looked_into(
    usual: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_root = os.getuid() == 0  # root can read any folder, so nothing ends the scene
    ending = await run(usual, monkeypatch, hostile.CLOSES, within=8 if is_root else 120)
    if not is_root:
        assert ending.excess is not None
        assert "closed" in ending.excess.reason
    await usual.wait_until_all_ended()


async def test_folders_deeper_than_any_path_are_removed(
    usual: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(usual, monkeypatch, hostile.DIGS)
    assert any((usual.folder / "out").iterdir())
    clear(usual.folder)
    assert not usual.folder.exists()


async def test_a_link_is_no_result(usual: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ending = await run(usual, monkeypatch, hostile.LINKS)
    spool = Spool(usual.folder.parent / "spool")
    try:
        result = result_of(ending, usual.folder)
        file = getattr(result, "file", None)
        assert file is not None
        for name in (file, file.with_name("other.png"), file.with_name("pipe.png")):
            with pytest.raises(NotARegularFile):
                spool.take(name, Running(job_id="j"))
    finally:
        spool.close()
