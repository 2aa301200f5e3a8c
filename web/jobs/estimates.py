"""Estimates of render times, from small renders of a few frames that a node made as a probe."""

from collections.abc import Sequence
from typing import Final

from rendertrust.api.preflights import Estimate
from rendertrust.frame_range import parse
from rendertrust.inference.row_plan import RowPlan, read_plan
from rendertrust.job_spec import JobSpec
from rendertrust.preflight.frame_probe import spread_of
from web.jobs.preflight_report import ModelFacts, SceneFacts
from web.jobs.preflights import PreflightState

SOME: Final = 1_000  # most frames that are estimated one by one; the total is extrapolated
STARTING: Final = 4.0  # seconds until Blender has opened a scene, if no node has measured it
CARRYING: Final = 1.0  # usual seconds for the transfer of a unit's files and pictures


def estimate_of_job(known: PreflightState, spec: JobSpec, slots: int) -> Estimate | None:
    """Estimate the time for a job by its preflight; None if nothing was measured."""
    if known.model is not None:
        is_measured = not known.model.error and "rows" in spec.params
        return estimate_of_rows(known.model, read_plan(spec.params), slots) if is_measured else None
    frames = () if spec.frames is None else parse(spec.frames)
    return None if known.facts is None else estimate_of(known.facts, frames, spec, slots)


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
        how=_explanation(facts, wanted),
    )


def estimate_of_rows(model: ModelFacts, rows: RowPlan, slots: int) -> Estimate:
    """Estimate the time for all rows, by the time of a row on the node that measured it."""
    seconds = rows.units * (model.start + CARRYING) + rows.rows * model.row
    parallel = min(slots, rows.units)
    likely = round(seconds, 1)
    return Estimate(
        frames=rows.units,
        least=likely,
        likely=likely,
        most=likely,
        slots=slots,
        elapsed=round(seconds / parallel, 1) if parallel else None,
        how=f"One node measured {model.batches} batches of rows with one thread; other nodes may be"
        f" faster or slower. {model.start + CARRYING:.0f} s are added for each unit.",
    )


def _overhead(facts: SceneFacts) -> float:
    """Return the seconds per unit for starting Blender and transferring files."""
    return (facts.starting or STARTING) + CARRYING


def _explanation(facts: SceneFacts, frames: Sequence[int]) -> str:
    assert facts.probe is not None, "an estimate needs a probe"
    numbers = [str(one.frame) for one in facts.probe.frames]
    probed = f"frame {numbers[0]} was" if len(numbers) == 1 else f"frames {', '.join(numbers)} were"
    threads = facts.probe.threads
    by = f"{threads} thread{'' if threads == 1 else 's'}"
    first, last = facts.measured
    outside = f" Frames outside {first} to {last} count like these."
    beyond = "" if facts.counts_for(frames) else outside
    adaptive = " Adaptive sampling may make it less." if facts.is_adaptive else ""
    return (
        f"The {probed} rendered small by one node with {by}; other nodes may be"
        f" faster or slower. {_overhead(facts):.0f} s are added for each unit, to start Blender,"
        " fetch the scene and send the pictures; large files take longer. Compositing is not"
        f" included.{beyond}{adaptive}"
    )
