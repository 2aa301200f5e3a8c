"""Nodes: register a key, prove its possession, send heartbeats."""

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import attrs
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Meta

from actors.paymaster.messages import FindClaimable, Paymaster
from actors.scheduler.messages import NodeProved, NodeSeen, Scheduler
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.node_key import KeyRefused, proof_holds, read_public_key
from sql.nodes import REVOKED, NewChallenge, NodeIdentity
from sql.nodes import NewNode as NodeRow
from web.gateway import Gateway
from web.http.operations import TOKEN_REFUSED, Audience, Call, Operations, Scope
from web.http.problem import Fault, Problem, invalid
from web.http.public_host import is_reached_as
from web.identity.tokens import TokenType
from web.openapi.examples import reference as examples

operations = Operations()
CHALLENGE_SECONDS = 300
# How long expired challenges are kept, so that the error can say that a challenge has expired.
CHALLENGES_KEPT = timedelta(days=1)
SHUT_OUT = Problem(403, "The node was revoked; its key is refused", code=RefusalCode.NODE_REVOKED)
METADATA_BYTES_MAX = 10_240

Capability = Annotated[str, Meta(min_length=1, max_length=100)]


@attrs.frozen
class NewNode:
    name: Annotated[str, Meta(min_length=1, max_length=255)]
    public_key: Annotated[str, Meta(min_length=1, max_length=4096)]
    capabilities: Annotated[list[Capability], Meta(min_length=1, max_length=64)]
    metadata: dict[str, Any] = attrs.field(factory=dict[str, Any])


@attrs.frozen
class RegisteredNode:
    """A registered node.

    Sign ``challenge`` within five minutes and post it to ``/nodes/verify``.
    """

    node_id: UUID
    challenge: str
    token: str = attrs.field(repr=False)
    status: str


@attrs.frozen
class Proof:
    """Proof of possession. ``signature``: Ed25519, hex, over
    ``rendertrust-node-v2\\n{node_id}\\n{challenge}\\n{authority}``; ``authority`` is host and port
    of the gateway as the node knows them. Without ``authority`` the signature is over
    ``rendertrust-node-v1\\n{node_id}\\n{challenge}``.
    """

    node_id: UUID
    challenge: Annotated[str, Meta(pattern="[0-9a-f]{64}", description="64 hexadecimal digits")]
    signature: Annotated[str, Meta(pattern="[0-9a-f]{128}", description="128 hexadecimal digits")]
    authority: Annotated[str, Meta(min_length=1, max_length=300)] | None = None


@attrs.frozen
class VerifiedNode:
    """A verified node. ``owner_id`` is the user who earns by the node; null: the node is
    unowned.
    """

    node_id: UUID
    token: str = attrs.field(repr=False)
    status: str
    owner_id: UUID | None


@attrs.frozen
class Heartbeat:
    """A heartbeat. ``current_load`` is 0 (idle) to 1."""

    current_load: Annotated[float, Meta(ge=0, le=1)]
    metadata: dict[str, Any] = attrs.field(factory=dict[str, Any])


@attrs.frozen
class HeartbeatSeen:
    node_id: UUID
    status: str
    acknowledged: Literal[True]


@operations.post(
    "/api/v1/nodes/register",
    audience=Audience.ANYONE,
    scope=Scope.NODES_WRITE,
    answers={201: RegisteredNode},
    rate="node",
    new_work=True,
    request_example=examples.NEW_NODE,
    example=examples.REGISTERED_NODE,
)
async def register(call: Call[NewNode]) -> RegisteredNode | Problem:
    """Register a node; with a user's token the node belongs to the user once its key is proved.

    A node that the gateway knows by its key keeps its id, and gets this name then.
    """
    owner = None if call.claims is None else call.claims.subject
    described = described_node(call.gateway, call.body)
    if isinstance(described, Problem):
        return described
    known = await call.gateway.tables.nodes.by_verified_key(described.public_key)
    challenge = new_challenge(call.gateway, owner)
    if known is None:
        node, kind = described.id, TokenType.NODE
        kept = await call.gateway.tables.nodes.insert(described, challenge)
    else:
        # The caller has not proved the key yet, so this token opens nothing; ``verify`` issues one
        # that does.
        node, kind = known, TokenType.UNPROVED
        named = attrs.evolve(challenge, name=described.name)
        kept = await call.gateway.tables.nodes.insert_challenge(node, named)
    if not kept:
        return TOKEN_REFUSED
    await call.gateway.tables.nodes.sweep(call.gateway.ports.clock.now() - CHALLENGES_KEPT)
    token = node_token(call.gateway, kind, node)
    return RegisteredNode(node, challenge.challenge.hex(), token, "REGISTERED")


