"""Forgotten passwords: links by mail and from admins, used once."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from sql import mails
from sql.link_tokens import digest_of
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import PASSWORD, Person, ask, log_in, with_role
from tests.integration.web.mailing import MAIL, known, mailing, nothing_waits, token_in
from tests.support.databases import execute, fetch, fetchval
from tests.support.http_gateway import Face, face_over, face_with
from tests.support.until import until
from tests.twins.mail import TwinMail
from web.routes.password_resets import ASKED, request_link

FORGOT = "/api/v1/auth/password/forgot"
RESET = "/api/v1/auth/password/reset"
NEW = "another long password"

face = face_with(mail=MAIL)


@pytest.fixture
def dsn(database: PostgresEndpoint) -> str:
    return database.owner_dsn


async def forget(face: Face, email: str = "jane@example.org") -> tuple[int, Any]:
    return await ask(face, "POST", FORGOT, {"email": email})


async def choose(face: Face, token: str, password: str = NEW) -> tuple[int, Any]:
    return await ask(face, "POST", RESET, {"token": token, "new_password": password})


async def token_of(face: Face, person: Person) -> str:
    """Return the token that a mail brings to a user who forgot their password."""
    transport = TwinMail()
    async with mailing(face, transport):
        assert (await forget(face, person.email))[0] == 202
        await until(lambda: nothing_waits(face))
    [mail] = transport.accepted
    assert mail.to == person.email
    return token_in(mail)


async def pending(face: Face) -> int:
    return await face.gateway.tables.mails.waiting()


async def texts_of(dsn: str) -> str:
    """Return everything that is in the database."""
    names = await fetch(dsn, "SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public'")
    rows = [await fetch(dsn, f'SELECT x::text AS t FROM "{name["t"]}" x') for name in names]
    return "\n".join(row["t"] for of_table in rows for row in of_table)


async def test_a_link_by_mail_sets_the_password_and_ends_all_sessions(
    face: Face, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    jane = await known(face, dsn)
    token = await token_of(face, jane)
    assert token not in await texts_of(dsn)
    assert digest_of(token).hex() in await texts_of(dsn)
    assert await choose(face, token) == (
        200,
        {"message": "Password changed; all sessions have ended"},
    )
    assert not await jane.may()
    assert await log_in(face, jane) is None
    assert await log_in(face, jane, NEW) is not None
    transport = TwinMail()
    async with mailing(face, transport):
        await until(lambda: nothing_waits(face))
    [notice] = transport.accepted
    assert notice.subject == "Your RenderTrust password was changed"
    assert notice.to == "jane@example.org"
    assert token not in caplog.text
    assert NEW not in await texts_of(dsn)


async def test_a_token_is_used_once(face: Face, dsn: str) -> None:
    jane = await known(face, dsn)
    token = await token_of(face, jane)
    assert (await choose(face, token))[0] == 200
    status, refused = await choose(face, token, "a third password")
    assert (status, refused["code"]) == (403, "reset_token_invalid")
    assert await log_in(face, jane, NEW) is not None


@pytest.mark.parametrize("several", [False, True])
async def test_of_several_uses_at_once_one_succeeds(face: Face, dsn: str, *, several: bool) -> None:
    jane = await known(face, dsn)
    tokens = [await token_of(face, jane) for _ in range(2 if several else 1)]
    uses = [choose(face, tokens[n % len(tokens)], f"password number {n}") for n in range(6)]
    statuses = [status for status, _ in await asyncio.gather(*uses)]
    assert sorted(statuses) == [200] + 5 * [403]
    for token in tokens:  # the first use ends all links of the user
        assert (await choose(face, token))[0] == 403


async def test_a_token_expires(face: Face, dsn: str) -> None:
    token = await token_of(face, await known(face, dsn))
    [row] = await fetch(dsn, "SELECT expires_at - created_at AS lasts FROM password_resets")
    assert row["lasts"].total_seconds() == 1800
    await execute(dsn, "UPDATE password_resets SET expires_at = now()")
    assert (await choose(face, token))[0] == 403


@pytest.mark.parametrize("wrong", ["rtr_" + "0" * 32, "x", " ", "rtr_" + "é" * 10])
async def test_a_guessed_token_is_refused(face: Face, dsn: str, wrong: str) -> None:
    await known(face, dsn)
    assert (await choose(face, wrong))[0] == 403


async def test_a_change_of_the_password_ends_links(face: Face, dsn: str) -> None:
    jane = await known(face, dsn)
    token = await token_of(face, jane)
    body = {"old_password": PASSWORD, "new_password": NEW}
    assert (await jane.ask("POST", "/api/v1/auth/password", body))[0] == 200
    assert (await choose(face, token))[0] == 403


async def test_a_deactivated_user_gets_no_mail_and_uses_no_link(face: Face, dsn: str) -> None:
    token = await token_of(face, await known(face, dsn))
    await execute(dsn, "UPDATE users SET is_active = false")
    assert (await choose(face, token))[0] == 403
    transport = TwinMail()
    assert (await forget(face))[0] == 202
    async with mailing(face, transport):
        await until(lambda: nothing_waits(face))
    assert transport.tried == []


async def test_known_and_unknown_addresses_are_answered_alike(
    face: Face, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers are equal, and so is the work that the gateway does for them."""
    await known(face, dsn)
    transport, asked = TwinMail(), list[str]()
    one = face.gateway.database.one

    async def noted(name: str, *values: Any) -> Any:
        asked.append(name)
        return await one(name, *values)

    monkeypatch.setattr(face.gateway.database, "one", noted)
    of_jane = await forget(face, "jane@example.org")
    of_known, asked[:] = list(asked), []
    of_nobody = await forget(face, "nobody@example.org")
    assert of_jane == of_nobody
    assert of_jane[0] == 202
    assert of_known == asked == ["mail_request"]
    async with mailing(face, transport):
        await until(lambda: nothing_waits(face))
    assert [mail.to for mail in transport.tried] == ["jane@example.org"]


