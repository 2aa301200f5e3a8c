"""The open scene: preflight findings, and the files to send."""

# pyright: reportAttributeAccessIssue=false
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from .gateway import Folder
from .state import NAMED

if TYPE_CHECKING:
    from rendertrust.cli.local_preflight import LocalFindings
    from rendertrust.cli.scene_dependencies import SceneBundle

LAST = 987_654  # a frame number that does not occur in names by chance


class Unsaved(ValueError):
    """The file was never saved, so its relative links cannot be resolved."""

    def __init__(self) -> None:
        super().__init__(
            "Save the file once (File > Save): linked files are found relative to the saved file"
        )


def frames_of(scene: Any, asked: str) -> str:
    """Return ``asked``, or by default the scene's frame range, in the gateway's notation."""
    if asked.strip():
        return asked.replace(" ", "")
    step = f"x{scene.frame_step}" if scene.frame_step > 1 else ""
    return f"{scene.frame_start}-{scene.frame_end}{step}"


def looked_into(scene: Any, frames: str) -> "LocalFindings":
    """Return the findings and the linked files. Raise Unsaved or FrameRangeError."""
    from rendertrust import frame_range
    from rendertrust.blender_version import name_of
    from rendertrust.cli.local_preflight import LocalFindings
    from rendertrust.node.worker.scene.inspector import facts
    from rendertrust.preflight.findings import NodeClass, findings
    from rendertrust.preflight.layout import laid_out
    from rendertrust.preflight.unsendable_files import unsendable

    if not bpy.data.filepath:
        raise Unsaved
    asked = frame_range.parse(frames)
    found: dict[str, Any] = facts(bpy, scene, asked)
    # The uploaded copy is saved by this Blender, whichever version saved the file before.
    found["saved_by"] = list(bpy.app.version)
    layout = laid_out(Path(bpy.data.filepath), found["files"])
    said = (*unsendable(layout), *findings(found, NodeClass(), asked))
    saved_by = name_of(found["saved_by"])
    return LocalFindings(said, layout, found["memory"]["bytes"], saved_by=saved_by)


def copied(looked: "LocalFindings", folder: Path) -> "SceneBundle":
    """Return all files, including a copy of the open scene; the artist's file is not changed."""
    from rendertrust.cli.scene_dependencies import SceneBundle

    copy = folder / Path(bpy.data.filepath).name
    bpy.ops.wm.save_as_mainfile(filepath=str(copy), copy=True, relative_remap=False, compress=True)
    layout = looked.layout
    files = {file.path: Path(file.source) for file in layout.files if file.size}
    sent = {layout.scene: copy, **files}
    return SceneBundle(layout.scene, sent, layout.paths, looked.memory, saved_by=looked.saved_by)


def out_of(scene: Any) -> Folder:
    """Return the output folder of the scene, and the pattern of Blender's names for the frames.

    The first frame of ``//out/`` is ``0001.png``, of ``//out/shot_`` ``shot_0001.png``, and of
    ``//out/shot_##`` ``shot_01.png``. Raise RuntimeError for a path that Blender cannot resolve.
    """
    last, first = (Path(scene.render.frame_path(frame=frame)).name for frame in (LAST, 0))
    head, _, tail = last.rpartition(str(LAST))
    digits = "#" * (len(first) - len(head) - len(tail))
    folder = Path(scene.render.frame_path(frame=0)).parent
    return Folder(folder, head + digits + tail.removesuffix(scene.render.file_extension))


def objects_of(name: str) -> list[Any]:
    """Return the objects of a finding: ``Object 'Cube'``, or all users of ``Image 'wood'``."""
    found = NAMED.match(name)
    if found is None:
        return []
    kind, called = found.groups()
    blocks = (block for block in _blocks() if type(block).__name__ == kind)
    return _users((block for block in blocks if block.name == called), bpy.data.user_map())


def _blocks() -> Iterable[Any]:
    for name in dir(bpy.data):
        of = getattr(bpy.data, name)
        if isinstance(of, bpy.types.bpy_prop_collection):
            yield from (block for block in of if isinstance(block, bpy.types.ID))


def _users(blocks: Iterable[Any], users: Mapping[Any, Iterable[Any]]) -> list[Any]:
    """Return the objects that use the blocks, directly or through other blocks."""
    todo = list(blocks)
    seen, objects = set(todo), []
    while todo:
        block = todo.pop()
        if isinstance(block, bpy.types.Object):
            objects.append(block)
            continue
        fresh = [user for user in users.get(block, ()) if user not in seen]
        seen.update(fresh)
        todo += fresh
    return objects
