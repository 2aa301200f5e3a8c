"""``WS /api/v1/relay/ws/{node_id}``: a node's socket, in front of its session."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias
from uuid import UUID

import attrs
import structlog
from aiohttp import WSMessage, WSMsgType, web
from prometheus_client import Gauge

from actors.kernel import AskFailed, MailboxFull, Ref
from actors.node_session.messages import (
    Close,
    Disconnected,
    NodeSession,
    PingSeen,
    PongSeen,
    Received,
    RelayFramesHandled,
)
from rendertrust.protocol import FRAME_BYTES_MAX, CloseCode
from sql.database import Unavailable
from sql.nodes import REVOKED, NodeIdentity
from supervisors.child import StartFailed
from web.gateway import Gateway
from web.http.caller import CALLER
from web.http.connection import SEAT, has_flooded
from web.http.converter import uuid_of
from web.http.endpoint import is_open
from web.http.operations import Audience
from web.http.problem import DATABASE_AWAY, Problem
from web.http.public_host import reached_at
from web.http.rate_gate import RateGate
from web.http.responses import refusal
from web.identity.authentication import bearer, verified
from web.nodes.connections import OpenConnection
from web.nodes.socket import NodeSocket, SocketResponse
from web.nodes.socket_quota import SocketQuota

PATH: Final = "/api/v1/relay/ws/{node_id}"
SOCKETS: Final = Gauge("rendertrust_sockets", "Sockets of nodes that are open.")
AHEAD_MAX: Final = 128 * 1024  # characters that a session may have yet to handle
CATCH_UP_SECONDS: Final = (
    30.0  # three times as long as a session waits for a node that does not read
)
log = structlog.get_logger("relay")


@attrs.frozen(eq=False)
class ServedSession:
    """A session, and the address of its node in the form in which limits count it."""

    session: Ref[NodeSession]
    subject: str


# A function that starts a session for a node on a socket; the composition root provides it.
OpenSession: TypeAlias = Callable[[NodeIdentity, NodeSocket], Awaitable[Ref[NodeSession]]]


class Relay:
    """The sockets of a site's nodes, one each; a newer socket replaces an older one."""

    def __init__(self, gateway: Gateway, open_session: OpenSession) -> None:
        self._gateway = gateway
        self._open_session = open_session
        self._serving: dict[UUID, ServedSession] = {}
        most = gateway.settings.server.sockets_per_address
        self._places = SocketQuota(most, gateway.ports.clock)
        self._closing = False

    def add_to(self, site: web.Application) -> None:
        """Serve the sockets of a site until it stops, with a limit of new ones per address."""
        gate = RateGate(self._gateway.rates, "socket", Audience.NODE, self.handle)
        site.router.add_get(PATH, gate.serve)
        site.on_shutdown.append(self.close)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Accept the socket; close it with code 4001 if the token is not the node's. A refused
        handshake could carry no code.
        """
        response = SocketResponse(
            autoping=False,
            compress=False,
            max_msg_size=FRAME_BYTES_MAX + 1,  # aiohttp refuses messages of exactly this length
            timeout=2.0,
        )
        node, subject = uuid_of(request.match_info["node_id"]), request[CALLER].subject
        refused = None if node is None else self._places.resting(node)
        arrival = None if refused is not None else await self._identify(request, node)
        if arrival is not None:
            older = self._serving.get(arrival.id)
            replaces = older is not None and older.subject == subject
            refused = self._places.refuse(subject, replaces=replaces)
        if refused is not None:
            return refusal(request, refused)
        self._places.take(subject)
        try:
            return await self._accept(request, response, arrival)
        finally:
            self._places.give_back(subject)

    async def _accept(
        self, request: web.Request, response: SocketResponse, arrival: NodeIdentity | None
    ) -> web.StreamResponse:
        await response.prepare(request)
        response.headers.clear()  # the headers have been sent, and a socket stays open for days
        request[SEAT].leave()  # the open socket is no longer a request
        socket = NodeSocket(response, request)
        if arrival is None:
            await socket.close(CloseCode.AUTHENTICATION_FAILED, "Authentication failed")
            return response
        if not await is_open(self._gateway.registry):
            await socket.close(CloseCode.SERVICE_RESTART, "The gateway is starting or closing")
            return response
        try:
            session = await self._open_session(arrival, socket)
        except StartFailed as failure:
            log.warning("no session", node=str(arrival.id), reason=str(failure))
            await socket.close(CloseCode.SERVICE_RESTART, "Try again later")
            return response
        served = ServedSession(session, request[CALLER].subject)
        known = self._gateway.connections
        connection = known.opened(arrival.id, served.subject)
        try:
            await self._serve(arrival.id, served, response, connection)
            await socket.goodbye()
        finally:
            known.ended(connection, ours=socket.closed_with, theirs=response.close_code)
            socket.let_go()
        if socket.closed_with == CloseCode.FLOOD or has_flooded(request):
            self._places.rest(arrival.id)
        return response

    async def close(self, _site: web.Application) -> None:
        """Close all sockets when the site stops: nodes may have reconnected after the Watchman
        closed them.

        A socket that is being accepted at that moment is closed when it is served.
        """
        self._closing = True
        for served in self._serving.values():
            served.session.tell(Close(CloseCode.SERVICE_RESTART, "The gateway stops"))

    async def _serve(
        self,
        node: UUID,
        served: ServedSession,
        response: web.WebSocketResponse,
        connection: OpenConnection,
    ) -> None:
        older, session = self._serving.get(node), served.session
        known = self._gateway.connections
        self._serving[node] = served
        if older is not None:
            older.session.tell(Close(CloseCode.REPLACED, "Replaced by a newer connection"))
        if self._closing:
            session.tell(Close(CloseCode.SERVICE_RESTART, "The gateway stops"))
        SOCKETS.inc()
        try:
            await read(response, session, partial(known.answered, connection))
        finally:
            SOCKETS.dec()
            if self._serving.get(node) is served:
                del self._serving[node]
            session.tell(Disconnected())

    async def _identify(self, request: web.Request, node: UUID | None) -> NodeIdentity | None:
        """Return the node of the token, if the path names the same node and the node may
        connect.
        """
        token = request.query.get("token") or bearer(request)
        if not token or node is None:
            return None
        claims = await verified(self._gateway, token, Audience.NODE)
        if claims is DATABASE_AWAY:
            raise Unavailable("revocations")
        if isinstance(claims, Problem) or claims.subject != node:
            return None
        row = await self._gateway.tables.nodes.by_id(node)
        if row is None:
            return None
        unproved = self._gateway.settings.nodes.require_proof and not row.verified
        if unproved or row.standing.name == REVOKED:
            return None
        base = reached_at(request, self._gateway.settings)
        return attrs.evolve(row, token_expires=claims.expires, base=base)


def ignore_pong() -> None:
    """Ignore a pong."""


async def read(
    response: web.WebSocketResponse,
    session: Ref[NodeSession],
    ponged: Callable[[], None] = ignore_pong,
) -> None:
    """Pass relay frames on until the socket or the session ends.

    A session that falls behind slows its node down: reading stops while the mailbox is full, or
    while too many characters wait to be handled. ``ponged`` is called at each pong.
    """
    ahead = 0
    async for message in response:
        if message.type is WSMsgType.PONG:
            ponged()
        try:
            if not await passed_on(message, response, session):
                return
            ahead += len(message.data)
            if ahead >= AHEAD_MAX:
                await session.ask(RelayFramesHandled(), within=CATCH_UP_SECONDS)
                ahead = 0
        except MailboxFull:
            continue  # ``ahead`` is kept, so the session is asked again after the next message
        except (AskFailed, OSError):
            return


async def passed_on(
    message: WSMessage, response: web.WebSocketResponse, session: Ref[NodeSession]
) -> bool:
    """Pass a WebSocket message on to the session; return True if reading continues."""
    if message.type is WSMsgType.TEXT:
        await session.offer(Received(message.data))
    elif message.type is WSMsgType.PONG:
        await session.offer(PongSeen())
    elif message.type is WSMsgType.PING:
        await session.offer(PingSeen())
        await response.pong(message.data)
    elif message.type is WSMsgType.BINARY:
        session.tell(Close(CloseCode.MALFORMED, "Frames are text"))
    else:
        return False
    return True