async def test_a_mail_goes_to_the_address_of_the_account(face: Face, dsn: str) -> None:
    jane, transport = await known(face, dsn), TwinMail()
    await forget(face, "JANE@EXAMPLE.ORG")
    async with mailing(face, transport):
        await until(lambda: nothing_waits(face))
    assert [mail.to for mail in transport.accepted] == [jane.email]


async def test_a_user_gets_three_links_an_hour(face: Face, dsn: str) -> None:
    await known(face, dsn)
    table, clock, transport = face.gateway.tables.mails, face.gateway.ports.clock, TwinMail()
    for _ in range(5):
        assert await table.request_reset(uuid4(), "jane@example.org", clock.now())
    async with mailing(face, transport):
        await until(lambda: nothing_waits(face))
        assert len(transport.accepted) == 3
        assert await fetchval(dsn, "SELECT count(*) FROM mails") == 3
        await execute(dsn, "UPDATE mails SET created_at = created_at - interval '1 hour'")
        assert await table.request_reset(uuid4(), "jane@example.org", clock.now())
        await until(lambda: len(transport.accepted) == 4)


async def test_requests_for_one_address_are_limited_without_telling(
    database: PostgresEndpoint,
) -> None:
    async with face_over(database, mail=MAIL, limits={"login": 2}) as face:
        addresses = "jane@example.org", "JANE@example.org", "Jane@example.org", "bob@example.org"
        answers = [await request_link(face.gateway, address) for address in addresses]
        assert answers == 4 * [ASKED]
        assert await pending(face) == 3


async def test_requests_of_one_caller_are_limited(database: PostgresEndpoint) -> None:
    async with face_over(database, mail=MAIL, limits={"login": 2}) as face:
        statuses = [(await forget(face, f"ann-{n}@example.org"))[0] for n in range(3)]
        assert statuses == [202, 202, 429]


async def test_strangers_cannot_fill_the_outbox(
    face: Face, monkeypatch: pytest.MonkeyPatch, dsn: str
) -> None:
    monkeypatch.setattr(mails, "ASKED_MAX", 3)
    answers = [await forget(face, f"nobody-{n}@example.org") for n in range(5)]
    assert [status for status, _ in answers] == [202, 202, 202, 503, 503]
    transport = TwinMail()
    async with mailing(face, transport):
        await until(lambda: nothing_waits(face))
    assert (await forget(face, "nobody-9@example.org"))[0] == 202
    assert await fetchval(dsn, "SELECT count(*) FROM mails") == 1


async def test_a_full_outbox_takes_no_more_links(
    face: Face, monkeypatch: pytest.MonkeyPatch, dsn: str
) -> None:
    await known(face, dsn)
    await known(face, dsn, "bob@example.org")
    monkeypatch.setattr(mails, "WAITING_MAX", 1)
    transport = TwinMail()
    transport.away = True
    async with mailing(face, transport):
        await forget(face)
        await until(lambda: transport.tried)
        await forget(face, "bob@example.org")
        await until(lambda: only(dsn, 1))
    assert len(transport.tried) == 1


async def only(dsn: str, count: int) -> bool:
    return bool(await fetchval(dsn, "SELECT count(*) FROM mails") == count)


async def refused(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], str(answer[1]["code"])


@pytest.mark.parametrize("body", [{}, {"email": "jane"}, {"email": "a@b.org\nBcc: c@d.org"}])
async def test_no_address_is_refused(face: Face, body: dict[str, str]) -> None:
    assert (await ask(face, "POST", FORGOT, body))[0] == 422


async def acts(dsn: str) -> Sequence[tuple[str, str, str]]:
    rows = await fetch(dsn, "SELECT act, target, reason FROM audit ORDER BY number")
    return [(row["act"], row["target"], row["reason"]) for row in rows]


async def test_without_mail_an_admin_makes_the_link(database: PostgresEndpoint, dsn: str) -> None:
    async with face_over(database) as face:
        jane = await known(face, dsn)
        assert await refused(await forget(face)) == (404, "mail_off")
        ann = await with_role(face, dsn, "admin")
        path = f"/api/v1/admin/users/{jane.id}/reset-link"
        assert (await jane.ask("POST", path, {"reason": "x"}))[0] == 403
        assert (await ann.ask("POST", path, {"reason": " "}))[0] == 422
        own = f"/api/v1/admin/users/{ann.id}/reset-link"
        assert (await ann.ask("POST", own, {"reason": "x"}))[0] == 409
        absent = f"/api/v1/admin/users/{UUID(int=7)}/reset-link"
        assert (await ann.ask("POST", absent, {"reason": "x"}))[0] == 404
        status, made = await ann.ask("POST", path, {"reason": "she asked me"})
        assert status == 200
        address, _, token = made["link"].partition("#token=")
        assert address.endswith("/console/reset-password")
        assert await acts(dsn) == [("user.reset_link", f"user:{jane.id}", "she asked me")]
        assert token not in await texts_of(dsn)
        assert (await choose(face, token))[0] == 200
        assert not await jane.may()
        assert await log_in(face, jane, NEW) is not None
        assert await fetchval(dsn, "SELECT count(*) FROM mails") == 0
