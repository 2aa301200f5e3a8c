"""Findings: what to change in a scene before it is rendered on other machines.

A finding's ``code`` is for programs and does not change; ``setting`` names the place in Blender
where a person fixes the cause. An ``error`` stops a job, a ``warning`` may affect its picture, a
``note`` is only information.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from rendertrust import frame_range
from rendertrust.blender_version import UNKNOWN, BlenderVersion, list_text, text_of
from rendertrust.job_spec import SIDE_MAX

EEVEE: Final = "BLENDER_EEVEE"
DRAWN: Final = (EEVEE, "BLENDER_WORKBENCH")  # engines that need OpenGL
CYCLES: Final = "Render Properties > Render Engine: Cycles"
NO_PENCIL: Final = "Object > Convert > Mesh"
OPENGL_PACKAGES: Final = ("libegl1", "libegl-mesa0", "libgl1-mesa-dri")
LEVELS: Final = ("error", "warning", "note")
SAMPLES_MANY: Final = 4096
LOST: Final = "File > External Data > Find Missing Files, or Pack Resources"
OCIO: Final = "Environment variable OCIO: an OpenColorIO configuration (.ocio) whose files exist"
LINEAR: Final = ("OPEN_EXR", "OPEN_EXR_MULTILAYER")  # formats without a view transform
SHOWN_MAX: Final = 100
GIB: Final = 2**30
# If the nodes are unknown: more memory than many machines have, and more memory than any machine
# has.
MACHINES_MANY: Final = 8 * GIB
MACHINES_MOST: Final = 256 * GIB
LESS_MEMORY: Final = (
    "Render Properties > Simplify > Render: Max Subdivision and Texture Limit; or the object's "
    "Modifier Properties: Levels Render, Count"
)


@attrs.frozen(kw_only=True)
class Finding:
    """A finding about a scene. ``object`` or ``path`` is the place of the finding, if known.

    ``written``: for a missing file, the path as the scene has it.
    """

    code: str
    level: str
    message: str
    setting: str
    object: str | None = None
    path: str | None = None
    written: str | None = None


@attrs.frozen(kw_only=True)
class NodeClass:
    """Properties of the nodes that could render the scene.

    ``blenders``: their versions of Blender, empty if unknown. ``wanted``: the version that the job
    names, instead of the one that saved the scene; with ``or_newer`` newer ones may render it.
    ``ram_bytes`` is None if the memory is unknown. ``has_opengl``: None if unknown. ``addons``: the
    ids of add-ons that the farm offers.
    """

    blenders: tuple[BlenderVersion, ...] = ()
    wanted: BlenderVersion = UNKNOWN
    or_newer: bool = False
    ram_bytes: int | None = None
    has_gpu: bool = False
    has_opengl: bool | None = None
    addons: tuple[str, ...] = ()


Facts = Mapping[str, Any]


def findings(
    facts: Facts,
    nodes: NodeClass,
    frames: Sequence[int] = (),
    picture_format: str | None = None,
) -> tuple[Finding, ...]:
    """Return all findings about a scene, errors first.

    ``frames`` are the job's frames; ``picture_format`` is the format for which the job asks, None
    for the scene's.
    """
    if not facts["opened"]:
        return (_unopened(facts, nodes),)
    found = [
        *_version(facts, nodes),
        *_engine(facts, nodes),
        *_format(facts, picture_format),
        *_output(facts),
        *_unmade(facts, picture_format),
        *_views(facts, picture_format),
        *_camera(facts),
        *_files(facts, frames),
        *_parts(facts),
        *_scripts(facts),
        *_addons(facts, nodes),
        *_imports(facts),
        *_memory(facts, nodes),
        *_sampling(facts, nodes),
        *_measured(facts),
        *_frames(facts, frames),
        *_simulations(facts),
        *_tiles(facts),
        *_devices(facts),
        *_grease_pencil(facts, nodes),
    ]
    return tuple(sorted(found, key=lambda finding: LEVELS.index(finding.level)))


def stops(found: Iterable[Finding]) -> bool:
    """Return True if a finding prevents the submission."""
    return any(finding.level == "error" for finding in found)


def _unopened(facts: Facts, nodes: NodeClass) -> Finding:
    if facts.get("is_newer"):
        return _too_new(facts, nodes)
    if facts.get("is_addons"):
        return Finding(
            code="unusable_addon",
            level="error",
            message=facts["error"],
            setting="Submit without this add-on, choose a Blender version for which it is made, or"
            " tell the farm's admin",
        )
    if facts.get("memory", {}).get("bytes"):
        need, most = facts["memory"]["bytes"] / GIB, facts["memory"]["most"]
        return Finding(
            code="too_much_memory",
            level="error",
            message=f"the scene was not opened: showing it needs about {need:,.1f} GiB of memory",
            setting=LESS_MEMORY + " and Levels Viewport",
            object=most[0]["object"] if most else None,
        )
    return Finding(
        code="not_a_scene",
        level="error",
        message=f"Blender cannot open the file: {facts['error']}",
        setting="Open the scene in Blender and save it: File > Save As, as a .blend file",
    )


def _too_new(facts: Facts, nodes: NodeClass) -> Finding:
    """Return the finding about a file that an older Blender could not open."""
    saved, tried = _version_in(facts["saved_by"]), _version_in(facts.get("blender", UNKNOWN))
    theirs = "a newer Blender" if saved == UNKNOWN else f"Blender {text_of(saved)}"
    if saved in nodes.blenders:
        return Finding(
            code="newer_version",
            level="warning",
            message=f"the file was saved by {theirs}; an older one could not open it to check it",
            setting="Check the scene again: a node of its version is connected",
        )
    known = tuple(one for one in (nodes.blenders or (tried,)) if one != UNKNOWN)
    has = f"Blender {list_text(known)}" if known else "the Blender that tried"
    return Finding(
        code="newer_version",
        level="error",
        message=f"the file was saved by {theirs}; {has} cannot open it",
        setting="Save the scene in an older Blender, or wait for a node of its version",
    )


def _version_in(numbers: Sequence[int]) -> BlenderVersion:
    return numbers[0], numbers[1]


def _version(facts: Facts, nodes: NodeClass) -> Iterator[Finding]:
    """Yield a finding if the scene will not be rendered in the version that saved it."""
    saved = _version_in(facts["saved_by"])
    if nodes.wanted not in (UNKNOWN, saved):
        yield _other_version(saved, (nodes.wanted,), "warning", "Leave the version out of the job")
        return
    newer = tuple(one for one in nodes.blenders if one > saved)
    if newer and nodes.or_newer:
        setting = "Compare a frame with your own; or do not allow newer versions"
        yield _other_version(saved, newer, "warning", setting)
    elif nodes.blenders and saved not in nodes.blenders:
        allow = "Allow newer versions of Blender for the job (--or-newer), or " if newer else ""
        newest = text_of(max(nodes.blenders))
        setting = f"{allow}open and save the scene in Blender {newest}"
        setting = f"{setting[0].upper()}{setting[1:]}, or wait for a node that has {text_of(saved)}"
        yield _other_version(saved, nodes.blenders, "error", setting)


def _other_version(
    saved: BlenderVersion, others: Sequence[BlenderVersion], level: str, setting: str
) -> Finding:
    """Return the finding for a scene that the versions ``others`` may render.

    Its code says how old the scene is in comparison with the newest of them.
    """
    does = "the nodes have" if level == "error" else "it may be rendered by"
    return Finding(
        code="older_version" if saved < max(others) else "newer_version",
        level=level,
        message=f"the file was saved by Blender {text_of(saved)}; {does} {list_text(others)}",
        setting=setting,
    )


def _engine(facts: Facts, nodes: NodeClass) -> Iterator[Finding]:
    engine, setting = facts["engine"], f"{CYCLES}, which all nodes render"
    how = f"draws without a graphics card, on nodes that have OpenGL{_drawing_time(facts)}"
    if engine.startswith(DRAWN) and nodes.has_opengl is False:
        yield _no_opengl("EEVEE" if engine.startswith(EEVEE) else "Workbench", CYCLES)
    elif engine.startswith(EEVEE) and not nodes.has_gpu:
        message = f"EEVEE {how}"
        yield Finding(code="eevee_on_cpu", level="note", message=message, setting=setting)
    elif engine.startswith(DRAWN) and not nodes.has_gpu:
        message = f"Workbench {how}"
        yield Finding(code="workbench_on_cpu", level="note", message=message, setting=setting)
    elif engine != "CYCLES" and not engine.startswith("BLENDER_"):
        message = f"the render engine {engine} comes from an add-on"
        yield Finding(code="unknown_engine", level="error", message=message, setting=CYCLES)


def needs_opengl(engine: str, grease_pencil: str | None) -> bool:
    """Return True if only nodes with OpenGL can render the scene."""
    return engine.startswith(DRAWN) or grease_pencil is not None


def _no_opengl(what: str, instead: str, place: str | None = None) -> Finding:
    return Finding(
        code="no_opengl",
        level="error",
        message=f"{what} needs OpenGL, which no connected node has",
        setting=f"{instead}; or ask a node's operator to install {' '.join(OPENGL_PACKAGES)}",
        object=place,
    )


def _drawing_time(facts: Facts) -> str:
    """Return how long the middle one of the measured frames takes; '' without a measurement."""
    probe = facts.get("probe")
    if not probe:
        return ""
    frames, pixels = probe["frames"], probe["width"] * probe["height"]
    one = frames[len(frames) // 2]
    seconds = one["base"] + one["sample"] + (one["flat"] + one["pixel"]) * pixels
    return f"; frame {one['frame']} takes about {max(seconds, 1):.0f} s on the node that tried it"


def _format(facts: Facts, picture_format: str | None) -> Iterator[Finding]:
    """Yield an error for a movie, or a note if the job asks for a format of pictures."""
    if not facts["is_movie"]:
        return
    said = f"the scene writes a movie ({facts['format']})"
    if picture_format is not None:
        message = f"{said}; the job renders its frames as {picture_format} pictures"
        setting = "The job's format; a video can be made of the frames afterwards"
        yield Finding(code="movie_output", level="note", message=message, setting=setting)
        return
    yield Finding(
        code="movie_output",
        level="error",
        message=f"{said}; frames are rendered one by one",
        setting="Choose the job's format, such as PNG; or Output Properties > Output > Media Type:"
        " Image, File Format: PNG or OpenEXR",
    )


def _output(facts: Facts) -> Iterator[Finding]:
    if max(facts["width"], facts["height"]) > SIDE_MAX:
        yield Finding(
            code="too_large",
            level="error",
            message=f"{facts['width']} x {facts['height']} pixels; at most {SIDE_MAX} a side",
            setting="Output Properties > Format > Resolution",
        )
    for node in facts["output_nodes"]:
        yield Finding(
            code="output_node",
            level="warning",
            message="only the picture is delivered, not the files of File Output nodes",
            setting="Compositor: write its passes by OpenEXR MultiLayer in Output Properties",
            object=f"Node '{node}'",
        )
    if facts["burns_in"]:
        yield Finding(
            code="stamp",
            level="note",
            message="date, time, host, memory and file name are left out of the burnt-in metadata",
            setting="Output Properties > Metadata > Burn Into Image",
        )
    if facts["renders_region"]:
        yield Finding(
            code="region",
            level="warning",
            message="only a region of the frame is rendered",
            setting="Output Properties > Format > Render Region",
        )


@attrs.frozen(kw_only=True)
class MissingOutput:
    """Texts of the finding for a scene without a deliverable picture."""

    code: str
    message: str
    setting: str


MISSING_OUTPUT: Final[Mapping[str, MissingOutput]] = {
    "format": MissingOutput(
        code="format_not_delivered",
        message="the scene writes {format}; no node delivers pictures of this format",
        setting="Output Properties > Output > File Format: PNG or OpenEXR",
    ),
    "stereoscopy": MissingOutput(
        code="stereoscopy",
        message="the scene renders several pictures of a frame; nodes deliver a single picture",
        setting="Output Properties > Stereoscopy: off, and submit a scene for each eye",
    ),
    "no_view_layer": MissingOutput(
        code="no_view_layer",
        message="all view layers are switched off for rendering",
        setting="View Layer Properties > View Layer > Use for Rendering",
    ),
    "no_compositor_output": MissingOutput(
        code="no_compositor_output",
        message="the compositor has no picture output",
        setting="Compositor: Add > Output > Group Output, or switch off Output Properties > "
        "Post Processing > Compositing",
    ),
}


def _unmade(facts: Facts, picture_format: str | None) -> Iterator[Finding]:
    for told in facts.get("unmade", ()):
        known = MISSING_OUTPUT.get(told)  # None for a code of a newer worker
        # Movie formats have a separate finding; the job's format replaces the scene's.
        replaced = told == "format" and (facts["is_movie"] or picture_format is not None)
        if known is None or replaced:
            continue
        message = known.message.format(format=facts["format"])
        yield Finding(code=known.code, level="error", message=message, setting=known.setting)


def _camera(facts: Facts) -> Iterator[Finding]:
    if facts["has_camera"]:
        return
    others = facts["cameras"]
    yield Finding(
        code="no_camera",
        level="error",
        message="the scene has no active camera",
        setting="Scene Properties > Scene > Camera" + ("" if others else ", after Add > Camera"),
        object=f"Object '{others[0]}'" if others else None,
    )


def showing(file: Facts) -> frozenset[int] | None:
    """Return the frames that show a missing file of a sequence.

    Return None if all frames show the file, or if the frames are unknown.
    """
    return frozenset(frame_range.parse(file["frames"])) if file.get("frames") else None


def _is_needed(file: Facts, frames: Sequence[int]) -> bool:
    shown = showing(file) if frames else None
    return shown is None or not shown.isdisjoint(frames)


def _files(facts: Facts, frames: Sequence[int]) -> Iterator[Finding]:
    missing = [file for file in facts["files"] if file["bytes"] is None]
    needed = [file for file in missing if _is_needed(file, frames)]
    for file in needed[:SHOWN_MAX]:
        shown = f"; the file is shown at frame {file['frames']}" if file.get("frames") else ""
        yield Finding(
            code="missing_file",
            level="error",
            message=f"a file that the scene needs ({file['kind']}) is missing{shown}",
            setting=OCIO if file["kind"] == "color configuration" else LOST,
            object=file["owner"],
            path=file["path"] if file["kind"] not in ("sequence", "udim") else file["file"],
            written=file["path"],
        )
    for block in facts["missing_blocks"][:SHOWN_MAX]:
        yield Finding(
            code="missing_link",
            level="error",
            message="the linked library no longer has this data-block",
            setting="Outliner > Blender File > Libraries: relocate the library or link it again",
            object=block,
        )


def _parts(facts: Facts) -> Iterator[Finding]:
    for part in facts.get("parts", ())[:SHOWN_MAX]:
        yield Finding(
            code="part_of_sequence",
            level="note",
            message=f"the job's frames need {part['needed']} of the {part['there']} files of the "
            "sequence; the other files are not sent",
            setting="Image Texture > Frames, Start, Offset, Cyclic: which picture a frame shows",
            object=part["owner"],
            path=part["path"],
        )


def _scripts(facts: Facts) -> Iterator[Finding]:
    for script in facts["scripts"][:SHOWN_MAX]:
        is_driver = script["kind"] == "driver"
        yield Finding(
            code="driver_script" if is_driver else "auto_run_script",
            level="warning",
            message="nodes never run a scene's Python; the frame is rendered without these scripts",
            setting=(
                "Graph Editor > Drivers: use a simple expression, or bake the animation"
                if is_driver
                else "Text Editor > Text > Register: off, after baking what the script does"
            ),
            object=script["object"],
        )


def _addons(facts: Facts, nodes: NodeClass) -> Iterator[Finding]:
    setting = "Replace the node by Blender's own nodes, or bake its output to textures"
    if nodes.addons:
        names = " or ".join(nodes.addons)
        setting = f"If its add-on is {names}, send it with the scene (--addon ID). {setting}"
    for node in facts["unknown_nodes"][:SHOWN_MAX]:
        yield Finding(
            code="addon_node",
            level="error",
            message="the node comes from an add-on that is not sent with the scene",
            setting=setting,
            object=node,
        )


def _views(facts: Facts, picture_format: str | None) -> Iterator[Finding]:
    """Yield view transforms that the node's Blender lacks; OpenEXR files are made without them."""
    is_linear = (picture_format or facts.get("format")) in LINEAR
    for view in facts.get("lost_views", ())[:SHOWN_MAX]:
        yield Finding(
            code="unknown_view_transform",
            level="warning" if is_linear else "error",
            message=f"the nodes' Blender has no view transform {view}, and shows other colors",
            setting="Submit with your OpenColorIO configuration: name it in the variable OCIO, or"
            " put config.ocio beside the scene (and choose their folder in the console). Or Render"
            " Properties > Color Management > View: one of Blender's own, or deliver OpenEXR",
        )


