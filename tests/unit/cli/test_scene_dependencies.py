"""Requirements and refusals that follow from the local inspection of a scene."""

from pathlib import Path

import attrs
import click
import pytest

from rendertrust.cli import job_options, local_preflight
from rendertrust.cli.command_exit import CommandExit
from rendertrust.cli.local_preflight import LocalFindings
from rendertrust.cli.output import Printer
from rendertrust.cli.scene_dependencies import EVERYBODYS, alone, packed
from rendertrust.job_spec import JobSpec, NodeNeeds
from rendertrust.preflight.findings import Finding
from rendertrust.preflight.layout import laid_out

GIB = 1 << 30


def let_inspection_find(monkeypatch: pytest.MonkeyPatch, looked: LocalFindings) -> None:
    """Make the local inspection return ``looked`` for every scene."""

    def look(path: Path, frames: tuple[int, ...], **_: object) -> LocalFindings:
        return looked

    monkeypatch.setattr(local_preflight, "has_blender", lambda: True)
    monkeypatch.setattr(local_preflight, "look", look)


@pytest.mark.parametrize(
    ("memory", "needs"),
    [(0, None), (EVERYBODYS, None), (5 * GIB, NodeNeeds(memory=5 * GIB))],
)
def test_a_scene_that_takes_much_memory_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int, needs: NodeNeeds | None
) -> None:
    """Much memory becomes a requirement; an amount that any node has is left out."""
    scene = tmp_path / "s.blend"
    looked = LocalFindings((), laid_out(scene, ()), memory)
    let_inspection_find(monkeypatch, looked)
    spec = JobSpec("render")
    assert packed(Printer(), scene, ()).add_needs(spec).needs == needs
    assert attrs.evolve(alone(scene), memory=memory).add_needs(spec).needs == needs
    said = attrs.evolve(spec, needs=NodeNeeds(memory=GIB))
    assert packed(Printer(), scene, ()).add_needs(said) == said


def test_a_scene_that_is_drawn_with_opengl_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = tmp_path / "s.blend"
    let_inspection_find(monkeypatch, LocalFindings((), laid_out(scene, ()), 5 * GIB, opengl=True))
    found = packed(Printer(), scene, ()).add_needs(JobSpec("render"))
    assert found.needs == NodeNeeds(memory=5 * GIB, opengl=True)
    said = JobSpec("render", needs=NodeNeeds(memory=GIB, opengl=False))
    assert packed(Printer(), scene, ()).add_needs(said) == said


def test_a_job_says_which_blender_saved_its_scene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = tmp_path / "s.blend"
    let_inspection_find(monkeypatch, LocalFindings((), laid_out(scene, ()), saved_by="4.5"))
    found = packed(Printer(), scene, ()).add_needs(JobSpec("render"))
    assert found == JobSpec("render", saved_by="4.5")


def looked_at(scene: Path, *findings: Finding) -> LocalFindings:
    texture = scene.parent / "wood.png"
    named: list[dict[str, object]] = [
        {"file": str(texture), "bytes": 4, "kind": "image", "owner": "Image 'wood'"},
        {"file": str(scene.parent / "gone.png"), "bytes": None, "kind": "image", "owner": "Image"},
    ]
    files = [{**file, "path": "//" + Path(str(file["file"])).name} for file in named]
    return LocalFindings(findings, laid_out(scene, files), size=(640, 360))


def test_what_should_be_mended_stops_a_scene_or_goes_along_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``--as-is`` the scene is sent with the files that are there."""
    scene = tmp_path / "s.blend"
    gone = Finding(code="missing_file", level="error", message="is not there", setting="find it")
    let_inspection_find(monkeypatch, looked_at(scene, gone))
    with pytest.raises(CommandExit) as stopped:
        packed(Printer(), scene, ())
    assert "--as-is" in (stopped.value.ending.hint or "")
    sent = packed(Printer(), scene, (), as_is=True)
    assert sent.files == {"s.blend": scene, "wood.png": tmp_path / "wood.png"}


def test_tiles_need_no_size_of_a_scene_that_was_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = tmp_path / "s.blend"
    let_inspection_find(monkeypatch, looked_at(scene))
    size = packed(Printer(), scene, ()).size
    tiled = JobSpec("render", params={"samples": 4}, frames="1", tiles="2x2")
    found = job_options.sized(tiled, size)
    assert found.params == {"samples": 4, "width": 640, "height": 360}
    given = attrs.evolve(tiled, params={"width": 64, "height": 36})
    assert job_options.sized(given, size) == given
    assert job_options.sized(JobSpec("render"), size) == JobSpec("render")
    with pytest.raises(click.UsageError, match="--width and --height"):
        job_options.sized(tiled, None)


def test_a_scene_that_cannot_be_cut_is_not_sent_in_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even ``--as-is`` does not help, because each tile would fail."""
    scene = tmp_path / "s.blend"
    why = "stereoscopy is on"
    let_inspection_find(
        monkeypatch,
        looked_at(scene, Finding(code="no_tiles", level="note", message="", setting=why)),
    )
    assert packed(Printer(), scene, ()).files
    for as_is in (False, True):
        with pytest.raises(CommandExit) as stopped:
            packed(Printer(), scene, (), as_is, tiled=True)
        assert stopped.value.ending.name == "no_tiles"
        assert why in stopped.value.ending.detail
