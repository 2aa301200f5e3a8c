"""Estimates of render times, from small pieces of some frames that a node tried."""

from collections.abc import Sequence
from typing import Final

from rendertrust.api.preflights import Estimate
from rendertrust.job_spec import JobSpec
from rendertrust.preflight.price import spread_of
from web.jobs.scene_facts import SceneFacts

SOME: Final = 1_000  # frames that are sampled
STARTING: Final = 4.0  # seconds until Blender has opened a scene, where no node measured it
CARRYING: Final = 1.0  # and until a unit's files and pictures are transferred, usually


def estimate_of(
    facts: SceneFacts, frames: Sequence[int], spec: JobSpec, slots: int
) -> Estimate | None:
    """Estimate these frames of a job, or its only one; None if none was tried."""
    if facts.probe is None:
        return None
    params = spec.params
    wanted = frames or (params.get("frame", facts.frame_current),)
    some = wanted[
        :: -(-len(wanted) // SOME)
    ]  # work is piecewise linear between tried frames: some are enough
    spread = spread_of(
        facts.probe.probe(),
        some,
        width=params.get("width"),
        height=params.get("height"),
        samples=params.get("samples"),
    )
    each, units = len(wanted) / len(some), -(-len(wanted) // spec.chunk)
    beside, side_by_side = units * _beside(facts), min(slots, units)
    likely = spread.likely * each + beside
    return Estimate(
        frames=len(wanted),
        least=round(spread.least * each + beside, 1),
        likely=round(likely, 1),
        most=round(spread.most * each + beside, 1),
        slots=slots,
        elapsed=round(likely / side_by_side, 1) if side_by_side else None,
        how=_how(facts),
    )


def _beside(facts: SceneFacts) -> float:
    """Return the seconds of a unit in which nothing is rendered."""
    return (facts.starting or STARTING) + CARRYING


def _how(facts: SceneFacts) -> str:
    assert facts.probe is not None, "asked before"
    tried = ", ".join(str(one.frame) for one in facts.probe.frames)
    threads = facts.probe.threads
    by = f"{threads} thread{'' if threads == 1 else 's'}"
    adaptive = " Adaptive sampling may make it less." if facts.is_adaptive else ""
    return (
        f"Small pieces of the frames {tried} were rendered by one node with {by}; other nodes may"
        f" be faster or slower. {_beside(facts):.0f} s are counted for each unit, to start Blender,"
        " fetch the scene and send the pictures; large files take longer. On top come denoising"
        f" and compositing.{adaptive}"
    )
