"""Preflight by a node: findings, and an estimate of the render time."""

from typing import TYPE_CHECKING, Final

import attrs

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.local_preflight import finding_lines, must_be_fixed
from rendertrust.job_types import INFERENCE

if TYPE_CHECKING:
    from rendertrust.cli.output import Printer
    from rendertrust.client import AsyncClient, Estimate, Invalid, Preflight
    from rendertrust.job_spec import JobSpec

WITHIN: Final = 300.0  # seconds; a node may be busy with other work
# Codes of faults in a request; all other codes are codes of findings.
OTHERS: Final = ("conflict", "missing", "unknown", "type", "value", "duplicate", "syntax", "depth")
NOBODY: Final = ("no_node", "nobody")  # reasons that waiting longer does not remove


async def looked(
    output: "Printer", client: "AsyncClient", spec: "JobSpec", *, again: bool = False
) -> "Preflight":
    """Wait for a node's preflight and return the preflight.

    Return at once if no node could do the preflight.
    """
    found = await client.preflight(spec, again=again, within=0)
    if found.status != "PENDING" or is_hopeless(found):
        return found
    is_model = spec.job_type == INFERENCE
    what = "measures the model" if is_model else "checks the scene"
    output.note(f"A node {what}; this is free …")
    return await client.preflight(spec, within=WITHIN)


def is_hopeless(found: "Preflight") -> bool:
    """Return True if no node could do the preflight."""
    return found.waiting is not None and found.waiting.code in NOBODY


def lines(found: "Preflight", *, is_brief: bool = False) -> list[str]:
    """Return the findings and the estimate, for people; ``is_brief``: without how it was made."""
    told = finding_lines(found.findings)
    if found.scene is not None:
        scene = found.scene
        samples = "" if scene.samples is None else f", {scene.samples} samples"
        rate = value_text.rate(scene.fps, scene.fps_base)
        told.append(
            f"{value_text.harmless(scene.engine)}, {scene.width} x {scene.height} pixels{samples};"
            f" frames {scene.frame_start} to {scene.frame_end} at {rate} a second"
        )
    if found.estimate is not None:
        told.append(estimated(found.estimate))
        if not is_brief:
            told.append(f"    {value_text.harmless(found.estimate.how)}")
    elif found.not_estimated:
        told.append(f"The time is unknown: {value_text.harmless(found.not_estimated)}")
    return told


def estimated(estimate: "Estimate") -> str:
    """Return the estimate for people.

    ``About 27 min of one node for 48 frames (20 min to 39 min); 14 min if all 2 slots … help.``
    """
    time = value_text.duration
    frames = "one frame" if estimate.frames == 1 else f"{estimate.frames} frames"
    said = f"About {time(estimate.likely)} of one node for {frames}"
    least, most = time(estimate.least), time(estimate.most)
    said += "" if least == most else f" ({least} to {most})"
    if estimate.elapsed is not None and estimate.frames > 1 and estimate.slots > 1:
        said += f"; {time(estimate.elapsed)} if all {estimate.slots} slots that are online help"
    return f"{said}."


def not_looked(found: "Preflight") -> str:
    """Return a text on why the preflight has no result."""
    if found.status == "FAILED":
        return f"No node could check the scene: {value_text.harmless(found.error or '')}"
    why = (
        "" if found.waiting is None else f": {value_text.harmless(found.waiting.words).rstrip('.')}"
    )
    return f"No node has checked the scene{why}"


def require_mended(found: "Preflight", what: str) -> None:
    """End the command if something must be fixed first.

    ``what`` ends the message, like ``nothing was submitted``.
    """
    if not found.stops:
        return
    hint = "\n".join((*finding_lines(found.findings), "To render the scene as it is: --as-is"))
    detail = f"{must_be_fixed(found.findings)}; {what}"
    facts = {"findings": found.findings, "job_id": found.job_id}
    raise CommandExit(Exit(exit_codes.FAILURE, "preflight", detail, hint, facts))


def refused(error: "Invalid") -> CommandExit | None:
    """Return the exit of the command, with a hint, if the gateway refuses a job for findings.

    The findings are from an earlier preflight of the scene. Return None for other refusals.
    """
    found = [
        fault for fault in error.errors if fault.field == "payload_ref" and fault.code not in OTHERS
    ]
    if not found:
        return None
    hint = "Fix the scene and submit it again. To render the scene as it is: --as-is"
    facts = {"errors": [attrs.asdict(fault) for fault in error.errors]}
    return CommandExit(Exit(exit_codes.FAILURE, "preflight", str(error), hint, facts))
