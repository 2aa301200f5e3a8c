"""Organisations: founding, joining and leaving, the rights of members, and the audit records."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from sql.access import circles_of
from sql.database_swap import connected
from sql.organisations import OF_USER_MOST
from sql.query_loader import QUERIES
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import Person, register, with_role
from tests.integration.web.test_fleet import node_of
from tests.support.databases import fetch
from tests.support.http_gateway import Face

ROOT = "/api/v1/organisations"


async def founded(person: Person, name: str = "Barn") -> str:
    status, made = await person.ask("POST", ROOT, {"name": name})
    assert (status, made["role"], made["joined"]) == (201, "owner", True)
    return f"{ROOT}/{made['id']}"


async def invite(person: Person, barn: str, other: Person, role: str = "member") -> int:
    body = {"email": other.email, "role": role}
    return int((await person.ask("POST", f"{barn}/members", body))[0])


async def test_who_is_invited_is_a_stranger_until_he_accepts(face: Face, jane: Person) -> None:
    bob = await register(face, "bob@example.org")
    barn = await founded(jane)
    assert (await bob.ask("GET", barn))[0] == 404
    assert (await bob.ask("POST", f"{barn}/accept"))[0] == 404
    assert await invite(jane, barn, bob) == 200
    assert await invite(jane, barn, bob) == 409
    assert (await bob.ask("GET", barn))[0] == 404
    (seen,) = (await bob.ask("GET", ROOT))[1]["organisations"]
    assert (seen["name"], seen["joined"], seen["members"]) == ("Barn", False, 1)
    assert (await bob.ask("POST", f"{barn}/accept"))[0] == 200
    _, whole = await bob.ask("GET", barn)
    assert [(m["email"], m["role"]) for m in whole["members"]] == [
        (jane.email, "owner"),
        (bob.email, "member"),
    ]


async def test_only_owners_change_it_and_there_is_always_one(face: Face, jane: Person) -> None:
    bob = await register(face, "bob@example.org")
    eve = await register(face, "eve@example.org")
    barn = await founded(jane)
    await invite(jane, barn, bob)
    await bob.ask("POST", f"{barn}/accept")
    assert await invite(bob, barn, eve) == 403
    assert (await bob.ask("DELETE", barn))[0] == 403
    assert (await bob.ask("DELETE", f"{barn}/members/{jane.id}"))[0] == 403
    assert (await bob.ask("PUT", f"{barn}/members/{bob.id}", {"role": "owner"}))[0] == 403
    for method, path in (("DELETE", ""), ("DELETE", f"/members/{jane.id}")):
        assert (await eve.ask(method, barn + path))[0] == 404
    assert (await jane.ask("DELETE", f"{barn}/members/{jane.id}"))[0] == 409
    assert (await jane.ask("PUT", f"{barn}/members/{jane.id}", {"role": "member"}))[0] == 409
    assert (await jane.ask("PUT", f"{barn}/members/{uuid4()}", {"role": "owner"}))[0] == 404
    assert (await jane.ask("PUT", f"{barn}/members/{bob.id}", {"role": "owner"}))[0] == 200
    assert (await jane.ask("DELETE", f"{barn}/members/{jane.id}"))[0] == 200
    assert (await jane.ask("GET", barn))[0] == 404
    assert (await bob.ask("DELETE", barn))[0] == 200
    assert (await bob.ask("GET", ROOT))[1] == {"organisations": []}


async def test_an_owner_who_is_only_invited_owns_nothing(face: Face, jane: Person) -> None:
    bob = await register(face, "bob@example.org")
    barn = await founded(jane)
    await invite(jane, barn, bob, "owner")
    assert (await bob.ask("DELETE", barn))[0] == 403
    assert (await jane.ask("DELETE", f"{barn}/members/{jane.id}"))[0] == 409
    # this request declines the invitation
    assert (await bob.ask("DELETE", f"{barn}/members/{bob.id}"))[0] == 200


async def test_invitations_keep_nobody_from_founding_an_organisation(
    face: Face, jane: Person
) -> None:
    bob = await register(face, "bob@example.org")
    for number in range(OF_USER_MOST):
        assert await invite(jane, await founded(jane, f"Barn {number}"), bob) == 200
    assert (await jane.ask("POST", ROOT, {"name": "One more"}))[0] == 409
    assert await founded(bob)


async def test_a_node_is_lent_by_its_owner_and_given_back_by_either(
    face: Face, jane: Person
) -> None:
    bob = await register(face, "bob@example.org")
    barn = await founded(jane)
    await invite(jane, barn, bob)
    await bob.ask("POST", f"{barn}/accept")
    hers = (await node_of(face, jane))["node_id"]
    his = (await node_of(face, bob))["node_id"]
    assert (await bob.ask("PUT", f"{barn}/nodes/{hers}"))[0] == 404
    assert (await jane.ask("PUT", f"{barn}/nodes/{hers}"))[0] == 200
    assert (await bob.ask("PUT", f"{barn}/nodes/{his}"))[0] == 200
    assert (await bob.ask("DELETE", f"{barn}/nodes/{hers}"))[0] == 404
    assert (await jane.ask("DELETE", f"{barn}/nodes/{his}"))[0] == 200
    _, whole = await jane.ask("GET", barn)
    assert [node["node_id"] for node in whole["nodes"]] == [hers]


async def test_every_change_is_written_down(
    face: Face, database: PostgresEndpoint, jane: Person
) -> None:
    bob = await register(face, "bob@example.org")
    barn = await founded(jane)
    await invite(jane, barn, bob)
    await bob.ask("POST", f"{barn}/accept")
    await jane.ask("POST", "/api/v1/trusted", {"email": bob.email})
    ann = await with_role(face, database.owner_dsn, "admin", "ann@example.org")
    _, found = await ann.ask("GET", "/api/v1/admin/audit")
    acts = [(entry["act"], entry["actor"]) for entry in found["records"]]
    assert acts[:4] == [
        ("trust.add", jane.email),
        ("organisation.join", bob.email),
        ("organisation.invite", jane.email),
        ("organisation.found", jane.email),
    ]


async def test_the_audit_log_names_no_user_by_their_address(
    face: Face, database: PostgresEndpoint, jane: Person
) -> None:
    """It is append-only, and the user may delete their account."""
    bob = await register(face, "bob@example.org")
    barn = await founded(jane)
    for email in EMAILS:
        assert (await jane.ask("POST", f"{barn}/members", {"email": email}))[0] == 200
        assert (await jane.ask("POST", "/api/v1/trusted", {"email": email}))[0] == 200
    rows = await fetch(database.owner_dsn, "SELECT target, reason FROM audit ORDER BY number")
    kept = [tuple(row) for row in rows][-4:]
    ours, unknown = "organisation:" + barn.rpartition("/")[2], "Nobody@example.org"
    assert kept == [
        (ours, f"user {bob.id}"),
        (f"address:{bob.id}", f"user {bob.id}"),
        (ours, unknown),
        (f"address:{unknown}", unknown),
    ]


NOBODY = "Nobody@Example.org"
EMAILS = ["Bob@Example.org", NOBODY]  # only the first address has an account


def without(entries: list[dict[str, Any]], *changing: str) -> list[dict[str, Any]]:
    """Return the entries without the members that may differ."""
    return [{k: v for k, v in entry.items() if k not in changing} for entry in entries]


async def test_trust_does_not_tell_who_has_an_account(face: Face, jane: Person) -> None:
    bob = await register(face, "bob@example.org")
    path = "/api/v1/trusted"
    for _ in range(2):
        answers = [await jane.ask("POST", path, {"email": email}) for email in EMAILS]
        assert answers[0] == answers[1]
        assert answers[0][0] == 200
    _, found = await jane.ask("GET", path)
    assert [entry["email"] for entry in found["trusted"]] == ["bob@example.org", NOBODY.lower()]
    known, unknown = without(found["trusted"], "email", "user_id", "since")
    assert known == unknown
    entries = [entry["user_id"] for entry in found["trusted"]]
    assert bob.id not in entries
    assert (await jane.ask("DELETE", f"{path}/{bob.id}"))[0] == 404
    ended = [await jane.ask("DELETE", f"{path}/{entry}") for entry in entries]
    assert ended[0] == ended[1]
    assert ended[0][0] == 200
    again = [await jane.ask("POST", path, {"email": email}) for email in EMAILS]
    assert again[0] == again[1]
    _, found = await jane.ask("GET", path)
    assert [entry["user_id"] for entry in found["trusted"]] == entries, "made of the address alone"


async def test_an_account_that_is_made_later_is_not_trusted(
    face: Face, database: PostgresEndpoint, jane: Person
) -> None:
    """Nobody may gain trust by registering an address that somebody mistyped."""
    await jane.ask("POST", "/api/v1/trusted", {"email": NOBODY})
    barn = await founded(jane)
    await jane.ask("POST", f"{barn}/members", {"email": NOBODY})
    eve = await register(face, NOBODY.lower())
    assert (await eve.ask("GET", ROOT))[1] == {"organisations": []}
    assert (await eve.ask("POST", f"{barn}/accept"))[0] == 404
    async with connected(database.owner_dsn) as connection:
        assert not circles_of(await connection.fetch(QUERIES["access_circles"])).trusts
    _, found = await jane.ask("GET", "/api/v1/trusted")
    (entry,) = found["trusted"]
    assert (await jane.ask("DELETE", f"/api/v1/trusted/{entry['user_id']}"))[0] == 200
    assert (await jane.ask("POST", "/api/v1/trusted", {"email": NOBODY}))[0] == 200
    async with connected(database.owner_dsn) as connection:
        now = circles_of(await connection.fetch(QUERIES["access_circles"]))
    assert now.trust(UUID(jane.id), UUID(eve.id))


async def test_an_invitation_does_not_tell_who_has_an_account(face: Face, jane: Person) -> None:
    bob = await register(face, "bob@example.org")
    barn = await founded(jane)
    for status in (200, 409):
        answers = [await jane.ask("POST", f"{barn}/members", {"email": e}) for e in EMAILS]
        assert [answer[0] for answer in answers] == [status, status]
        assert answers[0][1].get("message") == answers[1][1].get("message")
        assert answers[0][1].get("detail") == answers[1][1].get("detail")
    _, whole = await jane.ask("GET", barn)
    invited = whole["members"][1:]
    assert [entry["email"] for entry in invited] == ["bob@example.org", NOBODY.lower()]
    known, unknown = without(invited, "email", "user_id", "invited_at")
    assert known == unknown
    entries = [entry["user_id"] for entry in invited]
    assert bob.id not in entries
    for who in (*entries, bob.id):
        assert (await jane.ask("PUT", f"{barn}/members/{who}", {"role": "owner"}))[0] == 404
    assert (await jane.ask("DELETE", f"{barn}/members/{bob.id}"))[0] == 404
    for entry in entries:
        assert (await jane.ask("DELETE", f"{barn}/members/{entry}"))[0] == 200
    assert (await bob.ask("GET", ROOT))[1] == {"organisations": []}


async def test_open_invitations_of_an_organisation_are_bounded(
    face: Face, monkeypatch: pytest.MonkeyPatch, jane: Person
) -> None:
    monkeypatch.setattr("sql.organisations.INVITED_MOST", 2)
    monkeypatch.setattr("sql.organisations.OF_USER_MOST", 2)
    bob = await register(face, "bob@example.org")
    barns = [await founded(jane), await founded(jane)]
    for barn in barns:
        assert await invite(jane, barn, bob) == 200
    for email, status in ((NOBODY, 200), ("somebody@example.org", 409)):
        assert (await jane.ask("POST", f"{barns[0]}/members", {"email": email}))[0] == status
    await founded(bob)  # invitations by other users do not count against Bob's limit


async def test_trusted_addresses_are_bounded(
    face: Face, monkeypatch: pytest.MonkeyPatch, jane: Person
) -> None:
    monkeypatch.setattr("sql.organisations.TRUSTED_MOST", 2)
    path = "/api/v1/trusted"
    await register(face, "bob@example.org")
    for email in EMAILS:
        assert (await jane.ask("POST", path, {"email": email}))[0] == 200
    await register(face, "eve@example.org")
    for email in ("eve@example.org", "somebody@example.org"):
        assert (await jane.ask("POST", path, {"email": email}))[0] == 409
    for email in EMAILS:
        assert (await jane.ask("POST", path, {"email": email}))[0] == 200, "it is trusted already"
    assert (await jane.ask("POST", path, {"email": jane.email}))[0] == 409
    assert (await jane.ask("POST", path, {"email": "no address"}))[0] == 422
