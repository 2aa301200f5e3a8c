"""Resource limits that the worker sets for itself before it opens a scene."""

import contextlib
import resource


def limit(limits: dict[str, int]) -> None:
    """Set soft and hard limits; raising them again would need a capability."""
    kinds = {
        "cpu_seconds": resource.RLIMIT_CPU,
        "file_bytes": resource.RLIMIT_FSIZE,
        "files": resource.RLIMIT_NOFILE,
        "address_bytes": resource.RLIMIT_AS,
        "processes": resource.RLIMIT_NPROC,
    }
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, value in limits.items():
        _, hard = resource.getrlimit(kinds[name])
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kinds[name], (bound, bound))


def come_last() -> None:
    """Make this process the kernel's first choice to kill when memory runs out.

    In a sandbox that is set already, and cannot be changed from inside.
    """
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
