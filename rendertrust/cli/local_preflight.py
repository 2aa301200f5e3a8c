"""Preflight by this machine's Blender: findings, and the files that a scene links."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.unix_only import is_windows, refuse_on_windows

if TYPE_CHECKING:
    from rendertrust.client import SceneFinding
    from rendertrust.preflight.findings import Finding
    from rendertrust.preflight.layout import Layout

GIB: Final = 2**30
FILES_SHOWN: Final = 50


@attrs.frozen
class LocalFindings:
    """The findings about a scene."""

    findings: "tuple[Finding, ...]"
    layout: "Layout"
    memory: int = 0  # bytes of memory that a render needs, roughly
    size: tuple[int, int] | None = (
        None  # width and height of the pictures; None if the scene could not be opened
    )
    opengl: bool = False  # a render needs OpenGL
    saved_by: str | None = None  # version of Blender that saved the scene; None if unknown

    @property
    def stops(self) -> bool:
        """True if the scene must be fixed before it is rendered."""
        return any(finding.level == "error" for finding in self.findings)

    def lines(self) -> list[str]:
        """Return the findings for people, two lines per finding."""
        return finding_lines(self.findings)

    def files(self) -> list[str]:
        """Return the linked files with their sizes, for people."""
        layout = self.layout
        if not layout.files:
            return []
        what = "One linked file" if len(layout.files) == 1 else f"{len(layout.files)} linked files"
        lines = [f"{what}, {value_text.size(layout.size)}:"]
        lines += [
            f"    {file.size:>12,}  {value_text.harmless(str(file.source))}"
            for file in layout.files[:FILES_SHOWN]
        ]
        if len(layout.files) > FILES_SHOWN:
            lines.append(f"    … and {len(layout.files) - FILES_SHOWN} more (--json lists all)")
        return lines


def finding_lines(findings: "Sequence[Finding | SceneFinding]") -> list[str]:
    """Return findings of this machine or of a node for people, two lines per finding."""
    lines: list[str] = []
    for finding in findings:
        where = finding.path or finding.object
        at = f" ({value_text.harmless(where)})" if where else ""
        lines.append(f"{finding.level}: {value_text.harmless(finding.message)}{at}")
        lines.append(f"    {value_text.harmless(finding.setting)}")
    return lines


def must_be_fixed(findings: "Sequence[Finding | SceneFinding]") -> str:
    """Return a text on how many errors must be fixed."""
    count = sum(finding.level == "error" for finding in findings)
    return f"{'One thing' if count == 1 else f'{count} things'} must be fixed in the scene first"


def has_blender() -> bool:
    """Return True if this machine can look at scenes: it has Blender, and is not Windows."""
    if is_windows():
        return False
    from rendertrust.node import blender_discovery

    return blender_discovery.find() is not None


def how_to_look_here() -> str:
    """Return what to do so that this machine can look at scenes."""
    if is_windows():
        return "install WSL2 (wsl --install), and run the command in its Linux shell"
    from rendertrust.node import blender_discovery

    return blender_discovery.how_to_get_blender()


def look(
    path: Path,
    frames: Sequence[int] | None,
    ram: float | None = None,
    picture_format: str | None = None,
    addons: Sequence[Path] = (),
) -> LocalFindings:
    """Open the scene at ``path`` (absolute) and return the findings.

    ``ram``: a node's memory in GiB. ``frames`` are the frames to be rendered: empty for the current
    frame, None for the scene's range. ``picture_format`` is the format for which the job asks.
    ``addons``: zips of add-ons that are sent with the scene. End the command if this machine has no
    Blender, or if the inspection fails. A scene that Blender cannot open is a finding.
    """
    from rendertrust.blender_version import name_of
    from rendertrust.preflight.findings import NodeClass, findings, needs_opengl
    from rendertrust.preflight.layout import laid_out
    from rendertrust.preflight.unsendable_files import unsendable

    facts = _facts(path, frames, addons)
    nodes = NodeClass(ram_bytes=None if ram is None else int(ram * GIB))
    layout = laid_out(path, facts.get("files", ()))
    return LocalFindings(
        (*unsendable(layout), *findings(facts, nodes, frames or (), picture_format)),
        layout,
        int((facts.get("memory") or {}).get("bytes") or 0),
        (facts["width"], facts["height"]) if facts["opened"] else None,
        facts["opened"] and needs_opengl(facts["engine"], facts.get("grease_pencil")),
        name_of(facts["saved_by"]),
    )


def _facts(path: Path, frames: Sequence[int] | None, addons: Sequence[Path]) -> Mapping[str, Any]:
    refuse_on_windows("Scenes are opened")
    from rendertrust.node.blender import NoBlender
    from rendertrust.node.plugin import Failed
    from rendertrust.node.scene_inspection import TimedOut
    from rendertrust.node.scene_inspection import look as looked

    told = asyncio.run(looked(path, frames, addons))
    if isinstance(told, NoBlender):
        hint = "Blender finds the files that the scene links. A node needs no such installation."
        raise CommandExit(Exit(exit_codes.FAILURE, "no_blender", told.reason, hint))
    if isinstance(told, TimedOut):
        hint = "Try again while this machine is idle, or have a node check the scene:\n"
        hint += "  rendertrust preflight --farm SCENE"
        raise CommandExit(Exit(exit_codes.FAILURE, "preflight_timed_out", told.error, hint))
    if isinstance(told, Failed):
        hint = "Open the scene in Blender, save it, and try again."
        raise CommandExit(Exit(exit_codes.FAILURE, "preflight_failed", told.error, hint))
    return told
