"""Checks of frames that a machine with another instruction set delivered.

A processor without AVX2 stands for that machine. A render with another seed stands for an honest
device whose pixels are not nearly equal.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import pytest

from actors.verifier.case import Case, Verdict
from actors.verifier.report import Report, answer
from actors.verifier.thresholds import DEFAULTS
from bench.verify_scenes import HEAD, SAVE, SCENES
from rendertrust.comparison_method import ComparisonMethod, describe
from rendertrust.node.blender import Blender
from rendertrust.node.machine_facts import has_two_kernels
from rendertrust.node.plugin import Failed
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.plugins.rounding_check import OURS
from rendertrust.node.sandbox import DELIVERED
from rendertrust.verdict_reason import explain
from tests.integration.node.checks import DRAWS, Files, OtherMachine, Stage
from tests.integration.node.resident import Resident, resident
from tests.integration.node.scenes import build, make
from tests.unit.verifier.stage import pending

pytestmark = [pytest.mark.render, pytest.mark.heavy]
SAMPLES = 8
SEEDED = Verdict(
    "consistent", describe(ComparisonMethod.OTHER_SEEDS), method=ComparisonMethod.OTHER_SEEDS
)
SCENE = f"""
scene.render.resolution_x, scene.render.resolution_y = 96, 88
scene.cycles.samples, scene.cycles.use_denoising = {SAMPLES}, False
scene.cycles.use_adaptive_sampling = False
bpy.ops.mesh.primitive_plane_add(size=60, location=(0, 0, -1))
"""
SEED = "\nscene.cycles.seed = 4711\n"
HAIR = """
bpy.context.object.modifiers.new("Fur", "PARTICLE_SYSTEM")
hairs = bpy.context.object.particle_systems[0].settings
hairs.type, hairs.count = "HAIR", 40
"""
# The part behind the decimal point of a large multiple: the smallest difference changes all of it.
CHAOS = """
made = bpy.data.materials.new("Chaos")
made.use_nodes = True
nodes, links = made.node_tree.nodes, made.node_tree.links
noise, shine = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeEmission")
times, part = nodes.new("ShaderNodeMath"), nodes.new("ShaderNodeMath")
times.operation, part.operation = "MULTIPLY", "FRACT"
times.inputs[1].default_value = 1e7
links.new(noise.outputs[0], times.inputs[0])
links.new(times.outputs[0], part.inputs[0])
links.new(part.outputs[0], shine.inputs["Strength"])
links.new(shine.outputs[0], nodes["Material Output"].inputs["Surface"])
bpy.context.object.data.materials.append(made)
"""
# Pixels of one colour each, by the last bits of a number: no seed changes them.
STEPS = """
scene.render.resolution_x, scene.render.resolution_y = 160, 90
scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BOX", 0.01
made = bpy.data.materials.new("Steps")
made.use_nodes = True
nodes, links = made.node_tree.nodes, made.node_tree.links
place, snap = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeVectorMath")
snap.operation = "SNAP"
snap.inputs[1].default_value = (0.013, 0.013, 0.013)
noise, shine = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeEmission")
times, part = nodes.new("ShaderNodeMath"), nodes.new("ShaderNodeMath")
times.operation, part.operation = "MULTIPLY", "FRACT"
times.inputs[1].default_value = 3e6
links.new(place.outputs["Window"], snap.inputs[0])
links.new(snap.outputs[0], noise.inputs["Vector"])
links.new(noise.outputs[0], times.inputs[0])
links.new(times.outputs[0], part.inputs[0])
links.new(part.outputs[0], shine.inputs["Strength"])
links.new(shine.outputs[0], nodes["Material Output"].inputs["Surface"])
bpy.context.object.data.materials.append(made)
"""
# A texture that differs from sample to sample, so that both kernels render other pixels.
GRAIN = """
made = bpy.data.materials.new("Grain")
made.use_nodes = True
nodes, links = made.node_tree.nodes, made.node_tree.links
shader, place = nodes["Principled BSDF"], nodes.new("ShaderNodeTexCoord")
grain, mix = nodes.new("ShaderNodeTexWhiteNoise"), nodes.new("ShaderNodeMapRange")
mix.inputs["To Min"].default_value, mix.inputs["To Max"].default_value = 0.3, 0.9
links.new(place.outputs["Object"], grain.inputs["Vector"])
links.new(grain.outputs["Value"], shader.inputs["Roughness"])
links.new(grain.outputs["Value"], mix.inputs["Value"])
links.new(mix.outputs["Result"], shader.inputs["Base Color"])
for thing in list(scene.objects):
    if thing.type == "MESH":
        thing.data.materials.clear()
        thing.data.materials.append(made)
