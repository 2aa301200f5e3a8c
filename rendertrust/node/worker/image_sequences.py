"""Files of image sequences that frames show, counted as Blender does."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

RUNS_MAX = 1000  # characters; a longer list is omitted, which means all frames
PART = re.compile(r"([+-]?\d+)(?:-([+-]?\d+)(?:x(\d+))?)?")
COUNTED = ("frame_offset", "frame_start", "frame_duration", "use_cyclic")


def frames_of(scene: Any, text: str | None) -> list[int]:
    """Return an order's frames: those named; if empty, the current one; if None, the scene's."""
    if text is None:
        first, last, step = scene.frame_start, scene.frame_end, scene.frame_step
        return sorted({scene.frame_current, *range(first, last + 1, step)})
    frames: set[int] = set()
    for first, last, step in PART.findall(text):
        frames.update(range(int(first), int(last or first) + 1, int(step or 1)))
    return sorted(frames) or [scene.frame_current]


def runs(frames: Iterable[int]) -> str | None:
    """Return frames as text like ``3,7-9``; None if that is too long."""
    parts: list[list[int]] = []
    for frame in sorted(set(frames)):
        if parts and parts[-1][1] == frame - 1:
            parts[-1][1] = frame
        else:
            parts.append([frame, frame])
    told = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
    return told if len(told) <= RUNS_MAX else None


def shown(user: Any, frame: int) -> tuple[int, bool]:
    """Return the number that a frame shows of a sequence, and True if the sequence has begun.

    After the last picture, that one stays. Before the first, Blender asks for the number before it
    (``BKE_image_user_frame_get``).
    """
    last = user.frame_duration
    at = frame - user.frame_start + 1
    if user.use_cyclic and last:
        at = at % last or last
    return min(max(at, 0), last) + user.frame_offset, at >= 1


def numbers_of(bpy: Any, image: Any, frames: Sequence[int]) -> Mapping[int, Sequence[int]] | None:
    """Return the numbers of an image sequence that any user shows, each with its frames.

    A number without frames is looked for but may be missing. None: the counting is animated, or
    geometry nodes count, which have no image user.
    """
    if _is_in_geometry(bpy, image):
        return None
    numbers: dict[int, set[int]] = {}
    for tree, user in _users(bpy, image):
        if _is_counted_by_curves(tree):
            return None
        for frame in frames:
            number, has_begun = shown(user, frame)
            if number >= 0:
                numbers.setdefault(number, set()).update([frame] if has_begun else [])
    return {number: sorted(showing) for number, showing in numbers.items()}


def _users(bpy: Any, image: Any) -> Iterator[tuple[Any, Any]]:
    trees = list(bpy.data.node_groups)
    for of in (bpy.data.materials, bpy.data.worlds, bpy.data.lights, bpy.data.scenes):
        trees += [one.node_tree for one in of if getattr(one, "node_tree", None) is not None]
    for tree in trees:
        for node in tree.nodes:
            if getattr(node, "image", None) == image:
                # Shader nodes have an image user; compositor nodes are one.
                yield tree, getattr(node, "image_user", node)
    for texture in bpy.data.textures:
        if getattr(texture, "image", None) == image:
            yield texture, texture.image_user


def _is_in_geometry(bpy: Any, image: Any) -> bool:
    """Return True if geometry nodes, or a modifier's input, use the image."""
    users = bpy.data.user_map(subset=[image])[image]
    return any(
        type(user).__name__ == "Object" or getattr(user, "bl_idname", "") == "GeometryNodeTree"
        for user in users
    )


def _is_counted_by_curves(owner: Any) -> bool:
    animation = owner.animation_data
    curves = () if animation is None else (*animation.drivers, *curves_of(animation.action))
    return any(curve.data_path.endswith(COUNTED) for curve in curves)


def curves_of(action: Any) -> Iterator[Any]:
    """Yield the curves of an action."""
    for layer in getattr(action, "layers", ()):
        for strip in layer.strips:
            for bag in strip.channelbags:
                yield from bag.fcurves


def strip_files(
    bpy: Any, scene: Any, base: str, frames: Sequence[int]
) -> Mapping[str, Sequence[int] | None]:
    """Return the pictures of a folder's image strips that the frames show.

    Any other strip has its one file; a sound strip has none.
    """
    strips = list(scene.sequence_editor.strips_all) if scene.sequence_editor else []
    if base in {_heard(bpy, strip) for strip in strips if _sounds(strip)}:
        return {}
    here = [strip for strip in strips if _folder(bpy, scene, strip) == os.path.dirname(base)]
    is_plain = not any(strip.type == "SPEED" for strip in strips)
    files: dict[str, list[int] | None] = {}
    for strip in here:
        for name, showing in _elements(strip, frames if is_plain else None).items():
            place = os.path.join(os.path.dirname(base), name)
            more = files.get(place, [])
            files[place] = None if showing is None or more is None else [*more, *showing]
    return files if here else {base: None}


def _sounds(strip: Any) -> bool:
    return strip.type == "SOUND" and strip.sound is not None


def _heard(bpy: Any, strip: Any) -> str:
    sound = strip.sound
    return os.path.normpath(str(bpy.path.abspath(sound.filepath, library=sound.library)))


def _folder(bpy: Any, scene: Any, strip: Any) -> str | None:
    if strip.type != "IMAGE":
        return None
    return os.path.normpath(str(bpy.path.abspath(strip.directory, library=scene.library)))


def _elements(strip: Any, frames: Sequence[int] | None) -> Mapping[str, list[int] | None]:
    """Return the pictures that the frames show; all if a speed effect decides that."""
    if frames is None:
        return dict.fromkeys(element.filename for element in strip.elements)
    is_new = hasattr(strip, "left_handle")  # since 5.2; the old names go in 6.0
    first = strip.left_handle if is_new else strip.frame_final_start
    end = strip.right_handle if is_new else strip.frame_final_end
    found: dict[str, list[int]] = {}
    for frame in frames:
        element = strip.strip_elem_from_frame(frame) if first <= frame < end else None
        if element is not None:
            found.setdefault(element.filename, []).append(frame)
    return {**found}
