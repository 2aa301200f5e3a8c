"""A forced end of the process, which waits only for the last lines of the log."""

import os
import threading
from typing import Final

from actors.kernel import Fatal
from web.process.log_writer import LINES

LAST_LINES_SECONDS: Final = 0.2  # for the last lines of the log
END_SECONDS: Final = 60.0  # how long an orderly stop may take when an actor is stuck


def exit_now(code: int) -> None:
    """End the process at once."""
    LINES.close(within=LAST_LINES_SECONDS)
    os._exit(code)


def exit_within(seconds: float = END_SECONDS) -> None:
    """End the process after ``seconds``, unless the process has ended by then.

    A handler that ignores its cancellation could block the orderly stop for ever.
    """
    timer = threading.Timer(seconds, exit_now, [Fatal.exit_code])
    timer.daemon = True
    timer.start()
