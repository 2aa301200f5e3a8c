"""Tests of nodes: registration, proof of the key, and heartbeats."""

import json
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from actors.scheduler.messages import NodeProved, NodeSeen
from rendertrust.node_key import authority_of, generate_key, public_pem, sign_proof
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import connected, execute, fetchval
from tests.support.http_gateway import Face, Headers, face_over

KEY = generate_key()


def described(**changes: Any) -> dict[str, Any]:
    return {
        "name": "gpu-node-east-1",
        "public_key": public_pem(KEY),
        "capabilities": ["render", "inference", "render"],
        "metadata": {"gpu": "RTX 4090"},
        **changes,
    }


async def post(
    face: Face, path: str, body: dict[str, Any], headers: Headers | None = None
) -> tuple[int, dict[str, Any]]:
    async with face.client.post(f"/api/v1/nodes/{path}", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def prove(face: Face, node: dict[str, Any], key: Any = KEY) -> tuple[int, dict[str, Any]]:
    proof = {
        "node_id": node["node_id"],
        "challenge": node["challenge"],
        "signature": sign_proof(key, node["node_id"], node["challenge"]),
    }
    return await post(face, "verify", proof)


async def beat(face: Face, token: str, **body: Any) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"}
    return await post(face, "heartbeat", {"current_load": 0.45, **body}, headers)


def told(face: Face) -> list[NodeSeen]:
    return [message for message in face.script.seen if isinstance(message, NodeSeen)]


async def test_registering_and_a_heartbeat_answer_as_the_reference_shows(face: Face) -> None:
    status, node = await post(face, "register", described())
    assert status == 201
    assert set(node) == {"node_id", "challenge", "token", "status"}
    assert node["status"] == "REGISTERED"
    assert len(bytes.fromhex(node["challenge"])) == 32
    payload = jwt.decode(node["token"], options={"verify_signature": False})
    assert payload["token_type"] == "node"
    assert payload["exp"] - payload["iat"] == 24 * 3600
    status, seen = await beat(face, node["token"], metadata={"gpu_temp": 72})
    assert status == 200
    assert seen == {"node_id": node["node_id"], "status": "HEALTHY", "acknowledged": True}
    (message,) = told(face)
    assert (message.capabilities, message.load) == (("render", "inference"), 0.45)


async def test_a_proof_binds_the_key_and_the_owner(face: Face, user: Headers) -> None:
    _, node = await post(face, "register", described(), user)
    status, verified = await prove(face, node)
    assert status == 200
    assert set(verified) == {"node_id", "token", "status", "owner_id"}
    assert (await beat(face, verified["token"]))[1]["status"] == "HEALTHY"
    (message,) = told(face)
    subject = jwt.decode(user["Authorization"][7:], options={"verify_signature": False})["sub"]
    assert message.owner == UUID(subject)
    assert NodeProved(UUID(node["node_id"]), UUID(subject)) in face.script.seen


async def prove_to(
    face: Face, signed: str, *, host: str | None = None, said: str | None = None
) -> tuple[int, dict[str, Any]]:
    """Sign a proof for the gateway at ``signed``; send it with ``host`` as Host, ``said`` as
    authority.
    """
    _, node = await post(face, "register", described())
    proof = {
        "node_id": node["node_id"],
        "challenge": node["challenge"],
        "signature": sign_proof(KEY, node["node_id"], node["challenge"], signed),
        **({} if said == "" else {"authority": said or signed}),
    }
    return await post(face, "verify", proof, {"Host": host} if host else None)


async def test_a_proof_that_another_gateway_had_signed_opens_nothing(face: Face) -> None:
    own = authority_of(str(face.client.make_url("/")))
    assert own is not None
    assert (await prove_to(face, own))[0] == 200
    status, refused = await prove_to(face, "evil.example")
    assert (status, refused["detail"]) == (
        401,
        "The proof of the key is for evil.example, which is not this gateway",
    )
    assert (await prove_to(face, "evil.example", said=own))[0] == 401
    assert (await prove_to(face, "evil.example", said=""))[0] == 401


async def test_a_known_node_gets_its_new_name_with_the_proof(
    face: Face, database: PostgresEndpoint
) -> None:
    name = "SELECT string_agg(name, ' ') FROM nodes"
    _, node = await post(face, "register", described())
    assert (await prove(face, node))[0] == 200
    _, again = await post(face, "register", described(name="render-box"))
    assert again["node_id"] == node["node_id"]
    assert await fetchval(database.owner_dsn, name) == "gpu-node-east-1", "the key is not proved"
    assert (await prove(face, again, generate_key()))[0] == 401
    assert await fetchval(database.owner_dsn, name) == "gpu-node-east-1"
    assert (await prove(face, again))[0] == 200
    assert await fetchval(database.owner_dsn, name) == "render-box"


async def test_a_challenge_is_answered_once(face: Face) -> None:
    _, node = await post(face, "register", described())
    assert (await prove(face, node))[0] == 200
    assert (await prove(face, node))[0] == 410


async def test_a_proof_that_was_listened_to_opens_nothing_again(face: Face) -> None:
    """A recorded proof fails when repeated, with a new challenge, and for another node with the
    same key.
    """
    _, node = await post(face, "register", described())
    challenge = node["challenge"]
    heard = {
        "node_id": node["node_id"],
        "challenge": challenge,
        "signature": sign_proof(KEY, node["node_id"], challenge),
    }
    assert (await post(face, "verify", heard))[0] == 200
    assert (await post(face, "verify", heard))[0] == 410
    for _ in range(3):
        _, fresh = await post(face, "register", described())
        assert fresh["challenge"] != challenge
        assert (await post(face, "verify", {**heard, "challenge": fresh["challenge"]}))[0] == 401
    _, other = await post(face, "register", described(public_key=public_pem(generate_key())))
    taken = {**heard, "node_id": other["node_id"]}
    assert (await post(face, "verify", taken))[0] == 404
    assert (await post(face, "verify", {**taken, "challenge": other["challenge"]}))[0] == 401


async def test_a_challenge_is_too_old_after_five_minutes(
    face: Face, database: PostgresEndpoint
) -> None:
    _, node = await post(face, "register", described())
    await execute(
        database.owner_dsn, "UPDATE node_challenges SET expires_at = now() - interval '1 second'"
    )
    assert (await prove(face, node))[0] == 410


async def test_a_signature_by_another_key_does_not_hold(face: Face) -> None:
    _, node = await post(face, "register", described())
    assert (await prove(face, node, generate_key()))[0] == 401
    assert (await prove(face, node))[0] == 200


async def test_a_challenge_is_of_one_node(face: Face) -> None:
    _, one = await post(face, "register", described())
    _, two = await post(face, "register", described())
    assert (await prove(face, {**one, "challenge": two["challenge"]}))[0] == 404


async def test_of_two_nodes_with_one_key_the_first_proof_counts(face: Face) -> None:
    _, one = await post(face, "register", described())
    _, two = await post(face, "register", described())
    assert (await prove(face, one))[0] == 200
    assert (await prove(face, two))[0] == 409


async def test_a_known_key_gets_a_challenge_and_a_token_that_opens_nothing(face: Face) -> None:
    _, first = await post(face, "register", described())
    await prove(face, first)
    status, again = await post(face, "register", described())
    assert status == 201
    assert set(again) == {"node_id", "challenge", "token", "status"}
    assert again["node_id"] == first["node_id"]
    assert (await beat(face, again["token"]))[0] == 401
    status, verified = await prove(face, again)
    assert status == 200
    assert (await beat(face, verified["token"]))[0] == 200


async def test_what_a_node_says_is_laid_over_what_it_said(
    face: Face, database: PostgresEndpoint
) -> None:
    _, node = await post(face, "register", described())
    await beat(face, node["token"], metadata={"gpu_temp": 72})
    found = await fetchval(database.owner_dsn, "SELECT metadata FROM nodes")
    assert json.loads(found) == {"gpu": "RTX 4090", "gpu_temp": 72}


async def test_where_a_proof_is_required_a_heartbeat_before_it_is_no_health(
    database: PostgresEndpoint,
) -> None:
    async with face_over(database, nodes={"require_proof": True}) as face:
        _, node = await post(face, "register", described())
        assert (await beat(face, node["token"]))[1]["status"] == "REGISTERED"
        assert not told(face)
        _, verified = await prove(face, node)
        assert (await beat(face, verified["token"]))[1]["status"] == "HEALTHY"
        assert len(told(face)) == 1


async def test_a_key_that_anybody_could_sign_for_is_refused_with_the_reason(face: Face) -> None:
    """The library ``cryptography`` accepts such a key, under which one signature fits every
    message.
    """
    for raw, reason in (
        (bytes(32), "a point of small order"),
        ((1).to_bytes(32, "little"), "a point of small order"),
        ((2).to_bytes(32, "little"), "not a point on the curve"),
        (b"\xff" * 32, "not canonical"),
    ):
        weak = Ed25519PublicKey.from_public_bytes(raw)
        pem = weak.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        status, problem = await post(face, "register", described(public_key=pem))
        assert status == 422
        (fault,) = problem["errors"]
        assert fault["field"] == "public_key"
        assert reason in fault["message"]


async def test_a_node_has_sixteen_challenges_at_most_and_the_newest_count(
    face: Face, database: PostgresEndpoint
) -> None:
    _, first = await post(face, "register", described())
    await prove(face, first)
    asked = [(await post(face, "register", described()))[1] for _ in range(20)]
    assert await fetchval(database.owner_dsn, "SELECT count(*) FROM node_challenges") == 16
    assert (await prove(face, asked[0]))[0] == 404
    assert (await prove(face, asked[-1]))[0] == 200


async def test_challenges_are_swept_a_day_after_their_end(
    face: Face, database: PostgresEndpoint
) -> None:
    async with connected(database.owner_dsn) as connection:
        for ago in ("23 hours", "25 hours"):
            _, node = await post(face, "register", described())
            await connection.execute(
                "UPDATE node_challenges SET expires_at = now() - $2::text::interval"
                " WHERE challenge = $1",
                *(bytes.fromhex(node["challenge"]), ago),
            )
        await post(face, "register", described())
        assert await connection.fetchval("SELECT count(*) FROM node_challenges") == 2


async def test_an_owner_stays_the_owner(face: Face) -> None:
    """The holder of the key may claim a node without an owner, but not a node that has an owner."""
    jane, joe = await face.user(), await face.user("joe@example.org")
    _, node = await post(face, "register", described())
    await prove(face, node)
    _, again = await post(face, "register", described(), jane)
    await prove(face, again)
    _, later = await post(face, "register", described(), joe)
    assert (await prove(face, later))[0] == 200
    shown = await face.gateway.tables.nodes.shown(UUID(node["node_id"]))
    assert shown is not None
    subject = jwt.decode(jane["Authorization"][7:], options={"verify_signature": False})["sub"]
    assert shown.owner_id == UUID(subject)


def wrong_keys() -> list[str]:
    other = generate_private_key(SECP256R1()).public_key()
    return [
        other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "-----BEGIN PUBLIC KEY-----\nMCow...",
        "ssh-ed25519 AAAA",
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        *[({"public_key": key}, "public_key") for key in wrong_keys()],
        ({"capabilities": []}, "capabilities"),
        ({"capabilities": ["a"] * 65}, "capabilities"),
        ({"capabilities": [""]}, "capabilities[0]"),
        ({"capabilities": "render"}, "capabilities"),
        ({"name": "n" * 256}, "name"),
        ({"metadata": {"a": "b" * 10_240}}, "metadata"),
        ({"metadata": []}, "metadata"),
    ],
)
async def test_what_cannot_be_a_node_is_refused(
    face: Face, changes: dict[str, Any], field: str
) -> None:
    status, problem = await post(face, "register", described(**changes))
    assert status == 422
    assert [fault["field"] for fault in problem["errors"]] == [field]


@pytest.mark.parametrize("load", [-0.1, 1.1, "0.5", True, None])
async def test_a_load_is_between_0_and_1(face: Face, load: Any) -> None:
    _, node = await post(face, "register", described())
    assert (await beat(face, node["token"], current_load=load))[0] == 422


async def test_a_node_that_is_gone_is_not_authenticated(
    face: Face, database: PostgresEndpoint
) -> None:
    _, node = await post(face, "register", described())
    await execute(database.owner_dsn, "DELETE FROM node_challenges; DELETE FROM nodes")
    assert (await beat(face, node["token"]))[0] == 401