"""
CHUNK = {"frame": None, "frames": [3, 4, 5]}
TILE = {"tile": [32, 16, 48, 64]}
OPTIX, SSE = "optix/x86_64/5.2", "cpu/sse/5.2"
AGAIN = [[0.2, 0.7, None], [0.9, 0.1, 0.4], [0.5, 0.5, None]]


@attrs.frozen
class Machines:
    """A verifier, a node of another device class, and the scene with another seed."""

    here: Stage
    other: Stage
    seeded: Path

    async def told(self, name: str, files: Files, **params: Any) -> Mapping[str, Any]:
        told = await self.here.told(name, files, **{"across": AGAIN, **params})
        assert not isinstance(told, Failed), told
        return told

    async def verdict(self, name: str, files: Files) -> tuple[Verdict | None, Mapping[str, Any]]:
        """Return verdict and report of a check of a result from another kind of device."""
        case = Case.opened(pending(drawn=True))
        order = case.order(UUID(int=1), b"secret", OPTIX)
        places = {"draws": [*map(list, order.draws)], "across": [*map(list, order.across)]}
        told = await self.told(name, files, **places)
        report = answer(told, order.count)
        assert isinstance(report, Report), report
        case.hear(report, UUID(int=2), OPTIX, DEFAULTS)
        return case.verdict, told

    async def case_of(self, name: str, files: Files, **params: Any) -> tuple[Case, list[str]]:
        """Return the case of a result from another instruction set, and its steps."""
        case, steps = Case.opened(pending(drawn=True, params=params)), list[str]()
        while case.verdict is None:
            steps.append(case.step)
            order = case.order(UUID(int=1), b"secret", SSE)
            places: dict[str, Any] = {"draws": [*map(list, order.draws)]}
            places["across"] = [*map(list, order.across)]
            places |= {"shown": [*order.shown], "rounding": order.rounding, "whole": order.whole}
            told = await self.told(f"{name}-{case.step}", files, **places, **params)
            report = answer(told, order.count)
            assert isinstance(report, Report), report
            case.hear(report, UUID(int=2), SSE, DEFAULTS)
        return case, steps


needs_avx2 = pytest.mark.skipif(not has_two_kernels(), reason="Cycles has one kernel here")


@pytest.fixture
def verifier(machines: Machines, found_blender: Blender, tmp_path: Path) -> Machines:
    """Return the machines with a verifier that starts a process for each order, as in service."""
    render = RenderPlugin(scratch=tmp_path / "scratch", found=found_blender)
    return attrs.evolve(machines, here=attrs.evolve(machines.here, folder=tmp_path, render=render))


@pytest.fixture(scope="module")
def machines(
    resident_blender: Resident, found_blender: Blender, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machines]:
    folder = tmp_path_factory.mktemp("across")
    scene, seeded = build(folder / "s.blend", SCENE), build(folder / "o.blend", SCENE, SEED)
    lacking: Any = OtherMachine(found_blender.renderer, "CYCLES_CPU_NO_AVX2=1")
    none = Files(b"", None)
    with resident(attrs.evolve(found_blender, renderer=lacking)) as there:
        here = Stage(folder, resident_blender.render(folder / "scratch"), scene, none)
        other = Stage(folder, there.render(folder / "other"), scene, none)
        yield Machines(here, other, seeded)


async def test_the_same_seed_decides_where_machines_are_nearly_equal(machines: Machines) -> None:
    told = await machines.told("near", await machines.other.delivered("near", machines.here.scene))
    assert told["across"]["outcome"] in ("exact", "consistent")
    assert "looks" not in told["across"]
    assert all(one["equal"] or one["off"] <= 0.3 for one in told["crops"])


async def test_an_honest_render_that_is_not_nearly_equal_is_accepted(machines: Machines) -> None:
    files = await machines.other.delivered("seeded", machines.seeded)
    verdict, told = await machines.verdict("seeded", files)
    assert verdict == SEEDED
    assert any(one["off"] > 0.5 for one in told["crops"]), "the same seed does not decide"
    assert told["across"]["outcome"] == "accepted"
    [[look]] = told["across"]["looks"]
    assert (look["seeds"], look["cells"], look["layer"]) == (3, 132, "ViewLayer")
    assert look["samples"] == pytest.approx(1.0, abs=0.15)
    assert look["noisy"] > 60
    assert told["finish"]["equal"], "the picture is made anew from the evidence"


@needs_avx2
async def test_the_picture_of_a_frame_that_was_rendered_whole_is_made_again_from_its_evidence(
    machines: Machines, tmp_path: Path
) -> None:
    """The whole frame is near the evidence, not equal, and the picture is not of the evidence."""
    here, other, kind = machines.here, machines.other, {"format": "OPEN_EXR"}
    files = await other.delivered("near-exr", here.scene, **kind)
    told = await machines.told("near-whole", files, whole=True, across=[], **kind)
    assert not all(one["equal"] for one in told["crops"])
    assert told["finish"]["equal"]
    files = Files((await other.delivered("swap", machines.seeded, **kind)).picture, files.evidence)
    told = await machines.told("swap-whole", files, whole=True, across=[], **kind)
    assert told["finish"]["off"] > 1


async def test_a_scene_that_amplifies_rounding_is_cleared_by_other_seeds(
    machines: Machines, tmp_path: Path
) -> None:
    """A creator could otherwise use such a scene to give honest nodes strikes."""
    scene = build(tmp_path / "s.blend", SCENE + CHAOS)
    chaotic = attrs.evolve(machines, here=attrs.evolve(machines.here, scene=scene))
    case, steps = await chaotic.case_of("chaos", await machines.other.delivered("chaos", scene))
    assert (case.verdict, steps) == (SEEDED, ["regions", "more"])


async def test_half_the_samples_of_another_instruction_set_are_a_strike(
    machines: Machines,
) -> None:
    samples = SAMPLES // 2
    files = await machines.other.delivered("less", machines.here.scene, samples=samples)
    case, steps = await machines.case_of("less", files)
    assert case.verdict is not None
    assert (case.verdict.outcome, case.verdict.strike) == ("invalid", True)
    assert steps == ["regions", "more", "whole"]


@needs_avx2
@pytest.mark.parametrize(
    ("params", "way"),
    [
        ({}, ["regions", "more", "whole"]),
        (TILE, ["regions", "more", "whole"]),
        (CHUNK, ["regions"]),
    ],
    ids=["frame", "tile", "chunk"],
)
async def test_a_scene_that_amplifies_rounding_without_noise_is_no_strike(
    verifier: Machines, tmp_path: Path, params: dict[str, Any], way: list[str]
) -> None:
    """All seeds of one machine agree about such a scene, and all of them differ from the node."""
    scene = build(tmp_path / "s.blend", SCENE + STEPS)
    chaotic = attrs.evolve(verifier, here=attrs.evolve(verifier.here, scene=scene))
    files = await verifier.other.made(f"steps-{len(params)}", scene, **params)
    case, steps = await chaotic.case_of("steps", files, **params)
    assert steps == way
    assert case.verdict is not None
    assert (case.verdict.outcome, case.verdict.strike) == ("invalid", False)
    assert not case.differs, "regions of the scene can still be compared"


@needs_avx2
@pytest.mark.parametrize("params", [{}, TILE, CHUNK], ids=["frame", "tile", "chunk"])
async def test_a_lie_in_a_plain_scene_is_a_strike_after_a_render_without_avx2(
    verifier: Machines, params: dict[str, Any]
) -> None:
    name = f"lie-{len(params)}"
    lie = await verifier.other.made(name, verifier.here.scene, samples=1, **params)
    case, steps = await verifier.case_of("lie", lie, **params)
    compared = verifier.here.folder / f"check-lie-{steps[-1]}" / DELIVERED / OURS
    assert compared.exists(), "a second worker got the first worker's render"
    assert case.verdict is not None
    assert (case.verdict.outcome, case.verdict.strike) == ("invalid", True)
    assert not case.differs


@needs_avx2
@pytest.mark.parametrize(("samples", "outcome"), [(SAMPLES, "consistent"), (4, "invalid")])
async def test_grain_that_both_kernels_render_differently_does_not_excuse_a_lie(
    verifier: Machines, tmp_path: Path, samples: int, outcome: str
) -> None:
    """Other seeds clear an honest frame of such a scene, so a refused one is a strike."""
    scene = build(tmp_path / "s.blend", SCENE + GRAIN)
    grainy = attrs.evolve(verifier, here=attrs.evolve(verifier.here, scene=scene))
    files = await verifier.other.made(f"grain-{samples}", scene, samples=samples)
    case, _ = await grainy.case_of("grain", files)
    assert case.verdict is not None
    assert (case.verdict.outcome, case.verdict.strike) == (outcome, outcome == "invalid")


async def test_half_the_samples_are_refused_by_both_looks(machines: Machines) -> None:
    files = await machines.other.delivered("half", machines.seeded, samples=SAMPLES // 2)
    verdict, told = await machines.verdict("half", files)
    assert verdict is not None
    assert (verdict.outcome, verdict.strike) == ("invalid", False)
    assert verdict.said.startswith("other-device: fewer-samples")
    assert told["across"]["outcome"] == "refused"
    [[first], [second]] = told["across"]["looks"]
    assert (first["seeds"], second["seeds"]) == (3, 5)
    assert "fewer-samples" in first["reasons"]
    assert "fewer-samples" in second["reasons"]
    assert "finish" not in told


async def test_what_devices_render_differently_is_not_refused(
    machines: Machines, tmp_path: Path
) -> None:
    scene, seeded = (
        build(tmp_path / "s.blend", SCENE + HAIR),
        build(tmp_path / "o.blend", SCENE + HAIR + SEED),
    )
    hairy = attrs.evolve(machines, here=attrs.evolve(machines.here, scene=scene))
    files = await machines.other.delivered("hair", seeded, samples=SAMPLES // 2)
    verdict, told = await hairy.verdict("hair", files)
    assert told["across"]["outcome"] == "refused"
    said = explain("device-dependent", "hair of Object 'Plane' > Fur")
    assert verdict == Verdict("unverifiable", said, reason="device-dependent")


@pytest.mark.nightly
@pytest.mark.parametrize(("samples", "outcome"), [(SAMPLES, "accepted"), (SAMPLES // 2, "refused")])
async def test_regions_can_be_cut_out_of_the_whole_frame(
    machines: Machines, samples: int, outcome: str
) -> None:
    name = f"whole-{samples}"
    files = await machines.other.delivered(name, machines.seeded, samples=samples)
    told = await machines.told(name, files, whole=True)
    assert (told["whole"], told["across"]["outcome"]) == (True, outcome)


@pytest.mark.nightly
@pytest.mark.timeout(900)  # a test renders up to a dozen times
# without the volume scene, whose renders take too long
@pytest.mark.parametrize("name", [name for name in SCENES if name != "volume"])
async def test_each_scene_of_the_bench_is_valid_where_it_is_honest(
    machines: Machines, tmp_path: Path, name: str
) -> None:
    """Renders without AVX2 are valid with the same and another seed, but not with half
    the samples.
    """
    size = {"width": 128, "height": 96, "samples": 16}
    scene, seeded = tmp_path / "s.blend", tmp_path / "o.blend"
    make("".join((HEAD, SCENES[name], SAVE)), str(scene))
    make("".join((HEAD, SCENES[name], SEED, SAVE)), str(seeded))
    both = attrs.evolve(machines, here=attrs.evolve(machines.here, scene=scene))
    label = name.replace(" ", "-")
    for case, of, more, valid in (
        ("same", scene, {}, ("exact", "consistent")),
        ("other", seeded, {}, ("accepted",)),
        ("half", seeded, {"samples": 8}, ("refused",)),
    ):
        files = await machines.other.delivered(f"{label}-{case}", of, **{**size, **more})
        told = await both.told(f"{label}-{case}", files, **size)
        assert told["across"]["outcome"] in valid, (case, told["across"])


@pytest.mark.nightly
async def test_a_frame_of_few_cells_says_nothing(machines: Machines) -> None:
    size = {"width": 64, "height": 64}
    files = await machines.other.delivered("few", machines.seeded, **size)
    told = await machines.told("few", files, **size)
    assert told["across"]["outcome"] == "unsaid"
    assert told["across"]["looks"][0][0]["unsaid"] == "few-cells"


async def test_a_second_look_must_say_where(machines: Machines) -> None:
    files = Files(b"x", b"y")
    told = await machines.here.told("wrong", files, draws=DRAWS, across=[[2, 0, None]])
    assert isinstance(told, Failed)
    assert "across" in told.error
