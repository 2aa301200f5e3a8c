"""The files that are submitted with a scene, found by Blender."""

import contextlib
import tempfile
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from rendertrust.cli import exit_codes, local_preflight, option_types
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.job_spec import JobSpec, NodeNeeds

if TYPE_CHECKING:
    from rendertrust.cli.local_preflight import LocalFindings
    from rendertrust.cli.output import Printer

WITHOUT: Final = (
    "There is no Blender here to look for linked files: only the scene file is sent, and a node "
    "checks the scene first. --no-preflight skips this check."
)

ALONE = "scene.blend"  # arbitrary: without a manifest, a node uses the file's own name
NO_ADDONS: Final[Mapping[str, Path]] = {}


EVERYBODYS: Final = 2 << 30  # bytes of memory that every slot of every node has


@attrs.frozen
class SceneBundle:
    """The files of a job by path; ``moved`` maps the scene's paths of moved files to these paths.

    ``memory``: bytes that a render roughly needs; ``size``: pixels of the picture; ``opengl``: a
    render needs OpenGL; ``saved_by``: the version of Blender that saved the scene. They are 0,
    None and False if no preflight was done.
    """

    scene: str
    files: Mapping[str, Path]
    moved: Mapping[str, str] = attrs.field(factory=dict[str, str])
    memory: int = 0
    size: tuple[int, int] | None = None
    opengl: bool = False
    saved_by: str | None = None

    def add_needs(self, spec: JobSpec) -> JobSpec:
        """Return the job, which requires what the scene needs unless the job states otherwise."""
        needs = spec.needs or NodeNeeds()
        if self.memory > EVERYBODYS and needs.memory is None:
            needs = attrs.evolve(needs, memory=self.memory)
        if self.opengl and needs.opengl is None:
            needs = attrs.evolve(needs, opengl=True)
        spec = attrs.evolve(spec, saved_by=spec.saved_by or self.saved_by)
        return spec if needs == (spec.needs or NodeNeeds()) else attrs.evolve(spec, needs=needs)

    @contextlib.contextmanager
    def written(self) -> Generator[Mapping[str, Path]]:
        """Yield all files, including a temporary file with the new paths of moved files."""
        import orjson

        from rendertrust.preflight.layout import PATHS

        if not self.moved:
            yield self.files
            return
        with tempfile.TemporaryDirectory(prefix="rendertrust-") as folder:
            told = Path(folder) / PATHS
            told.write_bytes(orjson.dumps(dict(self.moved)))
            yield {**self.files, PATHS: told}


def alone(path: Path, addons: Mapping[str, Path] = NO_ADDONS) -> SceneBundle:
    return SceneBundle(ALONE, {ALONE: path, **addons})


def packed(
    output: "Printer",
    path: Path,
    frames: Sequence[int] | None,
    as_is: bool = False,
    *,
    tiled: bool = False,
    picture_format: str | None = None,
    addons: Mapping[str, Path] = NO_ADDONS,
) -> SceneBundle:
    """Return the scene with every linked file that these frames need.

    ``frames`` is empty for the current frame, None for the scene's own range. End the command if
    the scene must be fixed first, unless ``as_is``. With ``tiled``, also end the command if the
    frames cannot be rendered in tiles. ``picture_format`` replaces the scene's format. ``addons``:
    zips that are sent, too, by their paths among the inputs.
    """
    if not local_preflight.has_blender():
        output.note(WITHOUT)
        output.note(f"To look for them here, {local_preflight.how_to_look_here()}.")
        return alone(path, addons)
    place = path.absolute()
    zips = tuple(addons.values())
    looked = local_preflight.look(place, frames, picture_format=picture_format, addons=zips)
    if tiled:
        option_types.require_tiles(looked.findings, "nothing was sent")
    if looked.stops and not as_is:
        raise CommandExit(_to_mend(looked))
    for line in (*looked.files(), *looked.lines()):
        output.note(line)
    layout = looked.layout
    files = {file.path: Path(file.source) for file in layout.files if file.size}
    sent = {layout.scene: place, **files, **addons}
    bundle = SceneBundle(layout.scene, sent, layout.paths) if files else alone(path, addons)
    return attrs.evolve(
        bundle,
        memory=looked.memory,
        size=looked.size,
        opengl=looked.opengl,
        saved_by=looked.saved_by,
    )


def _to_mend(looked: "LocalFindings") -> Exit:
    detail = f"{local_preflight.must_be_fixed(looked.findings)}; nothing was sent"
    facts = {"findings": looked.findings, "missing": looked.layout.missing}
    hint = "\n".join(
        (*looked.lines(), "To send the scene as it is, with the files that exist: --as-is")
    )
    return Exit(exit_codes.FAILURE, "preflight", detail, hint, facts)
