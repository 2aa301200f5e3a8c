"""CPU time limits for opening a stranger's file, for each thread and for all threads together."""

import signal
import subprocess
import sys

import pytest

SECONDS = 0.05
PROGRAM = """
import hashlib, os, sys, threading, time
from rendertrust.node.worker.checks.open_watchdog import MAKING, PICTURE, OpenProgress

def work(clock, seconds):
    began = clock()
    while clock() - began < seconds:
        hashlib.pbkdf2_hmac("sha256", b"a", b"b", 10_000)

def others(seconds):  # this thread waits
    many = [threading.Thread(target=work, args=(time.thread_time, seconds / 4)) for _ in range(4)]
    [one.start() for one in many], [one.join() for one in many]

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
order = {"open_seconds": %r, "threads": int(sys.argv[1])}
with OpenProgress(lambda *_, **__: None, 1, order).about(sys.argv[2], (64, 64)):
    sys.argv[3] == "others" and others(float(sys.argv[4]))
    sys.argv[3] == "itself" and work(time.thread_time, float(sys.argv[4]))
"""


def ending(threads: int, what: str, who: str, seconds: float) -> int:
    program = PROGRAM % SECONDS
    words = [sys.executable, "-c", program, str(threads), what, who, str(seconds)]
    return subprocess.run(words, timeout=60, check=False).returncode


@pytest.mark.parametrize("what", ["picture", "making"])
def test_what_many_threads_do_at_once_is_no_reason_to_end(what: str) -> None:
    long = 5 if what == "making" else 1
    assert ending(64, what, "others", 4 * long * SECONDS) == 0


def test_one_thread_that_never_ends_does_however_many_there_are() -> None:
    assert ending(64, "picture", "itself", 4 * SECONDS) == -signal.SIGPROF


def test_threads_that_take_all_that_there_is_end_it() -> None:
    assert ending(1, "picture", "others", 4 * SECONDS) == -signal.SIGPROF


def test_who_takes_less_goes_on() -> None:
    assert ending(1, "picture", "itself", SECONDS / 4) == 0
