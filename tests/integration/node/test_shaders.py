"""Compiled shaders reach each Blender, and what a job compiles reaches its next Blender."""

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from rendertrust.blender_version import parse
from rendertrust.node import driver_cache, opengl_probe
from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Completed
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.renderer_store import RendererStore
from rendertrust.node.sandbox import Sandbox
from tests.integration.node.scenes import END, SAVE, SMALL, build, pixels, task
from web.downloads.renderers import listed_renderers

pytestmark = pytest.mark.render

WORKBENCH = """
scene.render.engine = "BLENDER_WORKBENCH"
scene.render.resolution_x = scene.render.resolution_y = 32
"""
EEVEE = """
scene.render.engine = "BLENDER_EEVEE"
scene.eevee.taa_render_samples, scene.render.resolution_x, scene.render.resolution_y = 4, 160, 90
"""


EEVEE_BEFORE_5_0 = EEVEE.replace("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT")


@attrs.frozen
class Shell:
    """A renderer that says the variables of its environment."""

    readable: tuple[Path, ...] = ()

    def program(self, worker: str, order: str) -> list[str]:
        told = '{"threads": "%s", "size": "%s"}'
        values = '"$LP_NUM_THREADS" "$MESA_SHADER_CACHE_MAX_SIZE"'
        return ["/bin/sh", "-c", f"printf '{told}\\n' {values}"]


def compiled(folder: Path) -> int:
    """Return the bytes of compiled code below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("mesa_cache.db") if path.is_file())


async def drawn(blender: Blender, folder: Path) -> int:
    """Draw in a new work folder; return the bytes of code in its home folder afterwards."""
    (folder / "in").mkdir(parents=True)
    blender.box.prepare(folder)
    ending = await blender.obey({"do": "draw"}, folder, within=300, hear=lambda _: None)
    assert ending.last.get("event") == "done", ending
    return compiled(folder / "home")


async def test_the_driver_takes_only_the_slots_threads(
    found_blender: Blender, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    found_blender.box.prepare(tmp_path)
    shell: Any = Shell()
    bare = attrs.evolve(found_blender, renderer=shell)
    ending = await bare.obey({}, tmp_path, threads=3, within=30, hear=lambda _: None)
    assert ending.last == {"threads": "3", "size": "64M"}


async def test_a_blender_that_gets_the_shaders_compiles_nearly_nothing(
    found_blender: Blender, tmp_path: Path
) -> None:
    first = await drawn(found_blender, tmp_path / "first")
    kept = tmp_path / "kept" / "state"
    driver_cache.keep(tmp_path / "first" / "home", kept, 4, driver_cache.SHADERS)
    assert compiled(kept) == first > 0
    second = await drawn(attrs.evolve(found_blender, compiled=kept), tmp_path / "second")
    assert first <= second < first * 1.1
    assert compiled(kept) == first, "processes have only a copy"


async def test_a_job_keeps_what_it_compiled_for_its_next_blender(
    found_blender: Blender, tmp_path: Path
) -> None:
    render = RenderPlugin(scratch=tmp_path / "scratch", found=found_blender)
    scene = build(tmp_path / "scene.blend", WORKBENCH)
    kept = list[int]()
    for number in range(2):
        made = await render.run(task(tmp_path / f"unit-{number}", scene, {}))
        await render.residents.end()
        assert isinstance(made, Completed), made
        kept.append(compiled(render.residents.compiled.folder))
    assert 0 < kept[0] <= kept[1] < kept[0] * 1.1


class NoCopy(Sandbox):
    """Sandbox that must not be used."""

    def command(self, program: Sequence[str], folder: Path, worker: Path) -> list[str]:
        raise AssertionError("the shaders were compiled again")


@pytest.mark.heavy
@pytest.mark.nightly
@pytest.mark.timeout(3_600)
async def test_a_warmed_node_draws_as_a_cold_one_but_compiles_little(
    found_blender: Blender, tmp_path: Path
) -> None:
    shaders = tmp_path / "kept" / "state"
    await opengl_probe.warm(found_blender, tmp_path / "warm", shaders)
    assert sum(path.stat().st_size for path in shaders.rglob("*")) > 2**20
    assert not (tmp_path / "warm").exists()
    box: Any = NoCopy(**attrs.asdict(found_blender.box, recurse=False))
    await opengl_probe.warm(attrs.evolve(found_blender, box=box), tmp_path / "warm", shaders)
    scene = build(tmp_path / "scene.blend", EEVEE)
    cold, warm = found_blender, attrs.evolve(found_blender, compiled=shaders)
    work = list[float]()
    pictures = list[Any]()
    for name, blender in (("cold", cold), ("warm", warm)):
        render = RenderPlugin(scratch=tmp_path / f"scratch-{name}", found=blender)
        made = await render.run(task(tmp_path / name, scene, {}))
        await render.residents.end()
        assert isinstance(made, Completed), made
        assert made.file is not None
        work.append(made.work["seconds"])
        pictures.append(pixels(made.file))
    assert (pictures[0] == pictures[1]).all()
    assert work[1] < work[0] / 2, "seconds of the warm one and the cold one"


def saved(blender: Blender, scene: Path) -> Path:
    """Save a scene of EEVEE with a Blender of the store, outside the sandbox."""
    program = "".join((SMALL, EEVEE_BEFORE_5_0, SAVE, END))
    command = [blender.renderer.before[0], "-I", "-c", program, str(scene)]
    subprocess.run(command, check=True, timeout=300, stdout=subprocess.DEVNULL)
    return scene


async def added_by(render: RenderPlugin, scene: Path, folder: Path, version: str = "") -> int:
    """Render a unit of a new job; return the bytes of code that are kept for it."""
    before = compiled(render.residents.compiled.folder)
    unit = attrs.evolve(task(folder, scene, {}), job_id=folder.name, blender=version)
    made = await render.run(unit)
    await render.residents.end()
    assert isinstance(made, Completed), made
    assert made.file is not None
    assert (pixels(made.file) > 0).any()
    return compiled(render.residents.compiled.folder) - before


@pytest.mark.heavy
@pytest.mark.nightly
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("version", ["4.2", "4.5"])
async def test_jobs_in_a_version_of_the_store_compile_little_once_it_is_ready(
    version: str, found_blender: Blender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    is_warm, warm = asyncio.Event(), opengl_probe.warm

    async def warmed(blender: Blender, folder: Path, shaders: Path) -> None:
        await warm(blender, folder, shaders)
        is_warm.set()

    monkeypatch.setattr(opengl_probe, "warm", warmed)
    own = attrs.evolve(found_blender, opengl=True, compiled=None)
    render = RenderPlugin(scratch=tmp_path / "scratch", found=own)
    store = render.store = RendererStore(tmp_path / "renderers", 2**31, render.try_out)
    await store.clean()
    await store.take(listed_renderers())
    release = store.find(parse(version))
    if release is None:
        pytest.skip(store.faults[parse(version)])
    warming = asyncio.create_task(render.warm())
    async with store.lent(release) as lent:
        assert isinstance(lent, Blender), lent
        assert lent.compiled is not None
        await is_warm.wait()
        warming.cancel()
        ahead = compiled(lent.compiled)
        assert ahead > 2**20
        scene = saved(lent, tmp_path / "scene.blend")
        bare = attrs.evolve(lent, compiled=None)
        cold = RenderPlugin(scratch=tmp_path / "scratch-cold", found=bare)
        without = await added_by(cold, scene, tmp_path / "cold")
        for job in ("first", "second"):
            kept = await added_by(render, scene, tmp_path / job, version)
            assert 0 <= kept - ahead < without / 10, (ahead, kept, without)
