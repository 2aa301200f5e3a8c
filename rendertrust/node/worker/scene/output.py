"""Output of a scene: its format, size, compositor and strips.

Some scenes have no deliverable output, although Blender reports no error. Each reason has a code,
which preflight reports before anything is paid. Each reason also has a message, with which a
submitted job fails.
"""

from typing import Any

from ..ipc import SceneError

MOVIES = ("FFMPEG", "AVI_JPEG", "AVI_RAW", "THEORA", "XVID")
SUFFIXES = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "OPEN_EXR": ".exr",
    "OPEN_EXR_MULTILAYER": ".exr",
    "TIFF": ".tif",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TARGA": ".tga",
    "HDR": ".hdr",
}
# Blender writes the picture if the compositor has one of these nodes.
PUTTING_OUT = (
    *("NodeGroupOutput", "CompositorNodeRLayers", "CompositorNodeViewer"),
    "CompositorNodeComposite",  # before Blender 5.0
)
WORDS = {
    "stereoscopy": "Output Properties > Stereoscopy is on, which makes several pictures of a "
    "frame; switch it off and submit one scene for each eye",
    "no_view_layer": "no view layer is rendered; switch on View Layer Properties > Use for "
    "Rendering",
    "no_compositor_output": "the compositor makes no picture; add a Group Output node, or switch "
    "off Output Properties > Post Processing > Compositing",
}


def compositor_tree(scene: Any) -> Any:
    """Return the scene's compositor tree; None if the scene has no compositor tree."""
    tree = getattr(scene, "compositing_node_group", None)  # since Blender 5.0
    if tree is None and getattr(scene, "use_nodes", False):
        tree = getattr(scene, "node_tree", None)
    return tree


def compositor_nodes(scene: Any) -> list[Any]:
    """Return the nodes of the scene's compositor, including nodes in groups."""
    tree = compositor_tree(scene)
    found: list[Any] = []
    seen: set[str] = set()
    waiting = [tree] if tree is not None else []
    while waiting:
        tree = waiting.pop()
        if tree.name_full in seen:
            continue
        seen.add(tree.name_full)
        for node in tree.nodes:
            found.append(node)
            if getattr(node, "node_tree", None) is not None:
                waiting.append(node.node_tree)
    return found


def shows_strips(scene: Any) -> bool:
    """Return True if the picture comes from the video sequencer, which needs no camera.

    Sounds and muted strips do not count (``RE_seq_render_active``).
    """
    if not (scene.render.use_sequencer and scene.sequence_editor):
        return False
    muted = [channel.mute for channel in scene.sequence_editor.channels]
    return any(
        not (strip.type == "SOUND" or strip.mute or muted[strip.channel])
        for strip in strips_of(scene)
    )


def strips_of(scene: Any, *, nested: bool = False) -> list[Any]:
    """Return the scene's strips; with ``nested`` also the strips inside meta strips."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    name = "strips" if hasattr(editor, "strips") else "sequences"  # before Blender 4.4
    return list(getattr(editor, f"{name}_all" if nested else name))


def is_deliverable(name: str) -> bool:
    """Return True if nodes deliver this file format of Blender."""
    return name in SUFFIXES


def unmade(scene: Any) -> list[str]:
    """Return the codes of the reasons why the scene has no deliverable output.

    ``format`` means that nodes do not deliver the format.
    """
    found = [] if is_deliverable(scene.render.image_settings.file_format) else ["format"]
    return found + _without_picture(scene)


def _without_picture(scene: Any) -> list[str]:
    """Return the codes of the reasons why the scene makes no picture; not ``format``."""
    applies = {
        "stereoscopy": scene.render.use_multiview,
        "no_view_layer": not (shows_strips(scene) or any(of.use for of in scene.view_layers)),
        "no_compositor_output": not shows_strips(scene) and _composes_nothing(scene),
    }
    return [code for code, is_so in applies.items() if is_so]


def _composes_nothing(scene: Any) -> bool:
    if not scene.render.use_compositing or compositor_tree(scene) is None:
        return False
    return not any(node.bl_idname in PUTTING_OUT for node in compositor_nodes(scene))


# ── format and size ───────────────────────────────────────────────────────────────────────────────


def choose_format(render: Any, wanted: str | None) -> str:
    """Set the wanted format, or keep the scene's format; return the file's suffix."""
    settings = render.image_settings
    if wanted is not None:
        set_format(settings, "IMAGE", wanted)
    chosen = settings.file_format
    if not is_deliverable(chosen):
        what = "which no node delivers"
        what = "a movie; frames are rendered one by one" if chosen in MOVIES else what
        raise SceneError(
            f"the scene writes {chosen}, {what}; set Output Properties > File Format to PNG or "
            "OpenEXR, or ask for a format"
        )
    return SUFFIXES[chosen]


def set_format(settings: Any, medium: str, name: str) -> None:
    """Set a file format and, for Blender 5.0 and newer, its medium."""
    if hasattr(settings, "media_type"):
        settings.media_type = medium
    settings.file_format = name


def size_of(scene: Any) -> tuple[int, int]:
    """Return width and height of the picture in pixels, as Blender computes them."""
    render = scene.render
    sides = render.resolution_x, render.resolution_y
    width, height = (max(side * render.resolution_percentage // 100, 1) for side in sides)
    return width, height


def name_of(frame: int, suffix: str) -> str:
    """Return a frame's file name as Blender writes it: ``0012.png``, ``-0003.png``."""
    return f"{'-' if frame < 0 else ''}{abs(frame):04d}{suffix}"
