"""Builds a curl command that submits a job again."""

import shlex

import attrs
import orjson

from rendertrust import money
from rendertrust.job_spec import JobSpec
from sql.job_plan import PRIORITIES
from sql.jobs import ConsoleJob


def curl_of(base: str, job: ConsoleJob) -> str | None:
    """Return the command; None if the job is made from another job's results."""
    if job.plan.inputs.frames_of is not None:
        return None
    return " \\\n  ".join(
        (
            f"curl {shlex.quote(base.rstrip('/') + '/api/v1/jobs/dispatch')}",
            '-H "Authorization: Bearer $RENDERTRUST_API_KEY"',
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(orjson.dumps(spec_of(job).body()).decode())}",
        )
    )


def spec_of(job: ConsoleJob) -> JobSpec:
    """Return the job as it was submitted, at its present priority and cap.

    The command queues the job if no node is free.
    """
    words = {number: word for word, number in PRIORITIES.items()}
    return attrs.evolve(
        job.plan.spec,
        queue=True,
        priority=words[job.priority],
        max_credits=None if job.cap is None else money.render(job.cap),
        quoted=None,
        name=job.name,
    )
