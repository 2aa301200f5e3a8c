"""What is shown of the whole: how many jobs, nodes and holds there are."""

from collections.abc import Mapping
from typing import Final

import attrs

from sql.database import Database

OPEN_JOBS: Final = ("QUEUED", "DISPATCHED", "RUNNING")
NODES: Final = ("REGISTERED", "HEALTHY", "UNHEALTHY", "OFFLINE")


@attrs.frozen
class Totals:
    """One reading. ``held`` is in units of money."""

    jobs: Mapping[str, int]  # open ones, by status
    nodes: Mapping[str, int]  # by status
    holds: int
    held: int


async def read_totals(database: Database) -> Totals:
    """What stands in the database now. Raises ``sql.database.Unavailable``."""
    jobs = await database.all("figures_jobs")
    nodes = await database.all("figures_nodes")
    holds = await database.one("figures_holds")
    assert holds is not None, "an aggregate has one row"
    return Totals(
        jobs=dict.fromkeys(OPEN_JOBS, 0) | {row["name"]: row["count"] for row in jobs},
        nodes=dict.fromkeys(NODES, 0) | {row["name"]: row["count"] for row in nodes},
        holds=holds["count"],
        held=holds["amount"],
    )
