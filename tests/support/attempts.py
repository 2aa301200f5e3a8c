"""Names of attempts, as fake nodes put them into their frames."""

from typing import Any

from rendertrust.protocol import JobDispatch


def attempt_of(dispatch: JobDispatch) -> dict[str, Any]:
    """Return the members of a node's frame that name the attempt of this dispatch."""
    return {"job_id": dispatch.job_id, "unit": dispatch.unit, "attempt": dispatch.attempt}
