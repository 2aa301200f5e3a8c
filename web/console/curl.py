"""Builds a curl command that submits a job again."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from rendertrust import money
from rendertrust.frame_range import canonical, ordered, parse
from rendertrust.job_spec import JobSpec, NodeNeeds
from sql.jobs import ConsoleJob, ConsolePart
from sql.units import ANY, GRID, POOL
from web.jobs.placement import FRAMES_OF, NEEDS
from web.jobs.validation import PRIORITIES
from web.objects.manifests import MANIFEST

ORDERS: Final = ("sequential", "every_nth", "middle_first")


def curl_of(base: str, job: ConsoleJob, parts: Sequence[ConsolePart]) -> str | None:
    """Return the command, or None if the job was not submitted by one request. ``parts``: units
    of a job with several.
    """
    if job.params.keys() & {FRAMES_OF, MANIFEST} or (job.units > 1 and not parts):
        return None
    body = spec_of(job, parts).body()
    return " \\\n  ".join(
        (
            f"curl {shlex.quote(base.rstrip('/') + '/api/v1/jobs/dispatch')}",
            '-H "Authorization: Bearer $RENDERTRUST_API_KEY"',
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(orjson.dumps(body).decode())}",
        )
    )


def spec_of(job: ConsoleJob, parts: Sequence[ConsolePart]) -> JobSpec:
    """Return the job as it was submitted, except that it waits for a node."""
    words = {number: word for word, number in PRIORITIES.items()}
    return JobSpec(
        job_type=job.job_type,
        payload_ref=job.payload_ref,
        params=dict(shown_params(job)),
        queue=True,
        **cut_of(job, parts),
        priority=words[job.priority],
        max_credits=None if job.cap is None else money.render(job.cap),
        pool=job.params.get(POOL, ANY),
        needs=None if NEEDS not in job.params else NodeNeeds(**job.params[NEEDS]),
    )


def cut_of(job: ConsoleJob, parts: Sequence[ConsolePart]) -> Mapping[str, Any]:
    """Return the job's frames and how they are cut into units."""
    if not parts:
        return {}
    frames = [parse(part.frames) for part in parts]
    turns = sorted(range(len(parts)), key=lambda number: parts[number].place)
    grid = job.params.get(GRID)
    same = [order for order in ORDERS if list(ordered(range(len(parts)), order)) == turns]
    return {
        "frames": canonical(number for part in frames for number in part),
        "chunk": max(len(part) for part in frames),
        "tiles": f"{grid[0]}x{grid[1]}" if grid else None,
        "order": same[0] if same else "sequential",
    }


def shown_params(job: ConsoleJob) -> Mapping[str, Any]:
    """Return the parameters that the creator gave."""
    return {name: value for name, value in job.params.items() if not name.startswith("_")}
