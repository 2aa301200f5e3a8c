"""Nodes as their owners and admins see them, and changes of nodes by both."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from actors.scheduler.messages import StandingChanged
from rendertrust.node_key import generate_key, public_pem, sign_proof
from sql.nodes import StandingChange, StandingRecord
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import Person, ask, register, with_role
from tests.support.databases import connected
from tests.support.http_gateway import Face

NODE = {
    *("id", "owner_id", "name", "capabilities", "metadata", "status", "standing"),
    *("standing_reason", "standing_at", "standing_by"),
    *("current_load", "verified_at", "seen_at", "created_at"),
    *("reputation", "checkable", "failing_since", "failing_reason"),
}


async def node_of(
    face: Face, person: Person | None, name: str = "box", *capabilities: str
) -> dict[str, Any]:
    """Register and verify a node of a user; return its id, token and key."""
    key = generate_key()
    body = {"name": name, "public_key": public_pem(key), "capabilities": ["echo", *capabilities]}
    headers = {} if person is None else {"Authorization": f"Bearer {person.access}"}
    _, node = await ask(face, "POST", "/api/v1/nodes/register", body, headers)
    node["key"] = key
    status, verified = await prove(face, node)
    assert status == 200, verified
    return {**node, **verified}


async def prove(face: Face, node: Mapping[str, Any]) -> tuple[int, Any]:
    challenge, name = node["challenge"], node["node_id"]
    proof = {"node_id": name, "challenge": challenge}
    proof["signature"] = sign_proof(node["key"], name, challenge)
    return await ask(face, "POST", "/api/v1/nodes/verify", proof)


async def beat(face: Face, node: Mapping[str, Any]) -> int:
    headers = {"Authorization": f"Bearer {node['token']}"}
    status, _ = await ask(face, "POST", "/api/v1/nodes/heartbeat", {"current_load": 0.45}, headers)
    return status


def path(node: Mapping[str, Any], verb: str = "") -> str:
    return f"/api/v1/nodes/{node['node_id']}/{verb}".rstrip("/")


async def test_an_owner_sees_his_nodes_and_an_admin_all(
    face: Face, database: PostgresEndpoint, jane: Person
) -> None:
    joe = await register(face, "joe@example.org")
    hers, unowned = await node_of(face, jane), await node_of(face, None)
    assert await beat(face, hers) == 200
    status, found = await jane.ask("GET", "/api/v1/nodes")
    assert (status, found["count"], found["next"]) == (200, 1, None)
    (node,) = found["nodes"]
    assert set(node) == NODE
    assert (node["id"], node["owner_id"], node["status"]) == (hers["node_id"], jane.id, "HEALTHY")
    assert (node["standing"], node["current_load"]) == ("ACTIVE", 0.45)
    assert (await jane.ask("GET", path(hers))) == (200, node)
    assert (await joe.ask("GET", "/api/v1/nodes"))[1] == {"nodes": [], "count": 0, "next": None}
    for role in ("admin", "auditor"):
        person = await with_role(face, database.owner_dsn, role, f"{role}@example.org")
        _, all_ = await person.ask("GET", "/api/v1/nodes")
        assert {n["id"] for n in all_["nodes"]} == {hers["node_id"], unowned["node_id"]}
        assert (await person.ask("GET", path(unowned)))[0] == 200


async def test_what_is_anothers_is_not_there(face: Face, jane: Person) -> None:
    joe = await register(face, "joe@example.org")
    hers, unowned = await node_of(face, jane), await node_of(face, None)
    for node in (hers, unowned, {"node_id": uuid4()}, {"node_id": "x"}):
        for method, verb in (("GET", ""), ("POST", "drain"), ("POST", "revoke")):
            status, problem = await joe.ask(method, path(node, verb))
            assert (status, problem["detail"]) == (404, "Node not found")
    assert (await ask(face, "GET", path(hers)))[0] == 401


async def test_nodes_are_read_page_by_page(face: Face, jane: Person) -> None:
    joe = await register(face, "joe@example.org")
    made = [(await node_of(face, jane))["node_id"] for _ in range(3)]
    other = await node_of(face, joe)
    _, first = await jane.ask("GET", "/api/v1/nodes?limit=2")
    assert ([n["id"] for n in first["nodes"]], first["count"]) == (made[:0:-1], 3)
    _, last = await jane.ask("GET", f"/api/v1/nodes?limit=2&after={first['next']}")
    assert ([n["id"] for n in last["nodes"]], last["next"]) == (made[:1], None)
    status, _ = await jane.ask("GET", f"/api/v1/nodes?after={other['node_id']}")
    assert status == 422


async def test_an_owner_drains_and_releases_his_node(face: Face, jane: Person) -> None:
    node = await node_of(face, jane)
    status, said = await jane.ask("POST", path(node, "drain"), {"reason": "a new card"})
    assert (status, said["standing"], said["standing_reason"]) == (200, "DRAINING", "a new card")
    assert (said["standing_at"] is not None, said["standing_by"]) == (True, "owner")
    status, again = await jane.ask("POST", path(node, "drain"))
    assert (status, again) == (200, said)
    status, released = await jane.ask("POST", path(node, "release"))
    assert (status, released["standing"], released["standing_reason"]) == (200, "ACTIVE", "")
    words = [m.standing for m in face.script.seen if isinstance(m, StandingChanged)]
    assert words == [StandingRecord("DRAINING", 1, "a new card"), StandingRecord("ACTIVE", 2)]


async def test_changes_at_once_follow_one_another(face: Face, jane: Person) -> None:
    node = await node_of(face, jane)
    verbs = ["drain", "release"] * 4
    asked = (
        jane.ask("POST", path(node, verb), {"reason": f"{number}"})
        for number, verb in enumerate(verbs)
    )
    answers = await asyncio.gather(*asked)
    assert [status for status, _ in answers] == [200] * len(verbs)
    words = [m.standing for m in face.script.seen if isinstance(m, StandingChanged)]
    assert sorted(word.version for word in words) == list(range(1, len(verbs) + 1))


async def test_an_admin_puts_a_node_into_quarantine_and_he_alone_releases_it(
    face: Face, database: PostgresEndpoint, jane: Person
) -> None:
    ann = await with_role(face, database.owner_dsn, "admin")
    node = await node_of(face, jane)
    status, problem = await jane.ask("POST", path(node, "quarantine"), {"reason": "mine"})
    assert (status, "admins" in problem["detail"]) == (403, True)
    status, said = await ann.ask("POST", path(node, "quarantine"), {"reason": "black frames"})
    assert (status, said["standing"], said["standing_by"]) == (200, "QUARANTINED", "admin")
    assert (await jane.ask("POST", path(node, "release")))[0] == 403
    assert (await jane.ask("POST", path(node, "drain")))[0] == 409
    assert (await jane.ask("GET", path(node)))[1]["standing_reason"] == "black frames"
    assert (await ann.ask("POST", path(node, "release")))[1]["standing"] == "ACTIVE"
    _, audit = await ann.ask("GET", f"/api/v1/admin/audit?target=node:{node['node_id']}")
    acts = [(record["act"], record["reason"]) for record in audit["records"]]
    assert acts == [("node.release", "none was given"), ("node.quarantine", "black frames")]


async def test_nobody_is_put_into_quarantine_without_a_reason(
    face: Face, database: PostgresEndpoint, jane: Person
) -> None:
    ann = await with_role(face, database.owner_dsn, "admin")
    node = await node_of(face, jane)
    for body in ({}, {"reason": ""}, {"reason": "  "}):
        status, problem = await ann.ask("POST", path(node, "quarantine"), body)
        assert (status, problem["errors"][0]["field"]) == (422, "reason"), body
    assert (await jane.ask("GET", path(node)))[1]["standing"] == "ACTIVE"


async def test_a_reason_may_be_changed_afterwards_and_is_no_release(
    face: Face, database: PostgresEndpoint, jane: Person
) -> None:
    ann = await with_role(face, database.owner_dsn, "admin")
    node = await node_of(face, jane)
    for reason in ("odd frames", "black frames", "black frames", "grey frames"):
        status, said = await ann.ask("POST", path(node, "quarantine"), {"reason": reason})
        assert (status, said["standing"], said["standing_reason"]) == (200, "QUARANTINED", reason)
    async with connected(database.owner_dsn) as owner:
        named = UUID(node["node_id"])
        row: Any = await owner.fetchrow(
            "SELECT released_at, quarantined_at FROM nodes WHERE id = $1", named
        )
    assert (row["released_at"], row["quarantined_at"] is None) == (None, False)
    _, audit = await ann.ask("GET", f"/api/v1/admin/audit?target=node:{node['node_id']}")
    reasons = [record["reason"] for record in audit["records"]]
    assert reasons == ["grey frames", "black frames", "odd frames"]


async def test_an_auditor_looks_and_changes_nothing(face: Face, database: PostgresEndpoint) -> None:
    node = await node_of(face, await register(face))
    auditor = await with_role(face, database.owner_dsn, "auditor")
    for verb in ("drain", "quarantine", "release", "revoke"):
        assert (await auditor.ask("POST", path(node, verb), {"reason": "odd"}))[0] == 403


async def test_a_revoked_node_is_shut_out_with_its_key(face: Face, jane: Person) -> None:
    node = await node_of(face, jane)
    assert await beat(face, node) == 200
    status, said = await jane.ask("POST", path(node, "revoke"), {"reason": "stolen"})
    assert (status, said["standing"]) == (200, "REVOKED")
    assert await beat(face, node) == 401
    body = {"name": "b", "public_key": public_pem(node["key"]), "capabilities": ["echo"]}
    status, again = await ask(face, "POST", "/api/v1/nodes/register", body)
    assert (status, again["node_id"]) == (201, node["node_id"])
    status, problem = await prove(face, {**again, "key": node["key"]})
    assert (status, "revoked" in problem["detail"]) == (403, True)
    for verb in ("drain", "release"):
        assert (await jane.ask("POST", path(node, verb)))[0] == 409
    assert (await jane.ask("POST", path(node, "revoke")))[0] == 200


async def test_a_word_on_what_somebody_else_changed_meanwhile_is_not_taken(
    face: Face, jane: Person
) -> None:
    node = await node_of(face, jane)
    word = StandingChange(UUID(node["node_id"]), 0, "DRAINING", "")
    assert await face.gateway.tables.nodes.stand(word, None) is not None
    assert await face.gateway.tables.nodes.stand(word, None) is None


@pytest.mark.parametrize("body", [{"reason": "x" * 501}, {"reason": 1}, {"why": "x"}])
async def test_a_reason_is_short_text(face: Face, body: Any, jane: Person) -> None:
    node = await node_of(face, jane)
    assert (await jane.ask("POST", path(node, "drain"), body))[0] == 422


async def test_an_api_key_needs_the_scope(face: Face, jane: Person) -> None:
    node = await node_of(face, jane)
    keys = {}
    for scope in ("nodes:read", "nodes:write"):
        _, made = await jane.ask("POST", "/api/v1/auth/keys", {"name": "k", "scopes": [scope]})
        keys[scope] = made["key"]
    read, write = keys["nodes:read"], keys["nodes:write"]
    assert (await jane.ask("GET", path(node), token=read))[0] == 200
    assert (await jane.ask("POST", path(node, "drain"), token=read))[0] == 403
    assert (await jane.ask("POST", path(node, "drain"), token=write))[0] == 200
