"""Users that admins create, and the last admin, whom nobody removes."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from actors.ledger.effects import UnitComplete
from actors.ledger.messages import Posted
from sql.account_names import operator_account
from sql.audit_log import Act
from sql.users import LastAdmin
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import dispatch
from tests.integration.web.accounts import PASSWORD, Person, ask, log_in, register, with_role
from tests.integration.web.earners import WEEK, do, earner
from tests.integration.web.factors import with_app
from tests.integration.web.mailing import MAIL, known, mailing, nothing_waits, token_in
from tests.support.databases import connected, execute, fetch, fetchval
from tests.support.http_gateway import Face, face_over, with_ledger
from tests.support.until import until
from tests.twins.mail import TwinMail
from web.money.ledger_client import commit

USERS = "/api/v1/admin/users"
NINA = {
    "email": "nina@example.org",
    "name": "Nina",
    "role": "operator",
    "reason": "starts on Monday",
}
NEW = "another long password"
WAITING = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"
ADMINS = "SELECT count(*) FROM users WHERE role = 'admin' AND is_active"


@pytest.fixture
def dsn(database: PostgresEndpoint) -> str:
    return database.owner_dsn


async def choose(face: Face, token: str) -> int:
    body = {"token": token, "new_password": NEW}
    return (await ask(face, "POST", "/api/v1/auth/password/reset", body))[0]


async def enter(face: Face, email: str, password: str) -> tuple[int, Any]:
    body = {"email": email, "password": password}
    return await ask(face, "POST", "/api/v1/auth/login", body)


async def test_without_mail_an_admin_hands_over_the_link(
    database: PostgresEndpoint, dsn: str
) -> None:
    async with face_over(database) as face:
        ann = await with_role(face, dsn, "admin")
        status, made = await ann.ask("POST", USERS, NINA)
        assert status == 201, made
        assert made["user"]["role"] == "operator"
        assert made["mailed"] is False
        token = made["link"].partition("#token=")[2]
        assert token not in str(await fetch(dsn, "SELECT * FROM password_resets"))
        assert (await enter(face, NINA["email"], ""))[0] in (401, 422)
        assert await choose(face, token) == 200
        assert await choose(face, token) == 403, "the link works once"
        assert (await enter(face, NINA["email"], NEW))[0] == 200
        status, refused = await ann.ask("POST", USERS, {**NINA, "email": "NINA@example.org"})
        assert (status, refused["code"]) == (409, "email_registered")
        [kept] = await fetch(dsn, "SELECT act, target, actor, reason, details FROM audit")
        assert kept["act"] == "user.create"
        assert kept["target"] == f"user:{made['user']['id']}"
        assert (kept["actor"], kept["reason"]) == (ann.email, NINA["reason"])
        assert "nina" not in str(kept["details"])


async def test_with_mail_the_link_goes_to_the_user_alone(
    database: PostgresEndpoint, dsn: str
) -> None:
    async with face_over(database, mail=MAIL) as face:
        ann = await with_role(face, dsn, "admin")
        await execute(dsn, "DELETE FROM mails")
        status, made = await ann.ask("POST", USERS, NINA)
        assert (status, made["mailed"], made["link"]) == (201, True, None)
        transport = TwinMail()
        async with mailing(face, transport):
            await until(lambda: nothing_waits(face))
        [mail] = transport.accepted
        assert mail.to == NINA["email"]
        assert "for 3 days" in mail.text
        assert await choose(face, token_in(mail)) == 200
        assert (await enter(face, NINA["email"], NEW))[0] == 200


async def test_an_admin_has_a_link_mailed_three_times_an_hour(
    database: PostgresEndpoint, dsn: str
) -> None:
    async with face_over(database, mail=MAIL) as face:
        jane = await known(face, dsn)
        ann = await with_role(face, dsn, "admin")
        await execute(dsn, "DELETE FROM mails")
        path, transport = f"{USERS}/{jane.id}/reset-mail", TwinMail()
        async with mailing(face, transport):
            for _ in range(3):
                assert (await ann.ask("POST", path, {"reason": "asked"}))[0] == 202
                await until(lambda: nothing_waits(face))
        status, refused = await ann.ask("POST", path, {"reason": "asked"})
        assert (status, refused["code"]) == (409, "too_many_mails")
        assert [mail.to for mail in transport.accepted] == [jane.email] * 3
        assert await choose(face, token_in(transport.accepted[-1])) == 200
        assert await fetchval(dsn, "SELECT count(*) FROM audit WHERE act = 'user.reset_mail'") == 3


async def test_only_admins_create_users_and_with_a_recent_factor(
    database: PostgresEndpoint, dsn: str
) -> None:
    async with face_over(database) as face:
        jane, rita = await register(face), await with_role(face, dsn, "auditor", "r@example.org")
        for person in (jane, rita):
            assert (await person.ask("POST", USERS, NINA))[0] == 403
        ann = await with_role(face, dsn, "admin")
        for wrong in ({"role": "king"}, {"email": "nina"}, {"reason": " "}, {"name": ""}):
            assert (await ann.ask("POST", USERS, {**NINA, **wrong}))[0] == 422
        await with_app(face, dsn, ann)
        status, refused = await ann.ask("POST", USERS, NINA)
        assert (status, refused["code"]) == (403, "recent_factor_needed")
        assert await fetchval(dsn, "SELECT count(*) FROM users WHERE email LIKE 'nina%'") == 0


async def test_a_deactivated_user_is_told_so_only_after_the_right_password(
    database: PostgresEndpoint, dsn: str
) -> None:
    async with face_over(database) as face:
        jane, ann = await register(face), await with_role(face, dsn, "admin")
        path = f"{USERS}/{jane.id}/deactivate"
        assert (await ann.ask("POST", path, {"reason": "abuse"}))[0] == 200
        status, told = await enter(face, jane.email, PASSWORD)
        assert (status, told["code"]) == (401, "account_deactivated")
        status, refused = await enter(face, jane.email, "a wrong password")
        assert (status, refused["code"]) == (401, "credentials_invalid")
        assert refused["detail"] == "Invalid credentials or inactive account"


@pytest.mark.parametrize(
    ("act", "more"), [("deactivate", {}), ("role", {"role": "user"}), ("role", {"role": "auditor"})]
)
async def test_of_two_admins_who_remove_each_other_at_once_one_stays(
    database: PostgresEndpoint, dsn: str, act: str, more: dict[str, str]
) -> None:
    async with face_over(database) as face:
        ann = await with_role(face, dsn, "admin")
        bob = await with_role(face, dsn, "admin", "bob@example.org")

        async def remove(by: Person, whom: Person) -> int:
            body = {"reason": "a quarrel", **more}
            return int((await by.ask("POST", f"{USERS}/{whom.id}/{act}", body))[0])

        found = await asyncio.gather(remove(ann, bob), remove(bob, ann))
        assert sorted(found) in ([200, 401], [200, 403], [200, 409])
        assert await fetchval(dsn, ADMINS) == 1


async def test_the_last_admin_stays(database: PostgresEndpoint, dsn: str) -> None:
    async with face_over(database) as face:
        ann = await with_role(face, dsn, "admin")
        administration, user = face.gateway.tables.administration, UUID(ann.id)
        act = Act(face.gateway.ports.clock.now(), None, "x", "user.role", f"user:{user}", "x")
        with pytest.raises(LastAdmin):
            await administration.set_active(user, act, active=False)
        with pytest.raises(LastAdmin):
            await administration.set_role(user, "auditor", act)
        assert await ann.may()
        assert await administration.set_role(user, "admin", act) is not None


async def test_open_jobs_of_a_deactivated_user_go_on_and_are_charged(
    database: PostgresEndpoint, dsn: str
) -> None:
    async with face_over(database, with_ledger, audited=True) as face:
        jane, otto, ann = (
            await register(face),
            await earner(face),
            await with_role(face, dsn, "admin"),
        )
        job, before = uuid4(), await jane.balance()
        order = dispatch(UUID(jane.id), job, 100_000, 1, otto.node)
        assert isinstance(await commit(face.gateway, order), Posted)
        assert (await ann.ask("POST", f"{USERS}/{jane.id}/deactivate", {"reason": "x"}))[0] == 200
        account = operator_account(UUID(otto.person.id))
        done = UnitComplete(
            *(job, 0, 1, otto.node, "x"), verified=True, operator=account, dispute_window=WEEK
        )
        assert isinstance(await do(face, done), Posted)
        assert (await ann.ask("POST", f"{USERS}/{jane.id}/activate", {"reason": "x"}))[0] == 200
        again = await log_in(face, jane)
        assert again is not None
        assert float(before) - float(await again.balance()) == 10


async def test_an_admin_who_is_being_made_is_not_forgotten(
    database: PostgresEndpoint, dsn: str
) -> None:
    async with face_over(database) as face:
        ann = await with_role(face, dsn, "admin")
        bob = await register(face, "bob@example.org")
        act = Act(face.gateway.ports.clock.now(), None, "x", "user.role", f"user:{bob.id}", "x")
        async with connected(dsn) as connection:
            async with connection.transaction():
                await connection.execute("UPDATE users SET role = 'admin' WHERE id = $1", bob.id)
                await connection.execute("UPDATE users SET role = 'user' WHERE id = $1", ann.id)
                removal = asyncio.create_task(
                    face.gateway.tables.administration.set_active(UUID(bob.id), act, active=False)
                )
                await until(lambda: fetchval(dsn, WAITING))
            with pytest.raises(LastAdmin):
                await removal
        assert await fetchval(dsn, ADMINS) == 1


@pytest.mark.parametrize(("act", "more"), [("deactivate", {}), ("role", {"role": "auditor"})])
async def test_links_and_invitations_of_an_admin_end_with_their_rights(
    database: PostgresEndpoint, dsn: str, act: str, more: dict[str, str]
) -> None:
    async with face_over(database) as face:
        people = [await with_role(face, dsn, "admin", f"{n}@example.org") for n in ("ann", "bob")]
        tokens = list[str]()
        for name, admin in zip(("nina", "nora"), people, strict=True):
            spare = {**NINA, "email": f"{name}@example.org", "role": "admin"}
            status, made = await admin.ask("POST", USERS, spare)
            assert status == 201, made
            path = f"{USERS}/{made['user']['id']}/reset-link"
            _, again = await admin.ask("POST", path, {"reason": "lost"})
            tokens += [each["link"].partition("#token=")[2] for each in (made, again)]
            made = await admin.ask("POST", "/api/v1/admin/invitations", {"reason": "x"})
            assert made[0] == 201, made
        ann, bob = people
        path, body = f"{USERS}/{ann.id}/{act}", {"reason": "left", **more}
        assert (await bob.ask("POST", path, body))[0] == 200
        assert [await choose(face, token) for token in tokens[:3]] == [403, 403, 200]
        left = "SELECT created_by FROM invitations WHERE revoked_at IS NULL"
        assert [row["created_by"] for row in await fetch(dsn, left)] == [bob.email]


async def test_activity_of_users_changes_only_with_a_recent_factor(
    database: PostgresEndpoint, dsn: str
) -> None:
    async with face_over(database) as face:
        ann, jane = await with_role(face, dsn, "admin"), await register(face)
        await with_app(face, dsn, ann)
        for act in ("deactivate", "activate"):
            status, refused = await ann.ask("POST", f"{USERS}/{jane.id}/{act}", {"reason": "x"})
            assert (status, refused["code"]) == (403, "recent_factor_needed")
        assert await jane.may()
