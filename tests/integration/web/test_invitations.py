"""Tests of who may open an account: settings, invitations, and attempts to use one twice."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from click.testing import CliRunner

from actors.sweeper.messages import SweepDue
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import PASSWORD, Person, ask, log_in
from tests.integration.web.test_sweeper import sweeping
from tests.support.databases import execute, fetch, fetchval
from tests.support.http_gateway import Face, face_over, face_with
from web.commands.admin import admin as command

face = face_with(accounts={"registration": "invite"})
REGISTER, INVITATIONS = "/api/v1/auth/register", "/api/v1/admin/invitations"


@pytest.fixture
async def closed(database: PostgresEndpoint) -> AsyncGenerator[Face]:
    async with face_over(database, accounts={"registration": "closed"}) as running:
        yield running


@pytest.fixture
async def ann(face: Face, database: PostgresEndpoint) -> Person:
    """Create an admin with the command, and log them in."""
    return await administrator(face, database)


async def administrator(face: Face, database: PostgresEndpoint) -> Person:
    password = await face.gateway.identity.passwords.hash(PASSWORD)
    await execute(
        database.owner_dsn,
        "INSERT INTO users (id, email, name, password_hash, role)"
        f" VALUES (gen_random_uuid(), 'ann@example.org', 'Ann', '{password}', 'admin')",
    )
    found = await log_in(face, Person(face, "", "ann@example.org", "", ""))
    assert found is not None
    return found


async def invite(ann: Person, **terms: Any) -> Any:
    status, made = await ann.ask("POST", INVITATIONS, {"reason": "starts on Monday", **terms})
    assert status == 201, made
    return made


async def sign_up(
    face: Face, invitation: str | None, email: str = "jane@example.org"
) -> tuple[int, Any]:
    body = {"email": email, "name": "Jane", "password": PASSWORD, "invitation": invitation}
    return await ask(face, "POST", REGISTER, body)


async def test_a_closed_gateway_opens_no_account(closed: Face) -> None:
    status, answer = await sign_up(closed, None)
    assert (status, answer["code"]) == (403, "registration_closed")
    status, answer = await sign_up(closed, "rti_" + "0" * 32)
    assert (status, answer["code"]) == (403, "registration_closed")


async def test_an_invitation_opens_one_account(face: Face, ann: Person) -> None:
    status, answer = await sign_up(face, None)
    assert (status, answer["code"]) == (403, "invitation_needed")
    made = await invite(ann)
    assert made["link"].endswith(f"/console/sign-up#invitation={made['token']}")
    assert len(made["token"]) == len("rti_") + 32, "128 bits"
    status, answer = await sign_up(face, made["token"])
    assert status == 201, answer
    assert set(answer["tokens"]) == {"access_token", "refresh_token", "token_type"}
    status, answer = await sign_up(face, made["token"], "bob@example.org")
    assert (status, answer["code"]) == (403, "invitation_invalid")
    _, listed = await ann.ask("GET", INVITATIONS)
    assert listed == {"invitations": [], "count": 0}


async def test_of_uses_at_the_same_time_one_wins(
    face: Face, ann: Person, database: PostgresEndpoint
) -> None:
    made = await invite(ann)
    emails = [f"racer{n}@example.org" for n in range(8)]
    answers = await asyncio.gather(*(sign_up(face, made["token"], email) for email in emails))
    assert sorted(status for status, _ in answers) == [201] + [403] * 7
    codes = {answer["code"] for status, answer in answers if status == 403}
    assert codes == {"invitation_invalid"}
    users = await fetch(database.owner_dsn, "SELECT email FROM users WHERE email LIKE 'racer%'")
    assert len(users) == 1
    logins = "SELECT count(*) FROM refresh_families f JOIN users u ON u.id = f.user_id"
    assert await fetchval(database.owner_dsn, logins + " WHERE email LIKE 'racer%'") == 1


async def test_an_invitation_for_an_address_is_for_no_other(face: Face, ann: Person) -> None:
    made = await invite(ann, email="Jane@example.org")
    status, answer = await sign_up(face, made["token"], "eve@example.org")
    assert (status, answer["code"]) == (403, "invitation_invalid")
    assert (await sign_up(face, made["token"], "jane@EXAMPLE.org"))[0] == 201


async def test_an_expired_or_revoked_invitation_is_refused(
    face: Face, ann: Person, database: PostgresEndpoint
) -> None:
    made = await invite(ann)
    past = "UPDATE invitations SET created_at = now() - interval '8 days'"
    await execute(database.owner_dsn, past + ", expires_at = now() - interval '1 day'")
    assert (await sign_up(face, made["token"]))[1]["code"] == "invitation_invalid"
    other = await invite(ann)
    there, why = f"{INVITATIONS}/{other['id']}/revoke", {"reason": "sent to the wrong person"}
    assert (await ann.ask("POST", there, why))[0] == 200
    assert (await ann.ask("POST", there, why))[0] == 404
    assert (await sign_up(face, other["token"]))[1]["code"] == "invitation_invalid"
    _, kept = await ann.ask("GET", "/api/v1/admin/audit?limit=3")
    acts = [record["act"] for record in kept["records"]]
    assert acts == ["user.revoke_invitation", "user.invite", "user.invite"]


async def test_without_an_invitation_nobody_learns_who_has_an_account(
    face: Face, ann: Person
) -> None:
    """A known address is refused as an unknown one; only a valid invitation leads to 409, and is
    then still good.
    """
    made = await invite(ann)
    for invitation in (None, "rti_" + "0" * 32, "x" * 100):
        known = await sign_up(face, invitation, "ann@example.org")
        unknown = await sign_up(face, invitation, "nobody@example.org")
        assert known[0] == unknown[0] == 403
        assert known[1]["code"] == unknown[1]["code"]
        assert known[1]["detail"] == unknown[1]["detail"]
    status, answer = await sign_up(face, made["token"], "ann@example.org")
    assert (status, answer["code"]) == (409, "email_registered")
    assert (await sign_up(face, made["token"]))[0] == 201


async def test_the_token_is_nowhere_but_in_the_answer(
    face: Face, ann: Person, database: PostgresEndpoint
) -> None:
    made = await invite(ann)
    secret = made["token"].removeprefix("rti_")
    for table in ("invitations", "audit"):
        rows = await fetch(database.owner_dsn, f"SELECT t::text AS row FROM {table} t")
        assert rows
        assert not [row for row in rows if secret in row["row"]]
    _, listed = await ann.ask("GET", INVITATIONS)
    assert secret not in json.dumps(listed)
    assert set(listed["invitations"][0]) == set(made) - {"token", "link"}


async def test_old_invitations_are_deleted_used_ones_too(
    face: Face, ann: Person, database: PostgresEndpoint
) -> None:
    used, old, fresh = [await invite(ann) for _ in range(3)]
    assert (await sign_up(face, used["token"]))[0] == 201
    for made, days in ((used, 31), (old, 31), (fresh, 29)):
        await execute(
            database.owner_dsn,
            "UPDATE invitations SET created_at = now() - interval '100 days',"
            f" expires_at = now() - interval '{days} days' WHERE id = '{made['id']}'",
        )
    async with sweeping(face) as sweeper:
        await sweeper.ask(SweepDue(), within=60)
    left = await fetch(database.owner_dsn, "SELECT id FROM invitations")
    assert [str(row["id"]) for row in left] == [fresh["id"]]


async def test_only_admins_invite(face: Face, ann: Person, database: PostgresEndpoint) -> None:
    made = await invite(ann)
    status, answer = await sign_up(face, made["token"])
    jane = Person(face, "", "jane@example.org", answer["tokens"]["access_token"], "")
    assert status == 201
    assert (await jane.ask("POST", INVITATIONS, {"reason": "a friend"}))[0] == 403
    assert (await jane.ask("GET", INVITATIONS))[0] == 403
    await execute(database.owner_dsn, "UPDATE users SET role = 'auditor' WHERE name = 'Jane'")
    rita = await log_in(face, jane)
    assert rita is not None
    assert (await rita.ask("POST", INVITATIONS, {"reason": "a friend"}))[0] == 403
    assert (await rita.ask("GET", INVITATIONS))[0] == 200
    assert (await ask(face, "GET", INVITATIONS))[0] == 401


@pytest.mark.parametrize("terms", [{"days": 0}, {"days": 91}, {"email": "none"}, {"reason": ""}])
async def test_terms_have_bounds(terms: dict[str, Any], ann: Person) -> None:
    status, answer = await ann.ask("POST", INVITATIONS, {"reason": "x", **terms})
    assert (status, answer["errors"][0]["field"]) == (422, next(iter(terms)))


async def test_where_everybody_may_open_an_account_an_invitation_is_not_needed(
    database: PostgresEndpoint,
) -> None:
    async with face_over(database) as face:
        assert (await sign_up(face, "rti_" + "0" * 32))[0] == 201


async def test_an_invitation_is_made_listed_and_revoked_by_command(
    face: Face, database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDERTRUST_DATABASE_URL", database.app_dsn)
    monkeypatch.setenv("RENDERTRUST_SERVER_PUBLIC_URL", "https://farm.example/")

    async def call(*words: str) -> tuple[int, str]:
        ended = await asyncio.to_thread(CliRunner().invoke, command, ["invitations", *words])
        return ended.exit_code, ended.output

    code, link = await call("create", "--email", "jane@example.org", "--days", "2")
    page, _, token = link.partition("#invitation=")
    assert (code, token[:4]) == (0, "rti_")
    assert page == "https://farm.example/console/sign-up?email=jane%40example.org"
    _, listed = await call("list")
    id_, email, _, by = listed.strip().split("\t")
    assert email == "jane@example.org"
    assert by.startswith("console:")
    status, _ = await sign_up(face, link.strip().partition("invitation=")[2])
    assert status == 201
    code, said = await call("revoke", id_)
    assert (code, said) == (1, "Error: There is no open invitation with this id\n")
    _, made = await call("create", "--json")
    assert (await call("revoke", json.loads(made)["id"]))[0] == 0
    assert (await call("create", "--days", "0"))[0] == 2


async def test_the_beginning_of_an_id_revokes_an_invitation(
    face: Face, database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDERTRUST_DATABASE_URL", database.app_dsn)
    ids = [f"3f2b9a60-5c1d-4e0a-9a34-0d7d0a3c1b5{end}" for end in "23"]
    for id_ in ids:
        await execute(
            database.owner_dsn,
            "INSERT INTO invitations (id, sha256, created_at, created_by, expires_at) VALUES"
            f" ('{id_}', sha256('{id_}'), now(), 'ann', now() + interval '1 day')",
        )

    async def revoke(id_: str) -> tuple[int, str]:
        words = ["invitations", "revoke", id_]
        ended = await asyncio.to_thread(CliRunner().invoke, command, words)
        return ended.exit_code, ended.output

    code, said = await revoke(ids[0][:8])
    assert (code, "Several ids begin with 3f2b9a60; type more characters" in said) == (1, True)
    assert all(id_ in said for id_ in ids)
    assert await revoke(ids[0][:-1]) == (1, said.replace("3f2b9a60;", f"{ids[0][:-1]};"))
    assert await revoke("ffff0000") == (1, "Error: No id begins with ffff0000\n")
    assert (await revoke(ids[1]))[0] == 0
