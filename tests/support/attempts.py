"""Members of relay frames that identify an attempt, for fake nodes."""

from typing import Any

from rendertrust.protocol import JobDispatch


def attempt_of(dispatch: JobDispatch) -> dict[str, Any]:
    """Return the members of a node's relay frame that identify the attempt of this dispatch."""
    return {"job_id": dispatch.job_id, "unit": dispatch.unit, "attempt": dispatch.attempt}
