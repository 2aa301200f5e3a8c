"""What the artist chooses is kept in the scene; what the panel shows is forgotten with Blender."""

# pyright: reportAttributeAccessIssue=false, reportUntypedBaseClass=false
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from rendertrust.preflight.findings import Finding

props = bpy.props
NAMED = re.compile(r"(\w+) '(.*?)'")  # how findings name a data-block: Object 'Cube'
PRIORITIES = [
    ("low", "Low", "After everything else of yours"),
    ("normal", "Normal", "In its turn"),
    ("high", "High", "Before everything else of yours"),
]
POOLS = [
    ("mine", "Mine", "Your own and your organisations', for nothing"),
    ("trusted", "Trusted", "Yours, and those of operators whom you trust"),
    ("any", "Any", "All that are there"),
]
ORDERS = [
    ("sequential", "In a row", "From the first frame to the last"),
    ("every_nth", "Every nth", "A few over the whole range first, then those between"),
    ("middle_first", "Middle first", "The middle and the ends first, then those between"),
]


class Settings(bpy.types.PropertyGroup):
    """Of one scene, saved with it."""

    __annotations__ = {
        "frames": props.StringProperty(
            name="Frames",
            description="1-250, 1-100x2 or 10,15,20-30; nothing: the frame range of the scene",
        ),
        "chunk": props.IntProperty(
            name="Frames at a time",
            description="How many frames a machine renders in a row; more is better for quick ones",
            default=1,
            min=1,
            max=64,
        ),
        "priority": props.EnumProperty(name="Priority", items=PRIORITIES, default="normal"),
        "max_credits": props.StringProperty(
            name="Cap",
            description="The job pauses before it would cost more credits; nothing: no cap",
        ),
        "pool": props.EnumProperty(
            name="Whose nodes",
            description="Who may see the scene: a node sees what it renders",
            items=POOLS,
            default="any",
        ),
        "order": props.EnumProperty(name="Order", items=ORDERS, default="sequential"),
        "job_id": props.StringProperty(name="Job", description="The job that was submitted last"),
    }


class Found(bpy.types.PropertyGroup):
    """One finding of pre-flight, as the panel shows it."""

    __annotations__ = {
        "level": props.StringProperty(),
        "code": props.StringProperty(),
        "message": props.StringProperty(),
        "setting": props.StringProperty(),
        "object": props.StringProperty(),
        "path": props.StringProperty(),
    }


class State(bpy.types.PropertyGroup):
    """How things stand, of this Blender."""

    __annotations__ = {
        "busy": props.StringProperty(),
        "asking": props.StringProperty(),
        "progress": props.FloatProperty(min=0, max=1),
        "error": props.StringProperty(),
        "email": props.StringProperty(),
        "available": props.StringProperty(),
        "price": props.StringProperty(),
        "priced_how": props.StringProperty(),
        "measurable": props.BoolProperty(),
        "checked": props.BoolProperty(),
        "as_is": props.BoolProperty(
            name="Submit as it is",
            description="With what is marked as an error, and with the files that are there",
        ),
        "findings": props.CollectionProperty(type=Found),
        "status": props.StringProperty(),
        "units": props.IntProperty(),
        "done": props.IntProperty(),
        "failed": props.IntProperty(),
        "charged": props.StringProperty(),
        "saved": props.IntProperty(),
        "folder": props.StringProperty(),
    }


CLASSES = (Settings, Found, State)


def state_of(context: Any) -> Any:
    """The ``State``."""
    return context.window_manager.rendertrust


def settings_of(context: Any) -> Any:
    """The ``Settings`` of the scene that is open."""
    return context.scene.rendertrust


def show(context: Any, told: Mapping[str, Any]) -> None:
    """Take over what a thread told: members of the State by name, and the job of the scene."""
    for name, value in told.items():
        owner = settings_of(context) if name == "job_id" else state_of(context)
        setattr(owner, name, value)
    for area in (area for window in context.window_manager.windows for area in window.screen.areas):
        area.tag_redraw()


def show_findings(context: Any, findings: "Sequence[Finding]") -> None:
    """What pre-flight found, instead of what it found before."""
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
    """Give every scene its Settings, and Blender the State."""
    for one in CLASSES:
        bpy.utils.register_class(one)
    bpy.types.Scene.rendertrust = props.PointerProperty(type=Settings)
    bpy.types.WindowManager.rendertrust = props.PointerProperty(type=State)


def unregister() -> None:
    """Take both away."""
    del bpy.types.WindowManager.rendertrust
    del bpy.types.Scene.rendertrust
    for one in reversed(CLASSES):
        bpy.utils.unregister_class(one)
