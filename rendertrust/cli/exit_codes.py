"""How ``rendertrust`` ends, for scripts that call it. ``rendertrust help exit-codes`` prints it."""

from typing import Final

OK: Final = 0
FAILURE: Final = 1
USAGE: Final = 2
NOT_WITNESSED: Final = 3
NOT_AUTHENTICATED: Final = 4
INSUFFICIENT_CREDITS: Final = 5
JOB_FAILED: Final = 6
NOT_FOUND: Final = 7
STILL_RUNNING: Final = 8
SHUT_OUT: Final = 9
UNAVAILABLE: Final = 75  # EX_TEMPFAIL of sysexits.h
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count

TABLE: Final[dict[int, str]] = {
    OK: "done",
    FAILURE: "it failed; the message says why",
    USAGE: "used wrongly: an option, a value or a file is not what it should be",
    NOT_WITNESSED: "undecided: all holds, but nothing outside of the gateway vouches for it; or "
    "a picture cannot be compared",
    NOT_AUTHENTICATED: "not logged in, or the login is over",
    INSUFFICIENT_CREDITS: "fewer credits are available than the job takes",
    JOB_FAILED: "the job failed or was cancelled",
    NOT_FOUND: "there is no such thing, or it belongs to somebody else",
    STILL_RUNNING: "the job has not ended yet",
    SHUT_OUT: "the gateway wants this node no longer, or is another one: somebody has to act",
    UNAVAILABLE: "temporarily unavailable: the same command may work later",
    INTERRUPTED: "interrupted by Ctrl-C; a job that was submitted goes on",
}


def text() -> str:
    """The table, one line per code."""
    return "\n".join(f"{code:>4}  {meaning}" for code, meaning in TABLE.items())
