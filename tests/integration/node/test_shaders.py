"""Compiled shaders reach each Blender, and what a job compiles reaches its next Blender."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from rendertrust.node import driver_cache, opengl_probe
from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Completed
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.sandbox import Sandbox
from tests.integration.node.scenes import build, pixels, task

pytestmark = pytest.mark.render

WORKBENCH = """
scene.render.engine = "BLENDER_WORKBENCH"
scene.render.resolution_x = scene.render.resolution_y = 32
"""
EEVEE = """
scene.render.engine = "BLENDER_EEVEE"
scene.eevee.taa_render_samples, scene.render.resolution_x, scene.render.resolution_y = 4, 160, 90
"""


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
