"""Tests of ``rendertrust verify --scene``, which renders a frame again and compares it."""

import asyncio
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import attrs
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from rendertrust.cli.output import Printer
from rendertrust.cli.session import CliSession
from rendertrust.cli.verify import verify
from rendertrust.manifest import Manifest, ManifestEntry
from rendertrust.node import sandbox
from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Completed
from rendertrust.node.worker.formats.picture_digest import of_file
from rendertrust.receipt import receipt_document, sign_work, work_document
from tests.integration.node import test_check_simulated as simulated
from tests.integration.node.resident import Resident
from tests.integration.node.scenes import SAVE, SMALL, build, make, render_locally, unit
from tests.unit.proof import receipts

pytestmark = [pytest.mark.render, pytest.mark.heavy]
NODE = "7d0a7f0e-6f43-4b3a-9a0e-2f6d1d1f0c11"
# Neither denoised nor composited: the picture shows noise, and a texture if the scene has one.
PLAIN = """
scene.cycles.use_denoising, scene.cycles.samples = False, 16
bpy.ops.mesh.primitive_monkey_add(location=(2.2, 0, 0.4))
bpy.context.object.location[2] += 0.1
bpy.context.object.keyframe_insert("location", frame=1)
bpy.context.object.location[2] += 1.0
bpy.context.object.keyframe_insert("location", frame=3)
"""
TEXTURED = """
image = bpy.data.images.load(sys.argv[-2])
image.filepath = "//../textures/wood.png"
for material in bpy.data.materials:
    tree = material.node_tree
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    tree.links.new(node.outputs[0], tree.nodes["Principled BSDF"].inputs["Base Color"])
"""
Said = dict[str, Any]


@attrs.frozen
class Stage:
    """A folder with a scene, and receipts of its frames for the program under test."""

    folder: Path
    blender: Blender

    def receipt(
        self, picture: Path, scene: Path, parameters: Mapping[str, Any], **more: Any
    ) -> Path:
        """Write the receipt of a frame that a node delivered, and return its path."""
        return self.signed(picture, (sha256(scene),), parameters, **more)

    def signed(
        self, made: Path, inputs: Sequence[str], parameters: Mapping[str, Any], **more: Any
    ) -> Path:
        build = more.pop("build", self.blender.build)
        version = more.pop("version", self.blender.version)
        done = attrs.evolve(
            receipts.DONE,
            inputs=tuple(inputs),
            parameters=parameters,
            renderer={"name": "bpy", "version": version, "build": build},
            pixels=more.pop("pixels", None) or of_file(str(made)),
            object={"sha256": sha256(made), "size": made.stat().st_size},
            **more,
        )
        work = work_document(done, NODE, receipts.NODE.public_key())
        document = receipt_document(
            work=work,
            node_signature=sign_work(work, receipts.NODE),
            gateway=receipts.GATEWAY.public_key().public_bytes_raw(),
            verdict="sampled-out",
            price=0,
            issued=receipts.TIME,
        )
        path = self.folder / "receipt.json"
        path.write_text(json.dumps(receipts.file_of(document, proved=False)))
        return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run_verify(*words: object) -> tuple[int, list[Said]]:
    """Run ``rendertrust verify --json``; return its exit code and its documents."""
    said = io.StringIO()
    session = CliSession(None, Printer(json=True, results=said))
    arguments = [str(word) for word in words]
    ran = CliRunner().invoke(verify, arguments, obj=session, standalone_mode=False)
    if ran.exception is not None:
        raise ran.exception
    return ran.return_value, [json.loads(line) for line in said.getvalue().splitlines()]


