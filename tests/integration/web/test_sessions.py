"""Tests of logging out, of the list of logins and of password changes."""

import asyncio

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import PASSWORD, Person, ask, log_in, refresh, register
from tests.support.databases import fetch
from tests.support.http_gateway import Face

CHANGE = {"old_password": PASSWORD, "new_password": "another password"}


async def test_logging_out_ends_the_login_alone(face: Face, jane: Person) -> None:
    other = await log_in(face, jane)
    assert other is not None
    answer = await jane.ask("POST", "/api/v1/auth/logout")
    assert answer == (200, {"message": "Logged out successfully"})
    assert not await jane.may()
    assert (await refresh(face, jane.refresh))[0] == 401
    assert (await jane.ask("POST", "/api/v1/auth/logout"))[0] == 401
    assert await other.may()


async def test_logging_out_needs_a_token(face: Face) -> None:
    status, answer = await ask(face, "POST", "/api/v1/auth/logout")
    assert (status, answer["detail"]) == (401, "Not authenticated")


async def test_logins_are_listed_and_ended_one_by_one(face: Face, jane: Person) -> None:
    bob = await register(face, "bob@example.org")
    other = await log_in(face, jane)
    assert other is not None
    _, answer = await jane.ask("GET", "/api/v1/auth/sessions")
    assert answer["count"] == 2
    newest, oldest = answer["sessions"]
    assert (newest["current"], oldest["current"]) == (False, True)
    assert "aiohttp" in newest["client"]
    path = f"/api/v1/auth/sessions/{newest['sid']}"
    assert (await bob.ask("DELETE", path))[0] == 404
    assert (await jane.ask("DELETE", path))[0] == 200
    assert not await other.may()
    assert await jane.may()
    assert (await jane.ask("DELETE", path))[0] == 404
    _, answer = await jane.ask("GET", "/api/v1/auth/sessions")
    assert [s["sid"] for s in answer["sessions"]] == [oldest["sid"]]
    assert (await jane.ask("DELETE", "/api/v1/auth/sessions/here"))[0] == 404


async def test_a_new_password_ends_the_other_logins(face: Face, jane: Person) -> None:
    other = await log_in(face, jane)
    assert other is not None
    assert (await jane.ask("POST", "/api/v1/auth/password", CHANGE))[0] == 200
    assert await jane.may()
    assert (await refresh(face, jane.refresh))[0] == 200
    assert not await other.may()
    assert (await refresh(face, other.refresh))[0] == 401
    assert await log_in(face, jane) is None
    assert await log_in(face, jane, CHANGE["new_password"]) is not None


async def test_a_new_password_needs_the_old_one(face: Face, jane: Person) -> None:
    wrong = {**CHANGE, "old_password": "something else"}
    status, answer = await jane.ask("POST", "/api/v1/auth/password", wrong)
    assert (status, answer["detail"]) == (403, "The current password is incorrect")
    short = {**CHANGE, "new_password": "short"}
    assert (await jane.ask("POST", "/api/v1/auth/password", short))[0] == 422
    assert await log_in(face, jane) is not None


async def test_no_login_with_the_old_password_outlives_the_change(face: Face, jane: Person) -> None:
    change = jane.ask("POST", "/api/v1/auth/password", CHANGE)
    logins = [log_in(face, jane) for _ in range(6)]
    (status, _), *others = await asyncio.gather(change, *logins)
    assert status == 200
    for other in others:
        assert other is None or not await other.may()


async def test_of_two_changes_at_once_one_is_told_of_the_other(jane: Person) -> None:
    changes = [
        jane.ask("POST", "/api/v1/auth/password", {**CHANGE, "new_password": f"password {n}"})
        for n in range(2)
    ]
    answers = await asyncio.gather(*changes)
    assert sorted(status for status, _ in answers) in ([200, 409], [200, 403])


async def test_the_gateway_keeps_no_password_and_no_token(
    face: Face, database: PostgresEndpoint
) -> None:

    jane = await register(face)
    rows = await fetch(
        database.owner_dsn,
        "SELECT u::text AS row FROM users u UNION SELECT f::text FROM refresh_families f",
    )
    kept = "".join(row["row"] for row in rows)
    assert "$argon2id$v=19$m=" in kept
    for secret in (PASSWORD, jane.access, jane.refresh):
        assert secret not in kept
