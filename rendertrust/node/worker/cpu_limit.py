"""A bound on the processors' time of this process, whatever else the machine is at: what it is for
may never come back to Python, so the kernel ends the process.

A machine of many processors spends much of it at once where it works on a picture with all of them:
so all threads together have as much as each of the processors would. The one that asks, which
opens files and waits for the others, has its own share and no more: else a file that keeps one
processor busy would have hours.
"""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Generator

LEAST = 1e-6  # nothing would switch a timer off
BILLION = 10**9
LIBRARIES = (None, "librt.so.1")  # where timers are: glibc had them apart


class _Event(ctypes.Structure):
    """``struct sigevent``: zeros but for the signal that is sent."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 48),
    )


class _Times(ctypes.Structure):
    """``struct itimerspec``: again after so long, first after so long."""

    _fields_ = tuple(
        (name, ctypes.c_long) for name in ("again", "again_ns", "seconds", "nanoseconds")
    )


@contextlib.contextmanager
def at_most(seconds: float, processors: int) -> Generator[None]:
    """This process ends where the calling thread takes more of its processor's time than that, or
    all threads together more of so many processors' time.
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
    """The library that has them. OSError where none has."""
    libraries = (ctypes.CDLL(name, use_errno=True) for name in LIBRARIES)
    return next(one for one in libraries if hasattr(one, "timer_create"))


def _done(failed: int) -> None:
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
