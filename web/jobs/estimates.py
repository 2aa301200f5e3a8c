"""Estimates of render times, from small pieces of a few frames that a node rendered as a probe."""

from collections.abc import Sequence
from typing import Final

from rendertrust.api.preflights import Estimate
from rendertrust.job_spec import JobSpec
from rendertrust.preflight.frame_probe import spread_of
from web.jobs.preflight_report import SceneFacts

SOME: Final = 1_000  # most frames that are estimated one by one; the total is extrapolated
STARTING: Final = 4.0  # seconds until Blender has opened a scene, if no node has measured it
CARRYING: Final = 1.0  # usual seconds for the transfer of a unit's files and pictures


def estimate_of(
    facts: SceneFacts, frames: Sequence[int], spec: JobSpec, slots: int
) -> Estimate | None:
    """Estimate the time for these frames, or for a job's only frame; None without a probe."""
    if facts.probe is None:
        return None
    params = spec.params
    wanted = frames or (params.get("frame", facts.frame_current),)
    # Work is interpolated linearly between probed frames, so a sample of the frames suffices.
    some = wanted[:: -(-len(wanted) // SOME)]
    spread = spread_of(
        facts.probe.probe(),
        some,
        width=params.get("width"),
        height=params.get("height"),
        samples=params.get("samples"),
    )
    scale, units = len(wanted) / len(some), -(-len(wanted) // spec.chunk)
    overhead, parallel = units * _overhead(facts), min(slots, units)
    likely = spread.likely * scale + overhead
    return Estimate(
        frames=len(wanted),
        least=round(spread.least * scale + overhead, 1),
        likely=round(likely, 1),
        most=round(spread.most * scale + overhead, 1),
        slots=slots,
        elapsed=round(likely / parallel, 1) if parallel else None,
        how=_explanation(facts),
    )


def _overhead(facts: SceneFacts) -> float:
    """Return the seconds per unit for starting Blender and transferring files."""
    return (facts.starting or STARTING) + CARRYING


def _explanation(facts: SceneFacts) -> str:
    assert facts.probe is not None, "an estimate needs a probe"
    probed = ", ".join(str(one.frame) for one in facts.probe.frames)
    threads = facts.probe.threads
    by = f"{threads} thread{'' if threads == 1 else 's'}"
    adaptive = " Adaptive sampling may make it less." if facts.is_adaptive else ""
    return (
        f"Small pieces of the frames {probed} were rendered by one node with {by}; other nodes may"
        f" be faster or slower. {_overhead(facts):.0f} s are added for each unit, to start Blender,"
        " fetch the scene and send the pictures; large files take longer. Denoising and"
        f" compositing are not included.{adaptive}"
    )
