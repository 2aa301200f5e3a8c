"""The panel: Properties > Output > RenderTrust."""

# pyright: reportAttributeAccessIssue=false, reportUntypedBaseClass=false
from pathlib import Path
from typing import Any

import bpy

from .pictures import icon_of
from .state import TERMS, settings_of, state_of

ICONS = {"error": "CANCEL", "warning": "ERROR", "note": "INFO"}
COLUMNS, THUMBNAIL = 3, 5.0
ENDED = ("COMPLETED", "FAILED", "CANCELLED")


class Panel(bpy.types.Panel):
    """The panel, from login to frames, from top to bottom."""

    bl_idname = "RENDER_PT_rendertrust"
    bl_label = "RenderTrust"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "output"

    def draw(self, context: Any) -> None:
        """Draw the panel; Blender calls this function."""
        layout, state = self.layout, state_of(context)
        layout.use_property_split = True
        _account(layout, state)
        _choices(layout, settings_of(context))
        _check(layout, state)
        _job(layout, state, settings_of(context))
        if state.error:
            _sentence(layout, state.error, "ERROR")


def _account(layout: Any, state: Any) -> None:
    row = layout.row()
    if state.email:
        row.label(text=f"{state.email}: {_credits(state.available)}", icon="USER")
        row.operator("rendertrust.sign_out", text="", icon="X")
    else:
        row.operator("rendertrust.sign_in", icon="USER")


def _choices(layout: Any, settings: Any) -> None:
    column = layout.column()
    for name in ("frames", *TERMS):
        column.prop(settings, name)


def _check(layout: Any, state: Any) -> None:
    layout.operator("rendertrust.check", icon="VIEWZOOM")
    if state.checked and not state.findings:
        layout.label(text="No problems found", icon="CHECKMARK")
    for index, finding in enumerate(state.findings):
        box = layout.box()
        row = box.row()
        _sentence(row.column(), finding.message, ICONS[finding.level])
        if finding.object:
            row.operator(
                "rendertrust.show_finding", text="", icon="RESTRICT_SELECT_OFF"
            ).index = index
        if finding.path:
            box.label(text=finding.path, icon="FILE")
        _sentence(box.column(), finding.setting, "TOOL_SETTINGS")
    if any(finding.level == "error" for finding in state.findings):
        layout.prop(state, "as_is")


def _job(layout: Any, state: Any, settings: Any) -> None:
    row = layout.row()
    row.operator("rendertrust.quote", icon="QUESTION")
    if state.total:
        row.label(text=" ".join(filter(None, (_credits(state.total), state.money))))
    if state.priced_how:
        _sentence(layout, state.priced_how, "INFO")
    if state.measurable:
        layout.operator("rendertrust.measure", icon="TIME")
    layout.operator("rendertrust.submit", icon="RENDER_ANIMATION")
    if state.busy or state.asking:
        said = ", ".join(filter(None, (state.busy or state.asking, state.busy and state.ends)))
        layout.progress(factor=state.progress, text=said)
    if settings.job_id:
        _controls(layout, state)
        _pictures(layout, state)


def _controls(layout: Any, state: Any) -> None:
    if state.status:
        counts = f"{state.done} of {state.units} frames or chunks"
        counts += f", {state.failed} failed" if state.failed else ""
        layout.label(text=f"{state.status.capitalize()}: {counts}")
        charged, held = _amount(state.charged or "0"), _credits(state.held or "0")
        layout.label(text=f"Charged: {charged} of {held}")
    if state.folder:
        layout.label(text=f"{state.saved} files in {state.folder}", icon="FILE_FOLDER")
    row = layout.row(align=True)
    row.operator("rendertrust.follow", icon="IMPORT")
    if state.status not in ENDED:
        for verb, icon in (("pause", "PAUSE"), ("resume", "PLAY"), ("stop", "SNAP_FACE")):
            row.operator("rendertrust.speak", text=verb.capitalize(), icon=icon).verb = verb


def _pictures(layout: Any, state: Any) -> None:
    """Draw the newest frames, each with a button that loads it."""
    grid = layout.grid_flow(columns=COLUMNS, even_columns=True)
    for picture in state.pictures:
        cell = grid.column(align=True)
        cell.template_icon(icon_value=icon_of(picture.path), scale=THUMBNAIL)
        button = cell.operator(
            "rendertrust.load_frame", text=Path(picture.path).name, icon="IMAGE_DATA"
        )
        button.path = picture.path


def _sentence(layout: Any, text: str, icon: str) -> None:
    """Draw a text as several labels, because a label does not wrap."""
    line = ""
    for word in text.split():
        if line and len(line) + len(word) > 58:
            layout.label(text=line, icon=icon)
            line, icon = "", "BLANK1"
        line = f"{line} {word}".strip()
    layout.label(text=line, icon=icon)


def register() -> None:
    """Register the panel."""
    bpy.utils.register_class(Panel)


def unregister() -> None:
    """Unregister the panel."""
    bpy.utils.unregister_class(Panel)


def _amount(text: str) -> str:
    from rendertrust.money import format_amount

    return format_amount(text)


def _credits(text: str) -> str:
    from rendertrust.money import credit_count

    return credit_count(text)
