"""Tests of what admins may do, of who may not do it, and of the audit records."""

from typing import Any

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import (
    PASSWORD,
    Person,
    ask,
    log_in,
    refresh,
    register,
    with_role,
)
from tests.support.http_gateway import Face

USERS, AUDIT = "/api/v1/admin/users", "/api/v1/admin/audit"
ACTS: list[tuple[str, dict[str, Any]]] = [
    ("deactivate", {"reason": "abuse"}),
    ("activate", {"reason": "mended"}),
    ("role", {"role": "operator", "reason": "runs nodes"}),
    ("password", {"password": "reset by an admin", "reason": "forgotten"}),
]


async def do(admin: Person, user: Person, act: str, body: dict[str, Any]) -> tuple[int, Any]:
    status, answer = await admin.ask("POST", f"{USERS}/{user.id}/{act}", body)
    return status, answer


async def test_an_admin_sees_users_page_by_page_and_finds_them(face: Face, admin: Person) -> None:
    for name in ("jane", "bob", "eve"):
        await register(face, f"{name}@example.org")
    _, first = await admin.ask("GET", USERS + "?limit=3")
    assert [u["email"][:3] for u in first["users"]] == ["eve", "bob", "jan"]
    assert first["count"] == 4
    _, second = await admin.ask("GET", f"{USERS}?limit=3&after={first['next']}")
    assert [u["email"][:3] for u in second["users"]] == ["ann"]
    assert second["next"] is None
    _, found = await admin.ask("GET", USERS + "?search=BOB@")
    assert [u["email"] for u in found["users"]] == ["bob@example.org"]
    assert found["count"] == 1
    assert set(found["users"][0]) == {"id", "email", "name", "role", "is_active", "created_at"}
    _, none = await admin.ask("GET", USERS + "?search=100%25")
    assert none["users"] == []


@pytest.mark.parametrize("role", ["user", "operator"])
async def test_others_are_refused(face: Face, database: PostgresEndpoint, role: str) -> None:
    person = await with_role(face, database.owner_dsn, role)
    for path in (USERS, AUDIT):
        status, answer = await person.ask("GET", path)
        assert (status, answer["detail"]) == (403, "This needs the role admin")
    for act, body in ACTS:
        assert (await do(person, person, act, body))[0] == 403
    assert (await ask(face, "GET", USERS))[0] == 401


async def test_an_auditor_looks_and_changes_nothing(
    face: Face, database: PostgresEndpoint, jane: Person
) -> None:
    auditor = await with_role(face, database.owner_dsn, "auditor")
    for path in (USERS, AUDIT):
        assert (await auditor.ask("GET", path))[0] == 200
    for act, body in ACTS:
        assert (await do(auditor, jane, act, body))[0] == 403
    assert await jane.may()


async def test_a_user_who_is_deactivated_is_out_at_once(
    face: Face, admin: Person, jane: Person
) -> None:
    other = await log_in(face, jane)
    assert other is not None
    status, answer = await do(admin, jane, "deactivate", {"reason": "abuse"})
    assert (status, answer["is_active"]) == (200, False)
    assert not await jane.may()
    assert not await other.may()
    assert (await refresh(face, jane.refresh))[0] == 401
    assert await log_in(face, jane) is None
    status, answer = await do(admin, jane, "activate", {"reason": "mended"})
    assert (status, answer["is_active"]) == (200, True)
    assert not await jane.may(), "the ended login does not come back"
    again = await log_in(face, jane)
    assert again is not None
    assert await again.may()


async def test_another_role_counts_from_the_next_login(
    face: Face, admin: Person, jane: Person
) -> None:
    status, answer = await do(admin, jane, "role", {"role": "auditor", "reason": "helps"})
    assert (status, answer["role"]) == (200, "auditor")
    assert not await jane.may()
    jane_again = await log_in(face, jane)
    assert jane_again is not None
    assert (await jane_again.ask("GET", USERS))[0] == 200
    _, tokens = await refresh(face, jane_again.refresh)
    assert (await jane.ask("GET", USERS, token=tokens["access_token"]))[0] == 200
    await do(admin, jane, "role", {"role": "user", "reason": "helped"})
    assert (await jane_again.ask("GET", USERS))[0] == 401
    assert (await jane.ask("GET", USERS, token=tokens["access_token"]))[0] == 401


async def test_a_password_that_an_admin_set_ends_all_logins(
    face: Face, admin: Person, jane: Person
) -> None:
    status, _ = await do(admin, jane, *ACTS[3])
    assert status == 200
    assert not await jane.may()
    assert (await refresh(face, jane.refresh))[0] == 401
    assert await log_in(face, jane, PASSWORD) is None
    assert await log_in(face, jane, ACTS[3][1]["password"]) is not None


async def test_nobody_does_it_to_himself(face: Face, admin: Person) -> None:
    for act, body in ACTS:
        assert (await do(admin, admin, act, body))[0] == 409
    assert await admin.may()


async def test_whoever_does_not_exist_is_not_found(face: Face, admin: Person) -> None:
    for act, body in ACTS:
        path = f"{USERS}/00000000-0000-0000-0000-000000000000/{act}"
        assert (await admin.ask("POST", path, body))[0] == 404
        assert (await admin.ask("POST", f"{USERS}/jane/{act}", body))[0] == 404
    assert (await admin.ask("GET", AUDIT))[1]["records"] == []


async def test_every_act_needs_a_reason(admin: Person, jane: Person) -> None:
    for act, body in ACTS:
        for reason in ({}, {"reason": ""}, {"reason": " "}, {"reason": "x" * 501}):
            without = {name: value for name, value in body.items() if name != "reason"}
            assert (await do(admin, jane, act, {**without, **reason}))[0] == 422
    assert await jane.may()


async def test_every_act_is_written_down(admin: Person, jane: Person) -> None:
    for act, body in ACTS:
        assert (await do(admin, jane, act, body))[0] == 200
    _, answer = await admin.ask("GET", AUDIT)
    records = answer["records"]
    assert [r["act"] for r in records] == [f"user.{act}" for act, _ in reversed(ACTS)]
    assert [r["reason"] for r in records] == [body["reason"] for _, body in reversed(ACTS)]
    assert {r["actor"] for r in records} == {"ann@example.org"}
    assert {r["actor_id"] for r in records} == {admin.id}
    assert {r["target"] for r in records} == {f"user:{jane.id}"}
    assert all(r["request_id"] for r in records)
    assert records[1]["details"] == {"role": "operator"}
    assert "reset by an admin" not in str(records)
    _, page = await admin.ask("GET", AUDIT + "?limit=3")
    assert page["next"] == records[2]["number"]
    _, rest = await admin.ask("GET", f"{AUDIT}?before={page['next']}&target=user:{jane.id}")
    assert [r["act"] for r in rest["records"]] == ["user.deactivate"]
    assert (await admin.ask("GET", AUDIT + "?target=user:x"))[1] == {"records": [], "next": None}
