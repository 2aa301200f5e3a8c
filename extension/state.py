"""The artist's settings, saved in the scene, and the panel's state, which is not saved."""

# pyright: reportAttributeAccessIssue=false, reportUntypedBaseClass=false
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import bpy

from rendertrust.job_spec import CHUNK_MAX, JobSpec, Order, Pool, Priority

if TYPE_CHECKING:
    from rendertrust.preflight.findings import Finding

props = bpy.props
# pattern of the names of data-blocks in findings, like Object 'Cube'
NAMED = re.compile(r"(\w+) '(.*?)'")
USUAL = JobSpec("render")
PRIORITIES: Mapping[Priority, tuple[str, str]] = {
    "low": ("Low", "After all your other jobs"),
    "normal": ("Normal", "In order of submission"),
    "high": ("High", "Before all your other jobs"),
}
POOLS: Mapping[Pool, tuple[str, str]] = {
    "mine": ("Mine", "Your nodes and your organisations' nodes (free)"),
    "trusted": ("Trusted", "Your nodes, and the nodes of users you trust"),
    "any": ("Any", "All nodes"),
}
ORDERS: Mapping[Order, tuple[str, str]] = {
    "sequential": ("In a row", "From the first frame to the last"),
    "every_nth": ("Every nth", "Every tenth frame first, then the other frames"),
    "middle_first": ("Middle first", "Both ends first, then the middle of each gap"),
}
NO_VIDEO = "NONE"
VIDEOS: Mapping[str, tuple[str, str]] = {
    NO_VIDEO: ("None", "Only the frames"),
    "MP4": ("MP4", "H.264, made when all frames are complete, at the price of a video"),
    "WEBM": ("WebM", "VP9, made when all frames are complete, at the price of a video"),
}


