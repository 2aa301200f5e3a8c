"""API paths that appear in API responses."""

from uuid import UUID


def thumbnail_path(job: UUID, frame: int | None) -> str | None:
    """Return the path of a frame's preview picture; None if ``frame`` is None."""
    return None if frame is None else f"/api/v1/jobs/{job}/preview?frame={frame}"
