"""Renewal of leases by status reports."""

from rendertrust.node.agent_settings import AgentSettings
from rendertrust.protocol import JobDispatch, JobStatus, Running


def renewal_seconds(frame: JobDispatch, settings: AgentSettings) -> float:
    """Return the interval of status reports: a quarter of the newest unit's lease at most."""
    given = frame.lease_seconds
    return settings.lease_seconds if given is None else min(settings.lease_seconds, given / 4)


def uploading(ref: Running) -> JobStatus:
    """Return the status of a unit whose result is being uploaded."""
    return JobStatus(
        job_id=ref.job_id,
        unit=ref.unit,
        attempt=ref.attempt,
        progress=1.0,
        detail="uploading",
    )
