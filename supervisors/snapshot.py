"""A reading of the tree, for the console and the command line."""

import attrs

from actors.kernel import State, Statistics


@attrs.frozen
class Snapshot:
    """One supervisor or actor, and what is under it in the order of their start.

    ``kind`` is an actor's class or a supervisor's strategy; ``statistics`` is an actor's alone.
    """

    name: str
    kind: str
    state: State
    restarts: int
    last_error: str | None
    statistics: Statistics | None = None
    children: "tuple[Snapshot, ...]" = ()
