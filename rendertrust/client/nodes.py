"""Nodes: one's own machines, and what they are to do."""

from collections.abc import AsyncIterator
from typing import Literal, TypeAlias
from uuid import UUID

from rendertrust.api.nodes import Node, NodeChecks, NodeConnections, NodeList
from rendertrust.client.base import ApiBase
from rendertrust.client.pages import window
from rendertrust.client.response_decoder import read
from rendertrust.client.transport import ApiCall

NodeVerb: TypeAlias = Literal["drain", "quarantine", "release", "revoke"]
_NODES = "/api/v1/nodes"


class NodesApi(ApiBase):
    """A part of ``AsyncClient``."""

    async def nodes(self, *, limit: int = 50, offset: int = 0) -> NodeList:
        """One's own nodes, newest first; an admin's are all."""
        return read(NodeList, await self._get(_NODES, window(limit, offset)))

    def each_node(self) -> AsyncIterator[Node]:
        """All of them, newest first, page after page."""
        return self._walk(NodeList, _NODES, lambda page: page.nodes)

    async def node(self, node_id: str | UUID) -> Node:
        """One node. NotFound: it does not exist, or is another's."""
        return read(Node, await self._get(_path(node_id)))

    async def node_checks(self, node_id: str | UUID, *, limit: int = 100) -> NodeChecks:
        """What was found of a node's work, and why; newest first. NotFound: as with ``node``."""
        path = f"{_path(node_id)}/checks"
        return read(NodeChecks, await self._get(path, {"limit": str(limit)}))

    async def node_connections(self, node_id: str | UUID) -> NodeConnections:
        """When it was connected, and how each connection ended."""
        return read(NodeConnections, await self._get(_path(node_id) + "/connections"))

    async def tell_node(self, node_id: str | UUID, verb: NodeVerb, reason: str = "") -> Node:
        """Say of a node what it is to do; saying it again changes nothing.

        Conflict: not while it is what it is. Forbidden: that is for admins.
        """
        call = ApiCall("POST", f"{_path(node_id)}/{verb}", {"reason": reason})
        return read(Node, await self._login.send(call))


def _path(node_id: str | UUID) -> str:
    return f"{_NODES}/{UUID(str(node_id))}"
