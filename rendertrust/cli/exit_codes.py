"""Exit codes of ``rendertrust``, for scripts.

``rendertrust help exit-codes`` prints the exit codes.
"""

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
INTERRUPTED: Final = 130  # 128 + SIGINT, as in shells

TABLE: Final[dict[int, str]] = {
    OK: "done",
    FAILURE: "the command failed; the message gives the cause",
    USAGE: "wrong usage: an option, a value or a file is not valid",
    NOT_WITNESSED: "undecided: every step passed, but nothing outside of the gateway confirms "
    "the result; or a picture cannot be compared",
    NOT_AUTHENTICATED: "not logged in, or the session has expired",
    INSUFFICIENT_CREDITS: "you have fewer credits available than the job needs",
    JOB_FAILED: "the job failed or was cancelled",
    NOT_FOUND: "not found, or owned by another user",
    STILL_RUNNING: "the job, or the unit or preflight that was asked for, has not ended yet",
    SHUT_OUT: "the gateway has shut this node out, or is a different gateway: the node's operator "
    "must act",
    UNAVAILABLE: "temporarily unavailable: the same command may work later",
    INTERRUPTED: "interrupted by Ctrl-C; a submitted job continues",
}


def text() -> str:
    """Return the table, one line per code."""
    return "\n".join(f"{code:>4}  {meaning}" for code, meaning in TABLE.items())
