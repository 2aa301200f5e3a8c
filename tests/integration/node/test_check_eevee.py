"""Checks of frames by EEVEE with another driver, which narrower vectors imitate."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from PIL import Image

from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Completed, Failed
from tests.integration.node.checks import FRAME, Files, OtherMachine, Stage
from tests.integration.node.resident import Resident, resident
from tests.integration.node.scenes import build, unit

pytestmark = [
    *(pytest.mark.render, pytest.mark.heavy, pytest.mark.nightly),
    # without a graphics card, a driver compiles shaders for half a minute
    pytest.mark.timeout(1_800),
]
SCENE = """
scene.render.engine = "BLENDER_EEVEE"
scene.eevee.taa_render_samples, scene.eevee.use_shadows = 8, False
scene.render.resolution_x, scene.render.resolution_y = 48, 27
"""
DARK = """
for light in bpy.data.lights:
    light.energy = 0
"""
CHECKERED = """
scene.render.resolution_x, scene.render.resolution_y = 96, 54
made = bpy.data.materials.new("checkered")
made.use_nodes = True
nodes, links = made.node_tree.nodes, made.node_tree.links
texture = nodes.new("ShaderNodeTexChecker")
texture.inputs["Scale"].default_value = 30
links.new(texture.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
bpy.data.objects["Cube"].data.materials[0] = made
"""
LAYERED = """
settings = scene.render.image_settings
settings.media_type, settings.file_format = "MULTI_LAYER_IMAGE", "OPEN_EXR_MULTILAYER"
"""


@attrs.frozen
class Drawn:
    """A frame, and the drawing class of the node that rendered it."""

    files: Files
    drawing: str


@attrs.frozen
class Machines:
    here: Stage
    there: Stage

    async def drawn(self, by: Stage, name: str, **params: Any) -> Drawn:
        given = {"frame": FRAME, "evidence": True, **params}
        made = await by.render.run(unit(by.folder / name, {"s.blend": by.scene}, given))
        assert isinstance(made, Completed), made
        assert made.file is not None
        return Drawn(Files(made.file.read_bytes(), None), str(made.work["drawing"]))

    async def told(self, name: str, of: Drawn, **params: Any) -> Mapping[str, Any]:
        given = {"draws": [], "shown": [0.5], "whole": True, **params}
        told = await self.here.told(name, of.files, **given)
        assert not isinstance(told, Failed), told
        across: Mapping[str, Any] = told["across"]
        return across


@pytest.fixture(scope="module")
def machines(
    resident_blender: Resident, found_blender: Blender, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machines]:
    folder = tmp_path_factory.mktemp("eevee")
    scene, none = build(folder / "s.blend", SCENE), Files(b"", None)
    other: Any = OtherMachine(found_blender.renderer, "LP_NATIVE_VECTOR_WIDTH=128")
    with resident(attrs.evolve(found_blender, renderer=other)) as there:
        yield Machines(
            Stage(folder, resident_blender.render(folder / "scratch"), scene, none),
            Stage(folder, there.render(folder / "other"), scene, none),
        )


async def test_frames_of_one_drawing_class_are_equal(machines: Machines) -> None:
    drawn = await machines.drawn(machines.here, "own")
    told = await machines.told("own", drawn)
    assert (told["outcome"], told["drawing"]) == ("exact", drawn.drawing)


async def test_an_honest_frame_of_another_class_is_valid(machines: Machines) -> None:
    drawn = await machines.drawn(machines.there, "honest")
    told = await machines.told("honest", drawn)
    assert drawn.drawing != told["drawing"]
    assert told["outcome"] in ("exact", "accepted")


async def test_a_frame_that_is_not_equal_is_accepted_where_it_is_the_nearest(
    machines: Machines,
) -> None:
    """Each value is up to one step higher or lower, as another driver may round."""
    drawn = await machines.drawn(machines.here, "near")
    with Image.open(io.BytesIO(drawn.files.picture)) as image:
        values = np.asarray(image).astype(int)
    steps = np.random.default_rng(1).integers(-1, 2, values.shape)
    written = io.BytesIO()
    Image.fromarray(np.clip(values + steps, 0, 255).astype(np.uint8)).save(written, "PNG")
    told = await machines.told("near", Drawn(Files(written.getvalue(), None), drawn.drawing))
    assert told["outcome"] == "accepted"
    assert told["samples"] == [8, 6, 4]
    assert told["distances"][0] < min(told["distances"][1:])


@pytest.mark.parametrize("samples", [6, 4])
async def test_fewer_samples_are_refused(machines: Machines, samples: int) -> None:
    drawn = await machines.drawn(machines.there, f"few-{samples}", samples=samples)
    assert (await machines.told(f"few-{samples}", drawn))["outcome"] == "refused"


@pytest.mark.parametrize("samples", [1, 2, 3])
async def test_a_frame_of_few_samples_is_compared_as_well(
    machines: Machines, tmp_path: Path, samples: int
) -> None:
    lines = f"\nscene.eevee.taa_render_samples = {samples}\n"
    few = [
        attrs.evolve(of, folder=tmp_path, scene=build(tmp_path / "s.blend", SCENE, lines))
        for of in (machines.here, machines.there)
    ]
    dark = build(tmp_path / "d.blend", SCENE, lines, DARK)
    here, there = few
    drawn = await machines.drawn(there, "honest")
    told = await attrs.evolve(machines, here=here).told("honest", drawn)
    assert told["outcome"] in ("exact", "accepted")
    lie = await machines.drawn(attrs.evolve(there, scene=dark), "dark")
    assert (await attrs.evolve(machines, here=here).told("dark", lie))["outcome"] == "refused"


async def test_frames_of_several_layers_are_compared_by_their_images(
    machines: Machines, tmp_path: Path
) -> None:
    scene = build(tmp_path / "s.blend", SCENE, LAYERED)
    here = attrs.evolve(machines.here, folder=tmp_path, scene=scene)
    of, lie = attrs.evolve(machines, here=here), attrs.evolve(machines.there, folder=tmp_path)
    for name, samples, outcomes in (("own", 8, ("exact", "accepted")), ("few", 4, ("refused",))):
        drawn = await of.drawn(attrs.evolve(lie, scene=scene), name, samples=samples)
        assert (await of.told(name, drawn))["outcome"] in outcomes


async def test_frames_of_a_chunk_are_compared_as_alone(machines: Machines) -> None:
    """An honest chunk is accepted, and a chunk with fewer samples is refused."""
    chunk = {"frame": None, "frames": [FRAME, FRAME + 1]}
    for name, samples, outcomes in (("honest", 8, ("exact", "accepted")), ("few", 4, ("refused",))):
        drawn = await machines.drawn(machines.there, f"chunk-{name}", samples=samples, **chunk)
        told = await machines.told(f"chunk-{name}", drawn, **chunk)
        assert told["outcome"] in outcomes


async def test_a_frame_that_was_drawn_smaller_is_refused(
    machines: Machines, tmp_path: Path
) -> None:
    """It costs a quarter, and its mean difference is small."""
    scene = build(tmp_path / "s.blend", SCENE, CHECKERED)
    here = attrs.evolve(machines.here, folder=tmp_path, scene=scene)
    drawn = await machines.drawn(here, "small", width=48, height=27)
    with Image.open(io.BytesIO(drawn.files.picture)) as image:
        written = io.BytesIO()
        image.resize((96, 54), Image.Resampling.BICUBIC).save(written, "PNG")
    lie = Drawn(Files(written.getvalue(), None), drawn.drawing)
    told = await attrs.evolve(machines, here=here).told("small", lie)
    assert (told["outcome"], told["reasons"]) == ("refused", ["other-detail"])
