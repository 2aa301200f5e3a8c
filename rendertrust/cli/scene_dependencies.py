"""What goes along with a scene that is submitted: found by Blender, or said to be nothing."""

import contextlib
import tempfile
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from rendertrust.cli import exit_codes, local_preflight, option_types
from rendertrust.cli.exits import CommandExit, Exit

if TYPE_CHECKING:
    from rendertrust.cli.local_preflight import LocalFindings
    from rendertrust.cli.output import Printer
    from rendertrust.client import Needs

WITHOUT = (
    "There is no Blender here to look for linked files: the scene is sent alone, to a node first. "
    "pip install 'rendertrust[render]' brings one; --no-preflight leaves this out."
)

ALONE = "scene.blend"  # nobody sees it: without a manifest a node takes the file's own name


EVERYBODYS: Final = 2 << 30  # bytes of memory that each slot of each node has


@attrs.frozen
class SceneBundle:
    """The files of a job by their paths among the inputs; ``moved`` is told to the scene.

    ``memory``: bytes that a render of it takes, roughly; ``size``: pixels of its pictures. 0 and
    None: nobody looked.
    """

    scene: str
    files: Mapping[str, Path]
    moved: Mapping[str, str] = attrs.field(factory=dict[str, str])
    memory: int = 0
    size: tuple[int, int] | None = None

    @property
    def needs(self) -> "Needs | None":
        """What a node must have for it; None: what any node has."""
        return {"memory": self.memory} if self.memory > EVERYBODYS else None

    @contextlib.contextmanager
    def written(self) -> Generator[Mapping[str, Path]]:
        """All files, the one among them that says where moved ones lie; it is gone afterwards."""
        import orjson

        from rendertrust.preflight.layout import PATHS

        if not self.moved:
            yield self.files
            return
        with tempfile.TemporaryDirectory(prefix="rendertrust-") as folder:
            told = Path(folder) / PATHS
            told.write_bytes(orjson.dumps(dict(self.moved)))
            yield {**self.files, PATHS: told}


def alone(path: Path) -> SceneBundle:
    """The scene and nothing else."""
    return SceneBundle(ALONE, {ALONE: path})


def packed(
    output: "Printer",
    path: Path,
    frames: Sequence[int] | None,
    as_is: bool = False,
    *,
    tiled: bool = False,
) -> SceneBundle:
    """The scene with all that these frames need of what it links (none: the current one; None: the
    scene's own). Ends the command where something must be mended first, unless it is to go
    ``as_is``; ``tiled``: or where its frames cannot be rendered in tiles.
    """
    if not local_preflight.has_blender():
        output.note(WITHOUT)
        return alone(path)
    place = path.absolute()
    looked = local_preflight.look(place, frames)
    if tiled:
        option_types.require_tiles(looked.findings, "nothing was sent")
    if looked.stops and not as_is:
        raise CommandExit(_to_mend(looked))
    for line in (*looked.files(), *looked.lines()):
        output.note(line)
    layout = looked.layout
    files = {file.path: Path(file.source) for file in layout.files if file.size}
    if not files:
        return attrs.evolve(alone(path), memory=looked.memory, size=looked.size)
    sent = {layout.scene: place, **files}
    return SceneBundle(layout.scene, sent, layout.paths, looked.memory, looked.size)


def _to_mend(looked: "LocalFindings") -> Exit:
    count = sum(finding.level == "error" for finding in looked.findings)
    what = "One thing" if count == 1 else f"{count} things"
    detail = f"{what} must be mended in the scene first; nothing was sent"
    facts = {"findings": looked.findings, "missing": looked.layout.missing}
    hint = "\n".join(
        (*looked.lines(), "To send it as it is, with the files that are there: --as-is")
    )
    return Exit(exit_codes.FAILURE, "preflight", detail, hint, facts)
