"""Connections of nodes to all gateways."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.database import Table, names_of
from sql.statement_batch import columns_of

KEPT: Final = 20  # connections per node


@attrs.define(eq=False)
class ConnectionRow:
    """One connection of a node.

    ``by_us``: a gateway closed the connection, not the node or the network.
    """

    id: UUID
    node_id: UUID
    address: str
    opened_at: datetime
    pong_at: datetime | None = None
    ended_at: datetime | None = None
    code: int | None = None
    by_us: bool = False


class ConnectionRows(Table):
    """Rows of connections.

    Methods raise ``sql.database.Unavailable`` and ``Conflict``, and may be repeated.
    """

    async def write(self, gateway: UUID, rows: Sequence[ConnectionRow], within: float) -> bool:
        """Record that a gateway is alive, and the state of some of its connections.

        Return False if the gateway's last record is older than ``within`` seconds. Other gateways
        may then have ended its connections, so it must write all open connections again.
        """
        columns = columns_of(rows, *names_of(ConnectionRow))
        told = await self._database.one("connections_write", gateway, *columns, KEPT, within)
        assert told is not None, "an upsert answers one row"
        return bool(told["was_there"])

    async def of(self, node: UUID) -> Sequence[ConnectionRow]:
        """Return a node's last connections, newest first."""
        return await self._database.rows(ConnectionRow, "connections_of_node", node, KEPT)

    async def end(self, silent: float, code: int) -> None:
        """End the open connections of gateways that have been ``silent`` for so many seconds."""
        await self._database.execute("connections_end", silent, code)

    async def expire(self, before: datetime, most: int) -> bool:
        """Delete up to ``most`` connections that ended before ``before``; return True if there were
        any.
        """
        return bool(await self._database.all("connections_expire", before, most))
