"""A reading of the tree, for the console and the command line."""

import attrs

from actors.kernel import State, Statistics


@attrs.frozen
class ChildTotals:
    """Of a dynamic supervisor's children, of one kind: the living, and all that ever lived."""

    kind: str = ""
    living: int = 0
    depth: int = 0  # of the living
    deepest: int = 0
    handled: int = 0  # of all, as are the following
    busy: float = 0.0
    dead_letters: int = 0


@attrs.frozen
class RestartAllowance:
    """How many of the restarts that a supervisor may do in a while it has done."""

    used: int
    restarts: int
    within: float  # seconds


@attrs.frozen
class Snapshot:
    """One supervisor or actor, and what is under it in the order of their start.

    ``kind`` is an actor's class or a supervisor's strategy; ``statistics`` is an actor's alone,
    ``allowance`` a supervisor's. In
    a brief one a dynamic supervisor has ``totals`` in the place of its children.
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
