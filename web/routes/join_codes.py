"""Join codes: a user makes one, and a machine joins with it as the user's node."""

from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

import attrs
from msgspec import Meta

from rendertrust import join_code
from rendertrust.api.nodes import CreatedJoinCode, JoinCode, JoinCodes
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.note import NoteRefused, read_verifier
from rendertrust.program_version import join_line
from sql.join_codes import JoinCodeRow, NewJoinCode
from web.gateway import Gateway
from web.http.operations import Audience, Call, Operations, Scope
from web.http.problem import Problem
from web.http.responses import from_row
from web.identity.tokens import TokenType
from web.openapi.examples import reference as examples
from web.routes.auth import Done
from web.routes.downloads import shown_release_key
from web.routes.nodes import (
    NewNode,
    RegisteredNode,
    described_node,
    new_challenge,
    node_token,
)

operations = Operations()
LASTS: Final = timedelta(minutes=15)
OPEN_MOST: Final = 5  # open codes of one user
SHOWN: Final = timedelta(hours=1)  # how long a used code is listed
LISTED_MOST: Final = 20
ANY_ORIGIN: Final = "log"  # the keys are the same for each origin of the log
JOIN_CODE_NOT_FOUND: Final = Problem(
    404, "Join code not found", code=RefusalCode.JOIN_CODE_NOT_FOUND
)
TOO_MANY: Final = Problem(
    409,
    f"You already have {OPEN_MOST} open join codes: use or revoke one, or wait until one expires",
    code=RefusalCode.TOO_MANY_JOIN_CODES,
)
CODE_REFUSED: Final = Problem(
    401,
    "The code is unknown, was used or revoked, or has expired: make another one on the console's "
    "page Add a machine",
    code=RefusalCode.JOIN_CODE_INVALID,
)


@attrs.frozen
class GivenJoinCode:
    """A join code, which only the machine that joins has to know."""

    code: Annotated[str, Meta(min_length=1, max_length=join_code.TYPED_MAX)] = attrs.field(
        repr=False
    )


@attrs.frozen
class JoiningNode(NewNode):
    """A node to register, with a join code."""

    code: Annotated[str, Meta(min_length=1, max_length=join_code.TYPED_MAX)] = attrs.field(
        repr=False, kw_only=True
    )


@attrs.frozen
class JoinedNode(RegisteredNode):
    """A node that joined with a code. ``owner_id``: the user who made the code."""

    owner_id: UUID = attrs.field(kw_only=True)


@operations.post(
    "/api/v1/nodes/join-codes",
    answers={201: CreatedJoinCode},
    scope=Scope.NODES_WRITE,
    refusals={409: "You have too many open codes"},
    example=examples.CREATED_JOIN_CODE,
)
async def create(call: Call) -> CreatedJoinCode | Problem:
    """Make a code with which one machine joins as your node, within fifteen minutes.

    The code and the machine's commands are shown in this answer and never again.
    """
    return await make_code(call.gateway, call.caller, call.base)


@operations.get(
    "/api/v1/nodes/join-codes",
    scope=Scope.NODES_READ,
    example=examples.JOIN_CODES,
)
async def index(call: Call) -> JoinCodes:
    """List your join codes that are open or were used in the last hour, newest first."""
    rows = await codes_of(call.gateway, call.caller)
    return JoinCodes(tuple(from_row(JoinCode, row) for row in rows))


@operations.delete(
    "/api/v1/nodes/join-codes/{code_id}",
    scope=Scope.NODES_WRITE,
    absent=JOIN_CODE_NOT_FOUND,
    example=examples.JOIN_CODE_REVOKED,
)
async def revoke(call: Call) -> Done | Problem:
    """Revoke an open join code; it stops working at once."""
    return await revoke_code(call.gateway, call.caller, call.ids["code_id"])


