"""Paths of the API that are told within what it answers."""

from uuid import UUID


def thumbnail_path(job: UUID, frame: int | None) -> str | None:
    """Where the small picture of a frame is; None of no frame."""
    return None if frame is None else f"/api/v1/jobs/{job}/preview?frame={frame}"