def _imports(facts: Facts) -> Iterator[Finding]:
    for node in facts.get("computed_paths", ())[:SHOWN_MAX]:
        yield Finding(
            code="computed_path",
            level="error",
            message="other nodes compute the path, so the file to send is unknown",
            setting="Geometry Nodes: enter the path in the import node itself",
            object=node,
        )


def _memory(facts: Facts, nodes: NodeClass) -> Iterator[Finding]:
    need, most = facts["memory"]["bytes"], facts["memory"]["most"]
    said, where = (
        f"a render needs about {need / GIB:,.1f} GiB of memory",
        most[0]["object"] if most else None,
    )
    if need > (MACHINES_MOST if nodes.ram_bytes is None else nodes.ram_bytes * 0.9):
        have = "machines" if nodes.ram_bytes is None else "the nodes"
        than = "" if nodes.ram_bytes is None else f": {nodes.ram_bytes / GIB:.1f}"
        yield Finding(
            code="too_much_memory",
            level="error",
            message=f"{said}, more than {have} have{than}",
            setting=LESS_MEMORY,
            object=where,
        )
    elif nodes.ram_bytes is None and need > MACHINES_MANY:
        yield Finding(
            code="much_memory",
            level="warning",
            message=f"{said}; many nodes have less, and the job will wait for a larger node",
            setting=LESS_MEMORY,
            object=where,
        )


