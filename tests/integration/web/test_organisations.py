"""Organisations: founded, joined, left; who may do what, and that it is written down."""

from uuid import uuid4

from sql.organisations import OF_USER_MOST
from supervisors.engines.postgres import PostgresEndpoint
from tests.face import Face
from tests.integration.web.accounts import Person, register, with_role
from tests.integration.web.test_fleet import node_of

ROOT = "/api/v1/organisations"


async def founded(person: Person, name: str = "Barn") -> str:
    status, made = await person.ask("POST", ROOT, {"name": name})
    assert (status, made["role"], made["joined"]) == (201, "owner", True)
    return f"{ROOT}/{made['id']}"


async def invite(person: Person, barn: str, other: Person, role: str = "member") -> int:
    body = {"email": other.email, "role": role}
    return int((await person.ask("POST", f"{barn}/members", body))[0])


async def test_who_is_invited_is_a_stranger_until_he_accepts(face: Face) -> None:
    jane, bob = await register(face), await register(face, "bob@example.org")
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


async def test_only_owners_change_it_and_there_is_always_one(face: Face) -> None:
    jane, bob = await register(face), await register(face, "bob@example.org")
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


async def test_an_owner_who_is_only_invited_owns_nothing(face: Face) -> None:
    jane, bob = await register(face), await register(face, "bob@example.org")
    barn = await founded(jane)
    await invite(jane, barn, bob, "owner")
    assert (await bob.ask("DELETE", barn))[0] == 403
    assert (await jane.ask("DELETE", f"{barn}/members/{jane.id}"))[0] == 409
    assert (await bob.ask("DELETE", f"{barn}/members/{bob.id}"))[0] == 200  # he declines


async def test_invitations_keep_nobody_from_founding_an_organisation(face: Face) -> None:
    jane, bob = await register(face), await register(face, "bob@example.org")
    for number in range(OF_USER_MOST):
        assert await invite(jane, await founded(jane, f"Barn {number}"), bob) == 200
    assert (await jane.ask("POST", ROOT, {"name": "One more"}))[0] == 409
    assert await founded(bob)


async def test_a_node_is_lent_by_its_owner_and_given_back_by_either(face: Face) -> None:
    jane, bob = await register(face), await register(face, "bob@example.org")
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


async def test_every_change_is_written_down(face: Face, database: PostgresEndpoint) -> None:
    jane, bob = await register(face), await register(face, "bob@example.org")
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
