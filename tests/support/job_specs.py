"""Specs of render jobs for tests of how jobs are cut into units."""

from rendertrust.job_spec import JobSpec, Order


def in_frames(
    frames: str | None = None, chunk: int = 1, tiles: str | None = None, order: Order = "sequential"
) -> JobSpec:
    """A render job of these frames."""
    return JobSpec("render", frames=frames, chunk=chunk, tiles=tiles, order=order)