def _sampling(facts: Facts, nodes: NodeClass) -> Iterator[Finding]:
    samples = facts["samples"]
    if samples is not None and samples >= SAMPLES_MANY:
        yield Finding(
            code="many_samples",
            level="warning",
            message=f"{samples} samples a pixel; a denoised picture needs a few hundred",
            setting="Render Properties > Sampling > Render > Max Samples",
        )
    if facts["time_limit"] > 0:
        yield Finding(
            code="time_limit",
            level="note",
            message="the time limit is ignored, because it makes each render different",
            setting="Render Properties > Sampling > Render > Time Limit",
        )
    if facts["denoiser"] == "OPTIX" and not nodes.has_gpu:
        yield Finding(
            code="gpu_denoiser",
            level="error",
            message="OptiX denoises only on NVIDIA cards, which these nodes do not have",
            setting="Render Properties > Sampling > Render > Denoise: OpenImageDenoise",
        )


def _measured(facts: Facts) -> Iterator[Finding]:
    if facts.get("timed_out"):
        yield Finding(
            code="not_measured",
            level="warning",
            message=f"the check ran out of time before the price was measured: {facts['unprobed']}",
            setting="Check the scene again, with fewer frames, or submit it as it is: without a"
            " measurement, frames are priced by their size and samples",
        )
    elif facts.get("probe_failed"):
        yield Finding(
            code="not_measured",
            level="error",
            message=f"the scene's frames could not be measured: {facts['unprobed']}",
            setting="Render Properties > Simplify, or Sampling > Render > Max Samples",
        )


