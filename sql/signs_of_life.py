"""Signs of life of nodes, written to the database once per second for all nodes together."""

import asyncio
from typing import Final
from uuid import UUID

from sql.database import Conflict, Database, Unavailable

SECONDS: Final = 1.0  # between two writes


class SignsOfLife:
    """Writes a sign at once if there was none for a second, otherwise with others."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._nodes: set[UUID] = set()  # those whose signs are not written yet
        self._task: asyncio.Task[None] | None = None

    async def note(self, node: UUID) -> None:
        """Record that a node is alive. Raises Unavailable if that is not written, nor will be."""
        self._nodes.add(node)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())
            await self._write()

    async def _work(self) -> None:
        """Write the signs of each second, until there are none or the database is down."""
        await asyncio.sleep(SECONDS)
        while self._nodes:
            try:
                await self._write()
            except Unavailable:
                return  # the next sign begins again
            await asyncio.sleep(SECONDS)

    async def _write(self) -> None:
        nodes, self._nodes = self._nodes, set[UUID]()
        try:
            await self._database.execute("nodes_seen", sorted(nodes))
        except (Unavailable, Conflict) as error:
            self._nodes |= nodes
            if isinstance(error, Unavailable):
                raise
