"""Renewing leases: how often, and in which words."""

from rendertrust.node.agent_settings import AgentSettings
from rendertrust.protocol import JobDispatch, JobStatus, Running


def renewal_seconds(frame: JobDispatch, settings: AgentSettings) -> float:
    """How often to speak of units: four times in the lease that the gateway gives to the newest."""
    given = frame.lease_seconds
    return settings.lease_seconds if given is None else min(settings.lease_seconds, given / 4)


def uploading(ref: Running) -> JobStatus:
    """A unit that is done, and whose result is on its way."""
    return JobStatus(
        job_id=ref.job_id,
        unit=ref.unit,
        attempt=ref.attempt,
        progress=1.0,
        detail="uploading",
    )