def _frames(facts: Facts, frames: Sequence[int]) -> Iterator[Finding]:
    first, last = facts["frame_start"], facts["frame_end"]
    outside = [frame for frame in frames if not first <= frame <= last]
    if outside:
        yield Finding(
            code="frames_outside",
            level="warning",
            message=f"{len(outside)} of the frames, such as {outside[0]}, are not in the scene's "
            "frame range",
            setting=f"Output Properties > Frame Range is {first} to {last}",
        )


def _simulations(facts: Facts) -> Iterator[Finding]:
    for name in facts["unbaked"][:SHOWN_MAX]:
        yield Finding(
            code="unbaked_simulation",
            level="warning",
            message="a simulation depends on earlier frames, which other nodes may render",
            setting="Physics Properties > Cache > Bake, with the cache saved in the file",
            object=name,
        )


def _tiles(facts: Facts) -> Iterator[Finding]:
    for reason in facts["tile_obstacles"][:1]:
        yield Finding(
            code="no_tiles",
            level="note",
            message="the scene's frames cannot be rendered in tiles",
            setting=reason,
        )


def _devices(facts: Facts) -> Iterator[Finding]:
    for reason in facts.get("device_dependent", ())[:1]:
        yield Finding(
            code="device_dependent",
            level="note",
            message=(
                f"graphics cards and processors render the scene differently: {reason}. All frames "
                "are rendered on processors, unless the job asks for a device"
            ),
            setting="The job's requirements: device",
        )


def _grease_pencil(facts: Facts, nodes: NodeClass) -> Iterator[Finding]:
    if not facts.get("grease_pencil") or facts["engine"] != "CYCLES":
        return
    if nodes.has_opengl is False:
        yield _no_opengl("Grease Pencil", NO_PENCIL, facts["grease_pencil"])
    else:
        yield Finding(
            code="grease_pencil",
            level="note",
            message=(
                "Grease Pencil is drawn with OpenGL: only nodes that have it render these frames, "
                "and as drivers differ, every frame is checked"
            ),
            setting=f"{NO_PENCIL} makes Cycles render it",
            object=facts["grease_pencil"],
        )