@operations.post(
    "/api/v1/nodes/join/check",
    audience=Audience.PUBLIC,
    refusals={401: "The code is not valid"},
    rate="node",
    request_example=examples.GIVEN_JOIN_CODE,
    example=examples.JOIN_CODE_VALID,
)
async def check(call: Call[GivenJoinCode]) -> Done | Problem:
    """Check a join code without using it, before the machine is tested."""
    code, now = join_code.read(call.body.code), call.gateway.ports.clock.now()
    codes, keys = call.gateway.tables.join_codes, _keys(call.gateway)
    if code is None or not await codes.is_open(code.sha256, keys, now):
        return CODE_REFUSED
    return Done("The join code is valid")


@operations.post(
    "/api/v1/nodes/join",
    audience=Audience.PUBLIC,
    answers={201: JoinedNode},
    refusals={401: "The code is not valid"},
    rate="node",
    new_work=True,
    request_example=examples.JOINING_NODE,
    example=examples.JOINED_NODE,
)
async def join(call: Call[JoiningNode]) -> JoinedNode | Problem:
    """Register a node with a join code; it belongs to the code's user once its key is proved.

    The code then counts as used. Go on with `/nodes/verify`, as after `/nodes/register`.
    """
    gateway, now = call.gateway, call.gateway.ports.clock.now()
    described = described_node(gateway, call.body)
    if isinstance(described, Problem):
        return described
    code = join_code.read(call.body.code)
    if code is None:
        return CODE_REFUSED
    challenge, keys = new_challenge(gateway, None), _keys(gateway)
    used = await gateway.tables.join_codes.redeem(code.sha256, keys, described, challenge, now)
    if used is None:
        return CODE_REFUSED
    owner, node = used
    kind = TokenType.NODE if node == described.id else TokenType.UNPROVED
    shown, token = challenge.challenge.hex(), node_token(gateway, kind, node)
    return JoinedNode(node, shown, token, "REGISTERED", owner_id=owner)


async def make_code(gateway: Gateway, user: UUID, base: str | None) -> CreatedJoinCode | Problem:
    """Make a code for a user. ``base``: the gateway's address, as the user sees it; None: the
    address in the settings.
    """
    random, now = gateway.ports.random, gateway.ports.clock.now()
    key = await _shown_key(gateway)
    secret = random.token(join_code.SECRET_BYTES)
    code = join_code.make(secret, key, await shown_release_key())
    new = NewJoinCode(random.uuid(), user, code.sha256, key, now, now + LASTS)
    if not await gateway.tables.join_codes.insert(new, OPEN_MOST):
        return TOO_MANY
    url = (base or gateway.url()).rstrip("/")
    return CreatedJoinCode(
        *(str(new.id), now, new.expires_at, None, None),
        code=code.text,
        command=join_code.command(url, code.text),
        install_command=join_line(url, code.text),
    )


async def codes_of(gateway: Gateway, user: UUID) -> list[JoinCodeRow]:
    """Return a user's codes that are open or were used in the last hour, newest first."""
    now = gateway.ports.clock.now()
    return list(await gateway.tables.join_codes.page(user, now, now - SHOWN, LISTED_MOST))


async def revoke_code(gateway: Gateway, user: UUID, id_: UUID) -> Done | Problem:
    """Revoke an open code of a user."""
    if not await gateway.tables.join_codes.revoke(id_, user):
        return JOIN_CODE_NOT_FOUND
    return Done("The join code was revoked")


async def _shown_key(gateway: Gateway) -> bytes:
    """Return the key that signed the newest checkpoint, which nodes ask for; before the first
    checkpoint, the key that will sign it.
    """
    signed = await gateway.tables.proofs.newest()
    verifier = None if signed is None else read_verifier(signed.verifier)
    if verifier is None or isinstance(verifier, NoteRefused):
        return _keys(gateway)[0]
    return verifier.public_key


def _keys(gateway: Gateway) -> list[bytes]:
    """Return the public keys with which the gateway signs its log; the newest is first."""
    return [verifier.public_key for verifier in gateway.ports.signer.verifiers(ANY_ORIGIN)]