@pytest.fixture
def stage(tmp_path: Path, resident_blender: Resident, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Return a stage whose renders use the resident Blender."""

    async def found(*_: object, **__: object) -> Resident:
        return resident_blender

    monkeypatch.setattr("rendertrust.node.blender.find", found)
    return Stage(tmp_path, resident_blender)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("plain") / "plain.blend", PLAIN)


@pytest.fixture(scope="module")
def frames(plain: Path) -> Mapping[int, Path]:
    """Render honest frames of the scene."""
    return render_locally(plain, plain.parent / "frames", 1, 2)


def test_an_honest_frame_is_equal_and_both_lie_side_by_side(
    stage: Stage, plain: Path, frames: Mapping[int, Path]
) -> None:
    receipt = stage.receipt(frames[2], plain, {"frame": 2})
    shown = stage.folder / "both.png"
    words = (receipt, frames[2], "--scene", plain, "--seed", 5, "--regions", 4, "--picture", shown)
    code, (of_receipt, told) = run_verify(*words)
    assert (code, of_receipt["holds"], told["verdict"]) == (0, True, "exact"), told
    assert [region["equal"] for region in told["regions"]] == [True] * 4
    assert told["whole"] is None
    with Image.open(shown) as image:
        assert image.width > 3 * 320
    assert run_verify(*words)[1][1]["regions"] == told["regions"]


def test_a_quarter_of_the_samples_is_found_and_its_regions_are_named(
    stage: Stage, plain: Path, tmp_path: Path
) -> None:
    few = build(tmp_path / "few.blend", PLAIN, "\nscene.cycles.samples = 4\n")
    lie = render_locally(few, tmp_path / "out", 1)[1]
    receipt = stage.receipt(lie, plain, {"frame": 1})
    words = ("--scene", plain, "--seed", 5, "--regions", 4)
    code, (_, told) = run_verify(receipt, lie, *words)
    assert (code, told["verdict"]) == (1, "different"), told
    assert told["why_whole"] == "regions of the frame differ"
    assert told["whole"]["off"] > 0.5
    assert told["regions"][0]["off"] > 0.5
    assert Path(told["picture"]) == lie.with_suffix(".verify.png")
    assert lie.with_suffix(".verify.png").is_file()
    # The gateway does not check the version, so a node may invent one.
    other = stage.receipt(lie, plain, {"frame": 1}, version="5.2.99")
    assert run_verify(other, lie, *words)[0] == 1
    # A node that claims another Blender build: the comparison is undecided.
    other = stage.receipt(lie, plain, {"frame": 1}, build="0123456789ab")
    code, (_, told) = run_verify(other, lie, *words, "--whole")
    assert (code, told["verdict"]) == (3, "undecided")
    assert "another Blender" in told["reason"]


def test_a_changed_region_is_named(
    stage: Stage, plain: Path, frames: Mapping[int, Path], tmp_path: Path
) -> None:
    lie, (x, y, across, down) = tmp_path / "lie.png", (40, 8, 10, 10)
    with Image.open(frames[1]) as image:
        pixels = np.asarray(image).copy()
    pixels[y : y + down, x : x + across, :3] = (255, 0, 0)
    Image.fromarray(pixels).save(lie)
    code, (_, told) = run_verify(
        stage.receipt(lie, plain, {"frame": 1}), lie, "--scene", plain, "--whole"
    )
    assert (code, told["verdict"], told["why_whole"]) == (1, "different", "you asked for it")
    assert told["regions"]
    for region in told["regions"]:
        left, top, wide, high = region["at"]
        assert left < x + across
        assert x < left + wide
        assert top < y + down
        assert y < top + high


def test_a_picture_that_breaks_off_cannot_be_decoded(
    stage: Stage, plain: Path, frames: Mapping[int, Path]
) -> None:
    """Blender reads such a picture without pixels and reports no error."""
    cut = stage.folder / "cut.png"
    cut.write_bytes(frames[2].read_bytes()[:-60])
    whole = of_file(str(frames[2]))
    receipt = stage.receipt(cut, plain, {"frame": 2}, pixels=whole)
    code, (_, told) = run_verify(receipt, cut, "--scene", plain)
    assert (code, told["verdict"]) == (1, "different"), told
    assert "the picture cannot be decoded" in told["reason"]


def test_a_scene_that_is_denoised_and_composited_is_rendered_whole(
    stage: Stage, artists: Path, tmp_path: Path
) -> None:
    frame = render_locally(artists, tmp_path / "out", 4)[4]
    receipt = stage.receipt(frame, artists, {"frame": 4, "evidence": True})
    code, (_, told) = run_verify(receipt, frame, "--scene", artists)
    assert (code, told["verdict"], told["regions"]) == (0, "exact", []), told
    assert told["why_whole"] == "view layer ViewLayer is denoised"


async def evidence_of(stage: Stage, scene: Path, name: str) -> Completed:
    """Render frame 4 as a node delivers it, with its evidence."""
    assert isinstance(stage.blender, Resident)
    task = unit(stage.folder / name, {"s.blend": scene}, {"frame": 4, "evidence": True})
    result = await stage.blender.render(stage.folder / "scratch").run(task)
    assert isinstance(result, Completed), result
    return result


def test_regions_of_a_denoised_scene_are_compared_with_its_evidence(
    stage: Stage, artists: Path, tmp_path: Path
) -> None:
    made = asyncio.run(evidence_of(stage, artists, "honest"))
    assert made.file is not None
    assert made.evidence is not None
    named = {"evidence": {"sha256": sha256(made.evidence), "size": made.evidence.stat().st_size}}
    asked = {"frame": 4, "evidence": True}
    receipt = stage.receipt(made.file, artists, asked, measured=named)
    words = ("--scene", artists, "--evidence", made.evidence, "--seed", 5)
    code, (_, told) = run_verify(receipt, made.file, *words)
    assert (code, told["verdict"], told["whole"]) == (0, "exact", None), told
    assert told["finish"]["equal"]
    assert len(told["regions"]) == 12
    # A picture that was edited afterwards, so it was not made from the evidence.
    lie = tmp_path / "lie.png"
    with Image.open(made.file) as image:
        pixels = np.asarray(image).copy()
    pixels[..., 0] //= 2
    Image.fromarray(pixels).save(lie)
    code, (_, told) = run_verify(stage.receipt(lie, artists, asked, measured=named), lie, *words)
    assert (code, told["verdict"]) == (1, "different")
    assert told["why_whole"] == "the picture does not match its evidence"
    # Evidence other than the receipt names.
    receipt = stage.receipt(made.file, artists, asked, measured=named)
    code, (_, told) = run_verify(receipt, made.file, "--scene", artists, "--evidence", lie)
    assert (code, text_of_step("evidence", told)) == (
        1,
        "lie.png is not the evidence that the receipt names",
    )


def test_a_picture_of_a_chunk_is_its_frame(
    stage: Stage, plain: Path, frames: Mapping[int, Path], tmp_path: Path
) -> None:
    chunk = tmp_path / "frames.zip"
    with zipfile.ZipFile(chunk, "w") as packed:
        for number, path in frames.items():
            packed.write(path, f"{number:04d}.png")
    receipt = stage.signed(chunk, [sha256(plain)], {"frames": [1, 2]})
    code, (_, told) = run_verify(receipt, frames[2], "--scene", plain, "--whole")
    assert (code, told["verdict"]) == (0, "exact"), told
    code, (_, told) = run_verify(receipt, chunk, "--scene", plain)
    assert (code, told["verdict"]) == (3, "undecided")
    assert "extract one of them" in told["reason"]


def test_a_frame_of_a_chunk_is_rendered_after_those_before_it(stage: Stage, tmp_path: Path) -> None:
    """The scene's simulation is not baked, so a frame depends on earlier frames."""
    scene = build(tmp_path / "simulated.blend", simulated.PLAIN, simulated.ZONE)
    made = render_locally(scene, tmp_path / "out", 8, 9, 10)
    chunk = tmp_path / "frames.zip"
    with zipfile.ZipFile(chunk, "w") as packed:
        for number, path in made.items():
            packed.write(path, f"{number:04d}.png")
    receipt = stage.signed(chunk, [sha256(scene)], {"frames": [8, 9, 10]})
    code, (_, told) = run_verify(receipt, made[10], "--scene", scene, "--regions", 2)
    # Threads of a simulation may round differently; a frame without it would be invalid.
    assert (code, told["verdict"] in ("exact", "consistent")) == (0, True), told


# ── the files ────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Project:
    """A scene with a texture beside it, a rendered frame, and the list of both files."""

    root: Path
    scene: Path
    texture: Path
    frame: Path
    list: Path


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    scene, texture = root / "shots" / "a.blend", root / "textures" / "wood.png"
    for path in (scene, texture):
        path.parent.mkdir()
    colours = np.random.default_rng(1).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    Image.fromarray(colours).save(texture)
    build_with(scene, texture)
    frame = render_locally(scene, root / "out", 1)[1]
    places = ((scene, "shots/a.blend"), (texture, "textures/wood.png"))
    entries = (ManifestEntry(p, sha256(f), f.stat().st_size, f"uploads/u/{p}") for f, p in places)
    listed = root / "list.json"
    listed.write_bytes(Manifest("shots/a.blend", tuple(entries)).written("key"))
    return Project(root, scene, texture, frame, listed)


def build_with(scene: Path, texture: Path) -> None:
    make("".join((SMALL, PLAIN, TEXTURED, SAVE)), str(texture), str(scene))


def of_project(stage: Stage, project: Project) -> Path:
    asked = {"frame": 1, "scene": "shots/a.blend"}
    return stage.signed(project.frame, [sha256(project.list)], asked)


def test_linked_files_lie_where_they_were_sent(stage: Stage, project: Project) -> None:
    receipt = of_project(stage, project)
    words = (receipt, project.frame, "--scene", project.scene, "--regions", 4)
    code, (_, told) = run_verify(*words, "--manifest", project.list)
    assert (code, told["verdict"]) == (0, "exact"), told
    assert "the scene and 1 files beside it match the receipt" in text_of_step("files", told)
    code, (_, told) = run_verify(*words, "--files", project.root)
    assert (code, told["verdict"]) == (0, "exact"), told
    assert "only the hash of" in text_of_step("files", told)


def test_a_file_that_differs_is_named_and_one_that_nobody_can_tell_leaves_it_undecided(
    stage: Stage, project: Project, tmp_path: Path
) -> None:
    receipt = of_project(stage, project)
    other = tmp_path / "other"
    (other / "textures").mkdir(parents=True)
    Image.new("RGB", (8, 8), (250, 10, 10)).save(other / "textures" / "wood.png")
    words = (receipt, project.frame, "--scene", project.scene, "--files", other)
    code, (_, told) = run_verify(*words, "--manifest", project.list)
    assert (code, told["verdict"]) == (1, "different")
    assert text_of_step("files", told) == "textures/wood.png differs from the file that was sent"
    code, (_, told) = run_verify(*words, "--whole")
    assert (code, told["verdict"]) == (3, "undecided"), told
    assert "--manifest" in told["reason"]
    words_of_list = ("--files", project.root, "--manifest", project.list)
    code, (_, told) = run_verify(receipt, project.frame, "--scene", project.frame, *words_of_list)
    assert (code, told["verdict"]) == (1, "different")
    assert "is not the scene that the receipt names" in text_of_step("scene", told)
    (other / "textures" / "wood.png").unlink()
    code, (_, told) = run_verify(*words, "--manifest", project.list)
    assert code == 1
    assert text_of_step("files", told) == "textures/wood.png was sent but is missing here"


def text_of_step(name: str, told: Said) -> str:
    """Return what the first step with this name says."""
    return next(str(step["said"]) for step in told["steps"] if step["name"] == name)


# ── refusals without a render ────────────────────────────────────────────────────────────────────


def nowhere(_: str) -> None:
    """Stand in for ``shutil.which`` and find no program."""


def test_another_scene_is_named_and_nothing_is_rendered(
    stage: Stage,
    plain: Path,
    artists: Path,
    frames: Mapping[int, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object, **__: object) -> NoReturn:
        raise AssertionError("nothing is to be rendered")

    monkeypatch.setattr("rendertrust.node.blender.find", never)
    receipt = stage.receipt(frames[1], plain, {"frame": 1})
    code, (_, told) = run_verify(receipt, frames[1], "--scene", artists)
    assert (code, told["verdict"]) == (1, "different")
    assert re.match("artists.blend is not the scene that the receipt", text_of_step("scene", told))
    # A picture other than the receipt's is not rendered again either.
    code, documents = run_verify(receipt, frames[2], "--scene", plain)
    assert (code, len(documents), documents[0]["holds"]) == (1, 1, False)


def test_without_a_blender_it_says_what_to_install(
    stage: Stage, plain: Path, frames: Mapping[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("rendertrust.node.blender_discovery.find", lambda: None)
    receipt = stage.receipt(frames[1], plain, {"frame": 1})
    code, (_, told) = run_verify(receipt, frames[1], "--scene", plain)
    assert (code, told["verdict"]) == (3, "undecided")
    assert "pip install 'rendertrust[render]'" in told["reason"]


def test_without_a_sandbox_nothing_is_rendered(
    stage: Stage, plain: Path, frames: Mapping[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("shutil.which", nowhere)
    receipt = stage.receipt(frames[1], plain, {"frame": 1})
    code, (_, told) = run_verify(receipt, frames[1], "--scene", plain)
    assert (code, told["verdict"], told["reason"]) == (3, "undecided", sandbox.INSTALL_BWRAP)
