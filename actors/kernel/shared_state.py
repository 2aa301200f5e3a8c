"""State shared by all actors of one tree."""

from collections.abc import Callable

import attrs

from actors.kernel.dead_letter import DeadLetters
from actors.kernel.restart_log import RestartLog


@attrs.frozen
class SharedState:
    """State shared by all actors of one tree.

    ``uniform`` returns numbers in [0, 1) for jitter, from the Random port.
    """

    uniform: Callable[[], float]
    dead_letters: DeadLetters = attrs.field(factory=DeadLetters)
    restarts: RestartLog = attrs.field(factory=RestartLog)
