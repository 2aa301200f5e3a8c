"""Registration of a node: register, then prove possession of the key."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp
import attrs
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import node_key
from rendertrust.node.gateway_key import unreached

ANSWER_BYTES_MAX: Final = 1024 * 1024
NO_SUCH_ROUTE: Final = (404, 405)


@attrs.frozen(kw_only=True)
class NodeRegistered:
    """The gateway has registered the node. ``proven`` is False if the gateway cannot verify keys.

    ``owner``: the operator's id; None if the node has no operator, or the gateway does not name the
    operator. ``code_owner``: the user whose join code the node used.
    """

    node_id: str
    token: str = attrs.field(repr=False)
    proven: bool
    owner: str | None = None
    code_owner: str | None = None


@attrs.frozen(kw_only=True)
class NodeRejected:
    """The gateway refused the node. ``code``: the HTTP status; None without a valid response."""

    reason: str
    code: int | None = None


@attrs.frozen(kw_only=True)
class _Answer:
    status: int
    members: Mapping[str, Any]


async def register(
    session: aiohttp.ClientSession,
    url: str,
    key: Ed25519PrivateKey,
    *,
    name: str,
    capabilities: Sequence[str],
    metadata: Mapping[str, Any],
    user_token: str | None = None,
    code: str | None = None,
) -> NodeRegistered | NodeRejected:
    """Call ``POST /nodes/register`` and ``POST /nodes/verify``; with a join code, ``POST
    /nodes/join`` instead of the first.

    A node whose key the gateway knows proves the key again. If the gateway has no route
    ``/nodes/verify``, the token of ``/nodes/register`` is used.
    """
    body = {
        "name": name,
        "public_key": node_key.public_pem(key),
        "capabilities": list(capabilities),
        "metadata": dict(metadata),
    }
    headers = {"Authorization": f"Bearer {user_token}"} if user_token else {}
    path = "register"
    if code is not None:
        path, body, headers = "join", {**body, "code": code}, {}
    answer = await _post(session, f"{url}/api/v1/nodes/{path}", body, headers)
    if isinstance(answer, NodeRejected):
        return answer
    node_id, token = answer.members.get("node_id"), answer.members.get("token")
    if not isinstance(node_id, str) or not isinstance(token, str):
        return NodeRejected(reason=f"{url} does not answer like a gateway")
    challenge = answer.members.get("challenge")
    if not isinstance(challenge, str):
        return NodeRegistered(node_id=node_id, token=token, proven=False)
    # The proof contains the gateway's address, so that another gateway cannot relay the challenge.
    to = node_key.authority_of(url)
    if to is None:
        return NodeRejected(reason=f"{url} has no valid host name for the proof")
    proof = node_key.sign_proof(key, node_id, challenge, to)
    claim = {"node_id": node_id, "challenge": challenge, "signature": proof, "authority": to}
    verified = await _verify(session, url, claim, token)
    owner = answer.members.get("owner_id")
    if code is None or isinstance(verified, NodeRejected) or not isinstance(owner, str):
        return verified
    return attrs.evolve(verified, code_owner=owner)


async def check_code(session: aiohttp.ClientSession, url: str, code: str) -> NodeRejected | None:
    """Return why the gateway refuses a join code, which is not used; None if it does not."""
    answer = await _post(session, f"{url}/api/v1/nodes/join/check", {"code": code}, {})
    if isinstance(answer, NodeRejected) and answer.code not in NO_SUCH_ROUTE:
        return answer
    return None


async def _verify(
    session: aiohttp.ClientSession, url: str, body: Mapping[str, str], token: str
) -> NodeRegistered | NodeRejected:
    answer = await _post(
        session, f"{url}/api/v1/nodes/verify", body, {"Authorization": f"Bearer {token}"}
    )
    if isinstance(answer, NodeRejected):
        if answer.code in NO_SUCH_ROUTE:
            return NodeRegistered(node_id=body["node_id"], token=token, proven=False)
        return answer
    verified, owner = answer.members.get("token", token), answer.members.get("owner_id")
    owned = owner if isinstance(owner, str) else None
    return NodeRegistered(node_id=body["node_id"], token=str(verified), proven=True, owner=owned)


async def _post(
    session: aiohttp.ClientSession, url: str, body: Mapping[str, Any], headers: Mapping[str, str]
) -> _Answer | NodeRejected:
    try:
        async with session.post(url, json=body, headers=headers) as response:
            members = await _members(response)
            if response.status < 300:
                return _Answer(status=response.status, members=members)
            reason = str(members.get("detail", response.reason))[:500]
            return NodeRejected(reason=reason, code=response.status)
    except (aiohttp.ClientError, TimeoutError, ValueError) as fault:
        return NodeRejected(reason=unreached(url, fault))


async def _members(response: aiohttp.ClientResponse) -> Mapping[str, Any]:
    content = await response.content.read(ANSWER_BYTES_MAX)
    try:
        members = orjson.loads(content or b"{}")
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}
