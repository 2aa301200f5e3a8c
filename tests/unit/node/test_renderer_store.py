"""The store's choices: what is offered, what is removed for room, and what counts as installed."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

import aiohttp
import attrs
import pytest

from rendertrust.blender_version import parse
from rendertrust.node import doctor, unit_run
from rendertrust.node.blender import Blender
from rendertrust.node.blender_discovery import Renderer
from rendertrust.node.cache import Cache
from rendertrust.node.input_urls import InputUrls
from rendertrust.node.opengl_probe import OpenGL, with_opengl
from rendertrust.node.plugin import Completed, Failed, Result, Task
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.renderer_environment import Python
from rendertrust.node.renderer_list_updates import RendererListUpdates
from rendertrust.node.renderer_store import (
    USED,
    InstalledRenderer,
    NotInstalled,
    RendererStore,
    installed,
    name_of,
    to_remove,
)
from rendertrust.node.sandbox import NoSandbox, Sandbox
from rendertrust.node.unit_run import UnitRun, ref_of
from rendertrust.note import NoteRefused
from rendertrust.protocol import JobDispatch
from rendertrust.renderer_list import RendererList, RendererRelease
from tests.support.fake_renderers import release
from tests.unit.node.test_plugins_render import task

BOX = Sandbox(bwrap="bwrap", readable=(), as_root=False)
PROGRAM = Renderer(kind="bpy", before=(), after=(), readable=())
OLD, LTS, NEW = release("4.2.1"), release("4.5.3"), release("5.0.1")


@attrs.define
class QuickTools:
    """Tools that write a small file in place of a renderer, and ``bytecode`` bytes beside it."""

    asked: list[str] = attrs.field(factory=list[str])
    fault: str | None = None
    bytecode: int = 0

    async def python(self, version: str) -> Python | None:
        return Python(Path("/usr/bin/python3"), Path("/usr")) if version == "3.13" else None

    async def install(self, release: RendererRelease, python: Python, folder: Path) -> str | None:
        self.asked.append(release.version)
        (folder / "version").write_text(release.version)
        (folder / "module.pyc").write_bytes(bytes(self.bytecode))
        return self.fault


@attrs.define
class Stage:
    """A store whose renderers are files with their version."""

    folder: Path
    tools: QuickTools = attrs.field(factory=QuickTools)
    build: str = "0123456789ab"
    box: Sandbox | NoSandbox = BOX
    told: list[str] = attrs.field(factory=list[str])

    def store(self, bytes_max: int = 2500) -> RendererStore:
        return RendererStore(
            self.folder, bytes_max, self.test, tools=self.tools, narrate=self.told.append
        )

    async def test(self, program: Renderer) -> Blender:
        place = Path(program.before[0]).parent.parent
        version = (place / "version").read_text()
        return Blender(renderer=program, box=self.box, version=version, build=self.build)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "renderers")


async def use(store: RendererStore, wanted: RendererRelease) -> Blender | NotInstalled:
    async with store.lent(wanted) as found:
        return found


def lines(folder: Path) -> list[str]:
    return [name.partition("-")[0] for name in installed(folder)]


async def filled(stage: Stage, *wanted: RendererRelease) -> RendererStore:
    """Return a store with these versions, the first used longest ago, of 1000 bytes each."""
    store = stage.store()
    await store.clean()
    await store.take((OLD, LTS, NEW))
    for number, each in enumerate(wanted):
        assert isinstance(await use(store, each), Blender)
        mark = stage.folder / name_of(each) / USED
        mark.write_text("1000")
        os.utime(mark, (number, number))
    return store


async def test_the_longest_unused_version_goes_and_comes_back_when_needed(stage: Stage) -> None:
    store = await filled(stage, OLD, LTS)
    assert isinstance(await use(store, NEW), Blender)
    assert lines(stage.folder) == ["4.5", "5.0"]
    assert any("removing the renderer 4.2" in line for line in stage.told)
    assert isinstance(await use(store, LTS), Blender)
    assert stage.tools.asked == ["4.2.1", "4.5.3", "5.0.1"], "what is there is not installed again"


async def test_bytecode_counts_once_it_is_there(stage: Stage) -> None:
    await filled(stage, OLD)
    store = stage.store(bytes_max=3500)
    await store.clean()
    await store.take((OLD, LTS))
    stage.tools.bytecode = 3000
    assert isinstance(await use(store, LTS), Blender)
    assert lines(stage.folder) == ["4.5"], "both would fit by the sizes of the list"


async def test_a_damaged_version_is_installed_again_in_its_own_space(stage: Stage) -> None:
    await filled(stage, LTS)
    (stage.folder / name_of(LTS) / "version").write_text("4.5.9")
    store = stage.store(bytes_max=1500)  # as after a restart
    await store.take((LTS,))
    assert isinstance(await use(store, LTS), Blender)
    assert stage.tools.asked == ["4.5.3", "4.5.3"]
    assert lines(stage.folder) == ["4.5"]


async def test_a_version_in_use_never_goes(stage: Stage) -> None:
    store = await filled(stage, OLD, LTS)
    async with store.lent(OLD):
        async with store.lent(LTS):
            waiting = asyncio.create_task(use(store, NEW))
            assert not (await asyncio.wait([waiting], timeout=0.05))[0], "both are in use"
            assert lines(stage.folder) == ["4.2", "4.5"]
        assert isinstance(await waiting, Blender)
    assert lines(stage.folder) == ["4.2", "5.0"]


def test_versions_that_the_list_dropped_go_first() -> None:
    there = [InstalledRenderer(Path(name), 10, used) for name, used in (("a", 1), ("b", 2))]
    assert to_remove(there, 10, {"a"}, ()) == [there[1]]
    assert to_remove(there, 10, {"a"}, {"b"}) == [there[0]]
    assert to_remove(there, 9, {"a"}, {"b"}) is None
    assert to_remove(there, 20, (), ()) == []


async def test_a_node_without_a_blender_keeps_the_newest_version_that_works(stage: Stage) -> None:
    store = stage.store(bytes_max=2500)
    store.ask = listing(release("5.1.0", python="3.11"), NEW, LTS)
    own = await store.first()
    assert isinstance(own, Blender)
    assert (own.version, stage.tools.asked) == ("5.0.1", ["5.0.1"])
    (stage.folder / name_of(NEW) / USED).write_text("1000")
    os.utime(stage.folder / name_of(NEW) / USED, (1, 1))
    for each in (LTS, OLD):
        assert isinstance(await use(store, each), Blender)
        (stage.folder / name_of(each) / USED).write_text("1000")
    assert lines(stage.folder) == ["4.2", "5.0"], "its own is never removed"


async def test_without_a_list_the_installed_version_is_used_and_nothing_changes(
    stage: Stage,
) -> None:
    await filled(stage, OLD, LTS)
    (stage.folder / ".new-half").mkdir()
    beside = stage.store()  # as a test of the node beside its agent
    own = await beside.first()
    assert isinstance(own, Blender)
    assert own.version == "4.5.3"
    (stage.folder / name_of(LTS) / "version").write_text("4.5.9")
    own = await stage.store().first()
    assert isinstance(own, Blender)
    assert own.version == "4.2.1"
    assert min(each.name for each in stage.folder.iterdir()) == ".new-half"
    assert lines(stage.folder) == ["4.2", "4.5"]
    offline = stage.store()
    offline.ask = refusing
    assert isinstance(await offline.first(), Blender), "as at a start without network"
    stage.folder = stage.folder / "empty"
    none = stage.store()
    none.ask = refusing
    assert await none.first() == NotInstalled("no list of renderers: no network")


def listing(*releases: RendererRelease) -> Callable[[], Awaitable[RendererList | NoteRefused]]:
    async def ask() -> RendererList:
        return releases

    return ask


async def refusing() -> NoteRefused:
    return NoteRefused("no network")


@pytest.mark.parametrize("fault", ["pip", "build", "bare"])
async def test_a_version_that_fails_is_left_out_and_leaves_nothing(
    stage: Stage, fault: str
) -> None:
    if fault == "pip":
        stage.tools.fault = "the disk is old"
    elif fault == "build":
        stage.build = "ba9876543210"
    else:
        stage.box = NoSandbox()
    store = stage.store()
    await store.clean()
    await store.take((LTS, NEW))
    refused = await use(store, LTS)
    assert isinstance(refused, NotInstalled)
    words = {"pip": "the disk is old", "build": "not the listed one", "bare": "only in a sandbox"}
    assert words[fault] in refused.reason
    assert [each.version for each in store.offered()] == ["5.0.1"]
    assert list(stage.folder.iterdir()) == []


async def test_a_store_whose_folder_cannot_be_used_offers_nothing_and_ends_no_agent(
    stage: Stage,
) -> None:
    stage.folder.write_text("no folder")
    store, slept = stage.store(), asyncio.Event()
    await store.take((LTS,))
    refused = await use(store, LTS)
    assert isinstance(refused, NotInstalled)
    assert "cannot be stored" in refused.reason
    assert store.offered() == (), "or the gateway would send the unit here again and again"

    async def sleep(seconds: float) -> None:
        if any("cannot be used" in line for line in stage.told):
            slept.set()
        await asyncio.Event().wait()

    async def tell() -> None:
        pass

    async with aiohttp.ClientSession() as session:
        updates = RendererListUpdates(store, session, "", lambda: None, tell, sleep)
        running, waiting = asyncio.create_task(updates.run()), asyncio.create_task(slept.wait())
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert not running.done()
        running.cancel()


async def test_a_version_that_fails_is_tried_again_ever_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, waits, is_there = stage.store(), list[float](), asyncio.Event()
    stage.tools.fault = "no network"
    await store.take((LTS, release("5.1.0", python="3.11")))

    async def fetch(_: RendererListUpdates) -> bool:
        await asyncio.Event().wait()
        return True

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 9:
            stage.tools.fault = None

    async def tell() -> None:  # as the agent of a node that needs the version at once
        for each in store.offered():
            if isinstance(await use(store, each), Blender):
                is_there.set()

    monkeypatch.setattr(RendererListUpdates, "fetch", fetch)
    async with aiohttp.ClientSession() as session:
        updates = RendererListUpdates(store, session, "", lambda: None, tell, sleep)
        running = asyncio.create_task(updates.run())
        await is_there.wait()
        running.cancel()
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert store.failures == {}
    assert store.faults.keys() == {(5, 1)}, "it lacks its Python"


async def test_only_what_fits_this_machine_is_offered(stage: Stage) -> None:
    store = stage.store(bytes_max=1500)
    store.own = {(5, 0)}
    large, other = release("5.1.0", size=1501), release("4.4.0", python="3.11")
    await store.take((NEW, large, other, LTS, OLD))
    assert [each.version for each in store.offered()] == ["4.2.1", "4.5.3"]
    assert "Python 3.11, which this machine lacks" in stage.told[0]
    assert "more than --renderers allows" in stage.told[1]
    await store.take((NEW, LTS))
    assert [each.version for each in store.offered()] == ["4.5.3"]


async def test_what_has_no_mark_is_removed_at_the_start(stage: Stage) -> None:
    await filled(stage, LTS)
    (stage.folder / "4.2-half").mkdir()
    (stage.folder / ".new-half" / "bin").mkdir(parents=True)
    await stage.store().clean()
    assert [each.name for each in stage.folder.iterdir()] == [name_of(LTS)]


@pytest.mark.parametrize(
    ("version", "expected"),
    [("", "5.2.3"), ("5.2", "5.2.3"), ("3.6", "3.6.9"), ("4.5", "4.5.3"), ("4.2", None)],
    ids=["any", "own", "operator's", "store's", "none"],
)
async def test_a_unit_is_rendered_by_the_version_that_its_dispatch_names(
    stage: Stage, version: str, expected: str | None
) -> None:
    own = Blender(renderer=PROGRAM, box=BOX, version="5.2.3", build="b52")
    named = attrs.evolve(own, version="3.6.9", build="b36")
    store = await filled(stage)
    await store.take((LTS,))
    render = RenderPlugin(scratch=stage.folder, found=own, others=(named,), store=store)
    assert [each.version for each in render.builds()] == ["5.2.3", "3.6.9", "4.5.3"]
    unit: Task = attrs.evolve(task(), blender=version)
    async with render.for_task(unit) as chosen:
        if expected is None:
            assert isinstance(chosen, Failed)
            assert (chosen.failure, chosen.given_back) == ("network", True)
            assert f"no Blender {version}" in chosen.error
        else:
            assert isinstance(chosen, RenderPlugin)
            assert chosen.found is not None
            assert chosen.found.version == expected
            assert chosen.residents is render.residents
            assert parse(chosen.found.version) in ((5, 2), (3, 6), (4, 5))


async def test_a_unit_waits_for_its_version_and_a_check_comes_back_for_it(stage: Stage) -> None:
    own = Blender(renderer=PROGRAM, box=BOX, version="5.2.3", build="b52")
    store, told = await filled(stage), list[str]()
    render = RenderPlugin(scratch=stage.folder, found=own, store=store)
    store.changed.clear()
    assert await lent(render, "5.2", told) is None
    assert [each.installed for each in render.builds()] == [None, False, False, False]
    found = await lent(render, "4.5", told)
    assert isinstance(found, Blender)
    assert found.version == "4.5.3"
    assert (told, store.has(LTS), store.changed.is_set()) == (
        ["installing Blender 4.5"],
        True,
        True,
    )
    refused = await lent(render, "5.0", told, waits=False)
    assert isinstance(refused, Failed)
    assert (refused.given_back, refused.error) == (True, "Blender 5.0 is being installed")
    assert isinstance(await use(store, NEW), Blender)
    assert isinstance(await lent(render, "5.0", told, waits=False), Blender)
    assert [each.installed for each in render.builds()] == [None, False, None, None]
    assert (len(told), stage.tools.asked) == (1, ["4.5.3", "5.0.1"])
    await store.end()


async def lent(
    render: RenderPlugin, version: str, told: list[str], *, waits: bool = True
) -> object:
    """Return what a unit is lent, which ends at once."""
    async with render.lending(version, told.append, waits=waits) as found:
        return found


@attrs.define
class Onlooker:
    """A plugin that has the Blender of a render plugin, and says which one each unit gets.

    While a unit runs, another one wants the store's space, and the gateway has a newer list.
    """

    render: RenderPlugin
    store: RendererStore
    job_type: ClassVar[str] = "render"
    waiting: "asyncio.Task[object] | None" = None

    async def run(self, task: Task) -> Result:
        self.waiting = asyncio.create_task(use(self.store, NEW))
        await asyncio.wait([self.waiting], timeout=0.05)
        await self.store.take((NEW, release("4.5.4")))
        async with self.render.for_task(task) as chosen:
            assert isinstance(chosen, RenderPlugin), chosen
            assert chosen.found is not None
            return Completed(renderer=chosen.found.program)


async def test_a_unit_keeps_its_version_from_its_preparation_to_its_end(
    stage: Stage, tmp_path: Path
) -> None:
    store = stage.store(bytes_max=1500)
    await store.clean()
    await store.take((LTS, NEW))
    own = Blender(renderer=PROGRAM, box=BOX, version="5.2.3", build="b52")
    plugin = Onlooker(RenderPlugin(scratch=stage.folder, found=own, store=store), store)
    frame = JobDispatch(job_id="j", job_type="render", payload_ref="s3://b/k", blender="4.5")
    urls = InputUrls(ref_of(frame), lambda _: None, 10.0)
    async with aiohttp.ClientSession() as session:
        cache = Cache(tmp_path / "cache", 1000, session)
        unit = UnitRun(frame, urls, lambda _: None, 1.0, asyncio.get_running_loop().time)
        result = await unit_run.run(unit, plugin, cache, tmp_path / "unit", 1)
    assert isinstance(result, Completed), result
    assert result.renderer == {"name": "bpy", "version": "4.5.3", "build": "0123456789ab"}
    assert plugin.waiting is not None
    assert isinstance(await plugin.waiting, Blender), "the space is free once the unit has ended"
    assert stage.tools.asked == ["4.5.3", "5.0.1"]


async def test_each_version_of_the_store_has_its_own_shaders(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, warmed = dict[str, Path](), asyncio.Event()

    async def warm(blender: Blender, folder: Path, shaders: Path) -> None:
        drawn[blender.version] = shaders
        warmed.set()

    monkeypatch.setattr("rendertrust.node.opengl_probe.warm", warm)
    found = OpenGL(works=True, driver="llvmpipe")
    own = with_opengl(Blender(renderer=PROGRAM, box=BOX, version="5.2.3", build="b52"), found)
    store = await filled(stage)
    render = RenderPlugin(scratch=stage.folder.with_name("work"), found=own, store=store)

    async def test(program: Renderer) -> Blender:
        return render.like_own(await stage.test(program))

    store.test = test
    warming = asyncio.create_task(render.warm())
    await warmed.wait()
    warmed.clear()
    lent = await use(store, LTS)
    await warmed.wait()
    warming.cancel()
    assert isinstance(lent, Blender)
    assert (lent.opengl, lent.drawing) == (True, "llvmpipe")
    assert drawn == {"5.2.3": own.compiled, "4.5.3": lent.compiled}
    assert own.compiled != lent.compiled


def test_the_doctor_says_what_the_store_holds_and_which_python_it_lacks() -> None:
    listed = (OLD, LTS, release("5.0.1", python="3.99"))
    good = doctor.store_of([name_of(LTS)], (OLD, LTS), ())
    assert (good.state, good.said) == (
        doctor.GOOD,
        "the store holds Blender 4.5, and can install 4.2",
    )
    found = doctor.store_of([], listed, ["3.99"])
    assert found.state == doctor.WARNING
    assert found.said.startswith(
        "the store holds no version of Blender, and can install 4.2 and 4.5"
    )
    assert found.remedy == "install Python 3.99, which Blender 5.0 needs"
