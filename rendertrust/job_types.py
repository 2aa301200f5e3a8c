"""Job types with a meaning for the gateway; plugins may add others."""

from collections.abc import Iterable, Iterator
from typing import Final

RENDER: Final = "render"
VIDEO: Final = "video"
INFERENCE: Final = "inference"
PREFLIGHT: Final = "preflight"  # free jobs that inspect a scene
CHECK: Final = "check"  # orders to verifiers, which are no jobs
CHECK_BATCH: Final = "check_batch"
RENDERED: Final = frozenset({RENDER, VIDEO})  # job types whose results a `check` examines
_CHECK_OF: Final = "check:"
_PREFLIGHT_OF: Final = "preflight:"


def check_of(job_type: str) -> str:
    """Return the job type of the check that a plugin has for results of this job type."""
    return f"{_CHECK_OF}{job_type}"


def is_check(job_type: str) -> bool:
    """Return True if units of this job type are orders to verifiers."""
    return job_type in (CHECK, CHECK_BATCH) or job_type.startswith(_CHECK_OF)


def types_checked(capabilities: Iterable[str]) -> Iterator[str]:
    """Yield the job types whose results a node with these capabilities can check."""
    for one in capabilities:
        if one == CHECK:
            yield from RENDERED
        elif one.startswith(_CHECK_OF):
            yield one.removeprefix(_CHECK_OF)


def preflight_of(job_type: str) -> str:
    """Return the type of the free jobs that measure what jobs of this type cost."""
    return PREFLIGHT if job_type == RENDER else f"{_PREFLIGHT_OF}{job_type}"


def is_preflight(job_type: str) -> bool:
    """Return True if jobs of this type inspect or measure what another job needs, for free."""
    return job_type == PREFLIGHT or job_type.startswith(_PREFLIGHT_OF)