@operations.post(
    "/api/v1/nodes/verify",
    audience=Audience.PUBLIC,
    refusals={
        401: "The signature is invalid",
        403: "The node was revoked",
        404: "No such node or challenge",
        409: "The key belongs to another node",
        410: "The challenge was used or has expired",
    },
    rate="node",
    request_example=examples.PROOF,
    example=examples.VERIFIED_NODE,
)
async def verify(call: Call[Proof]) -> VerifiedNode | Problem:
    """Prove possession of the key: key and owner are bound to the node, and its name is set."""
    body, now = call.body, call.gateway.ports.clock.now()
    challenge = bytes.fromhex(body.challenge)
    asked = await call.gateway.tables.nodes.challenge(challenge, body.node_id)
    if asked is None:
        return Problem(404, "Node or challenge not found", code=RefusalCode.CHALLENGE_NOT_FOUND)
    if asked.used_at is not None or asked.expires_at <= now:
        return Problem(
            410,
            "The challenge was used or has expired; register again for a new one",
            code=RefusalCode.CHALLENGE_EXPIRED,
        )
    if body.authority is not None and not is_reached_as(
        call.request, call.gateway.settings, body.authority
    ):
        return Problem(
            401,
            f"The proof of the key is for {body.authority}, which is not this gateway",
            code=RefusalCode.AUTHORITY_WRONG,
        )
    proof = (body.challenge, body.signature, body.authority)
    if not proof_holds(_pem(asked.public_key), str(body.node_id), *proof):
        return Problem(401, "The signature is invalid", code=RefusalCode.SIGNATURE_INVALID)
    if asked.standing == REVOKED:
        return SHUT_OUT
    node = await call.gateway.tables.nodes.verify(challenge, body.node_id, now)
    if node is None:
        return Problem(
            409,
            "The key was proved for another node, or the challenge was used at the same time",
            code=RefusalCode.CHALLENGE_USED,
        )
    call.gateway.registry.ref(Scheduler).tell(NodeProved(node.id, node.owner))
    if node.owner is not None:  # the node got an owner: its waiting earnings go to the owner
        call.gateway.registry.ref(Paymaster).tell(FindClaimable())
    _tell_scheduler(call, node, None)
    token = node_token(call.gateway, TokenType.NODE, node.id)
    return VerifiedNode(node.id, token, node.status, node.owner)


@operations.post(
    "/api/v1/nodes/heartbeat",
    audience=Audience.NODE,
    request_example=examples.HEARTBEAT,
    example=examples.HEARTBEAT_SEEN,
)
async def heartbeat(call: Call[Heartbeat]) -> HeartbeatSeen | Problem:
    """Report that the node is alive, and how busy it is."""
    faults = _metadata_faults(call.body.metadata)
    if faults:
        return invalid(faults)
    node = await call.gateway.tables.nodes.heartbeat(
        call.caller,
        call.body.current_load,
        call.body.metadata,
        require_proof=call.gateway.settings.nodes.require_proof,
    )
    if node is None:
        return TOKEN_REFUSED
    _tell_scheduler(call, node, call.body.current_load)
    return HeartbeatSeen(node.id, node.status, True)


def _pem(raw: bytes) -> str:
    key = Ed25519PublicKey.from_public_bytes(raw)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def described_node(gateway: Gateway, body: NewNode) -> NodeRow | Problem:
    """Return the row of a new node with this description, or why the description is refused."""
    key = read_public_key(body.public_key)
    faults = _metadata_faults(body.metadata)
    if isinstance(key, KeyRefused):
        return invalid([*faults, Fault("public_key", "value", f"is {key.reason}")])
    if faults:
        return invalid(faults)
    capabilities = tuple(dict.fromkeys(body.capabilities))
    node, raw = gateway.ports.random.uuid(), key.public_bytes_raw()
    return NodeRow(node, body.name, raw, capabilities, body.metadata)


def new_challenge(gateway: Gateway, owner: UUID | None) -> NewChallenge:
    """Return a challenge; once a node has answered it, ``owner`` owns the node."""
    expires = gateway.ports.clock.now() + timedelta(seconds=CHALLENGE_SECONDS)
    return NewChallenge(gateway.ports.random.token(32), owner, expires)


def node_token(gateway: Gateway, kind: TokenType, node: UUID) -> str:
    """Return a new token for a node."""
    token, _ = gateway.identity.tokens.issue(kind, node, gateway.ports.random.uuid())
    return token


def _tell_scheduler(call: Call[Any, Any], node: NodeIdentity, load: float | None) -> None:
    """Tell the scheduler that the node may get work, if it is healthy and need not prove its key
    first.
    """
    if node.status != "HEALTHY":
        return
    if call.gateway.settings.nodes.require_proof and not node.verified:
        return
    seen = NodeSeen(node.id, node.owner, node.capabilities, load)
    call.gateway.registry.ref(Scheduler).tell(seen)


def _metadata_faults(metadata: dict[str, Any]) -> list[Fault]:
    if len(orjson.dumps(metadata)) <= METADATA_BYTES_MAX:
        return []
    return [Fault("metadata", "value", f"must not be larger than {METADATA_BYTES_MAX} bytes")]
