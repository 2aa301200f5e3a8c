"""A snapshot of the tree, for the console and the command line."""

import attrs

from actors.kernel import State, Statistics


@attrs.frozen
class ChildTotals:
    """Totals of a dynamic supervisor's children: the running children, and all children that there
    ever were.
    """

    kind: str = ""
    living: int = 0
    depth: int = 0  # messages queued for running children
    deepest: int = 0
    handled: int = 0  # messages handled by all children, also ended ones
    busy: float = 0.0
    dead_letters: int = 0


@attrs.frozen
class RestartAllowance:
    """Number of restarts that a supervisor has used, of those permitted ``within`` some seconds."""

    used: int
    restarts: int
    within: float  # seconds


@attrs.frozen
class Snapshot:
    """One supervisor or actor, and its children in the order of their start.

    ``kind``: an actor's class or a supervisor's strategy. Only actors have ``statistics``, only
    supervisors an ``allowance``. In a brief snapshot a dynamic supervisor has ``totals`` instead of
    children.
    """

    name: str
    kind: str
    state: State
    restarts: int
    last_error: str | None
    statistics: Statistics | None = None
    children: "tuple[Snapshot, ...]" = ()
    totals: ChildTotals | None = None
    allowance: RestartAllowance | None = None
