"""The address of the page for a new job, filled in with the parameters of an earlier job."""

from typing import Final

import orjson

from rendertrust.job_spec import JobSpec
from rendertrust.job_types import RENDER
from sql.jobs import ConsoleJob
from web.console.curl import spec_of
from web.console.value_markup import address

NEW_JOB: Final = "/console/jobs/new"
_FIELDS: Final = ("width", "height", "samples", "format")


def address_again(job: ConsoleJob) -> str:
    """Return the address; '' if the job is made from another job's results."""
    if job.plan.inputs.frames_of is not None:
        return ""
    return address_of(spec_of(job), job.file)


def address_of(spec: JobSpec, scene_name: str | None) -> str:
    """Return the address of the form of a job like ``spec``."""
    named = {"scene_name": scene_name or ""} | ({} if spec.name is None else {"name": spec.name})
    return address(NEW_JOB, filled(spec) | named)


def filled(spec: JobSpec) -> dict[str, str]:
    """Return the fields of the form by name. A start time is not repeated: it is over."""
    said = {
        "type": spec.job_type,
        "payload_ref": spec.payload_ref,
        "manifest": spec.manifest,
        "pool": spec.pool,
        "priority": spec.priority,
        "max_credits": spec.max_credits,
        "queue": "on" if spec.queue else None,
        "or_newer": "on" if spec.or_newer else None,
        "frames": spec.frames,
        "tiles": spec.tiles,
        "chunk": spec.chunk if spec.chunk > 1 else None,
        "video": spec.video,
        "notify": spec.notify,
        "webhook": spec.webhook,
        "order": spec.order if spec.frames is not None else None,
    }
    if spec.job_type == RENDER:
        said |= {name: spec.params.get(name) for name in _FIELDS}
        if spec.frames is None:
            said |= {"what": "one", "frames": spec.params.get("frame")}
        if said["frames"] is not None:
            said["what"] = "some"
    else:
        said["params"] = orjson.dumps(spec.params).decode()
    return {name: str(value) for name, value in said.items() if value is not None}
