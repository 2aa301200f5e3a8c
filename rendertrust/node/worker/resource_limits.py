"""Limits that the worker sets for itself: resources, and processor time.

Operations that may never return to Python have a limit of processor time. The kernel ends the
process at the limit, whatever the machine's load. All threads together may use the time once for
each processor, because Blender decodes pictures in parallel. The calling thread may use the time
only once, because a file that keeps one processor busy could take hours.
"""

import contextlib
import ctypes
import os
import resource
import signal
import time
from collections.abc import Generator

LEAST = 1e-6  # seconds; zero would switch the timer off
BILLION = 10**9
LIBRARIES = (None, "librt.so.1")  # in older glibc, timers are in librt


def limit(limits: dict[str, int]) -> None:
    """Set soft and hard limits.

    Without a capability, the process cannot raise these limits again.
    """
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
    """Make the kernel kill this process first when memory runs out.

    In the sandbox, the score is set already, and the process cannot change it.
    """
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")


class _Event(ctypes.Structure):
    """``struct sigevent``: zeros except for the signal."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 48),
    )


class _Times(ctypes.Structure):
    """``struct itimerspec``: interval, then first expiry."""

    _fields_ = tuple(
        (name, ctypes.c_long) for name in ("again", "again_ns", "seconds", "nanoseconds")
    )


@contextlib.contextmanager
def at_most(seconds: float, processors: int) -> Generator[None]:
    """End this process if the calling thread uses more than ``seconds`` of processor time.

    All threads together may use ``seconds`` times ``processors``.
    """
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, max(seconds * processors, LEAST))
    try:
        with _of_this_thread(max(seconds, LEAST)):
            yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextlib.contextmanager
def _of_this_thread(seconds: float) -> Generator[None]:
    timers, timer = _timers(), ctypes.c_void_p()
    event = _Event(signal=signal.SIGPROF)
    clock = time.CLOCK_THREAD_CPUTIME_ID
    _done(timers.timer_create(clock, ctypes.byref(event), ctypes.byref(timer)))
    try:
        times = _Times(seconds=int(seconds), nanoseconds=int(seconds % 1 * BILLION))
        _done(timers.timer_settime(timer, 0, ctypes.byref(times), None))
        yield
    finally:
        timers.timer_delete(timer)


def _timers() -> ctypes.CDLL:
    """Return the library with POSIX timers. Raises OSError if no library has the timers."""
    libraries = (ctypes.CDLL(name, use_errno=True) for name in LIBRARIES)
    return next(one for one in libraries if hasattr(one, "timer_create"))


def _done(failed: int) -> None:
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