def items(words: Mapping[Any, tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Return the items of an EnumProperty: each choice with its name and description."""
    return [(choice, name, description) for choice, (name, description) in words.items()]


class Settings(bpy.types.PropertyGroup):
    """Settings of a scene, saved in that scene."""

    __annotations__ = {
        "frames": props.StringProperty(
            name="Frames",
            description="1-250, 1-100x2 or 10,15,20-30; empty: the scene's frame range",
        ),
        "chunk": props.IntProperty(
            name="Frames per unit",
            description="How many frames a node renders as one unit; use more for quick frames",
            default=USUAL.chunk,
            min=1,
            max=CHUNK_MAX,
        ),
        "priority": props.EnumProperty(
            name="Priority", items=items(PRIORITIES), default=USUAL.priority
        ),
        "max_credits": props.StringProperty(
            name="Cap",
            description="The job pauses before its cost exceeds this many credits; empty: no cap",
        ),
        "pool": props.EnumProperty(
            name="Pool",
            description="Nodes that may render the scene; such nodes can see the scene",
            items=items(POOLS),
            default=USUAL.pool,
        ),
        "or_newer": props.BoolProperty(
            name="Newer Blender",
            description="Also render on nodes that have a newer Blender than this one",
            default=USUAL.or_newer,
        ),
        "order": props.EnumProperty(name="Order", items=items(ORDERS), default=USUAL.order),
        "video": props.EnumProperty(name="Video", items=items(VIDEOS), default=NO_VIDEO),
        "start_after": props.StringProperty(
            name="Start after",
            description="No frame begins before this time, like 2027-01-31 18:00; empty: at once",
        ),
        "job_id": props.StringProperty(name="Job", description="The last submitted job"),
    }


class Found(bpy.types.PropertyGroup):
    """A preflight finding in the panel."""

    __annotations__ = {
        "level": props.StringProperty(),
        "code": props.StringProperty(),
        "message": props.StringProperty(),
        "setting": props.StringProperty(),
        "object": props.StringProperty(),
        "path": props.StringProperty(),
    }


class Picture(bpy.types.PropertyGroup):
    """A finished frame in the panel: the path of its file."""

    __annotations__ = {"path": props.StringProperty()}


class State(bpy.types.PropertyGroup):
    """The panel's state, for this run of Blender."""

    __annotations__ = {
        "busy": props.StringProperty(),
        "asking": props.StringProperty(),
        "progress": props.FloatProperty(min=0, max=1),
        "error": props.StringProperty(),
        "email": props.StringProperty(),
        "available": props.StringProperty(),
        "price": props.StringProperty(),
        "total": props.StringProperty(),
        "money": props.StringProperty(),
        "priced_how": props.StringProperty(),
        "measurable": props.BoolProperty(),
        "checked": props.BoolProperty(),
        "as_is": props.BoolProperty(
            name="Submit as it is",
            description="Submit despite errors, with the linked files that exist",
        ),
        "findings": props.CollectionProperty(type=Found),
        "status": props.StringProperty(),
        "units": props.IntProperty(),
        "done": props.IntProperty(),
        "failed": props.IntProperty(),
        "ends": props.StringProperty(),
        "held": props.StringProperty(),
        "charged": props.StringProperty(),
        "saved": props.IntProperty(),
        "folder": props.StringProperty(),
        "pictures": props.CollectionProperty(type=Picture),
    }


CLASSES = (Settings, Found, Picture, State)


# The settings that are members of a ``JobSpec``, in the order of the panel.
TERMS = ("chunk", "order", "priority", "max_credits", "pool", "or_newer", "video", "start_after")


def terms_of(settings: Any) -> dict[str, Any]:
    """Return the members of a ``JobSpec`` that the settings contain; empty texts become None.

    ``start_after`` is this machine's local time. Raise ValueError for an invalid time.
    """
    values = {name: getattr(settings, name) for name in TERMS}
    texts = {
        name: value.strip() or None for name, value in values.items() if isinstance(value, str)
    }
    start = texts["start_after"]
    time = None if start is None else datetime.fromisoformat(start).astimezone()
    video = None if texts["video"] == NO_VIDEO else texts["video"]
    return {**values, **texts, "start_after": time, "video": video}


def state_of(context: Any) -> Any:
    return context.window_manager.rendertrust


def settings_of(context: Any) -> Any:
    """Return the ``Settings`` of the open scene."""
    return context.scene.rendertrust


def show(context: Any, told: Mapping[str, Any]) -> None:
    """Apply a thread's report: new values of the State, and the scene's job."""
    for name, value in told.items():
        if name == "pictures":
            _show_pictures(state_of(context), value)
            continue
        owner = settings_of(context) if name == "job_id" else state_of(context)
        setattr(owner, name, value)
    for area in (area for window in context.window_manager.windows for area in window.screen.areas):
        area.tag_redraw()


def _show_pictures(state: Any, paths: Sequence[str]) -> None:
    """Replace the shown frames."""
    state.pictures.clear()
    for path in paths:
        state.pictures.add().path = path


def show_findings(context: Any, findings: "Sequence[Finding]") -> None:
    """Replace the shown findings."""
    state = state_of(context)
    state.findings.clear()
    for finding in findings:
        item = state.findings.add()
        item.level, item.code = finding.level, finding.code
        item.message, item.setting = finding.message, finding.setting
        item.object = finding.object if finding.object and NAMED.match(finding.object) else ""
        item.path = finding.path or ""
    state.checked = True
    state.as_is = state.as_is and any(finding.level == "error" for finding in findings)


def register() -> None:
    """Add Settings to every scene, and the State to Blender."""
    for one in CLASSES:
        bpy.utils.register_class(one)
    bpy.types.Scene.rendertrust = props.PointerProperty(type=Settings)
    bpy.types.WindowManager.rendertrust = props.PointerProperty(type=State)


def unregister() -> None:
    """Remove the Settings and the State from Blender."""
    del bpy.types.WindowManager.rendertrust
    del bpy.types.Scene.rendertrust
    for one in reversed(CLASSES):
        bpy.utils.unregister_class(one)
