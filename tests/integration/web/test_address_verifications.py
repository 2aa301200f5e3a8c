"""Verified addresses: links by mail, and what users may not do without one."""

import asyncio
import re
from typing import Any
from uuid import uuid4

import pytest

from sql import mails
from sql.audit_log import Act
from sql.invitations import NewInvitation
from sql.mails import HOUR
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock
from tests.integration.console.people import newcomer
from tests.integration.web.accounts import PASSWORD, Person, ask, register
from tests.integration.web.mailing import MAIL, mailing, nothing_waits
from tests.support.databases import execute, fetchval
from tests.support.http_gateway import Face, face_over, face_with, with_ledger
from tests.support.until import until
from tests.twins.mail import TwinMail
from web.identity.invitation_tokens import digest_of

VERIFY = "/api/v1/auth/verify"
TOKEN = re.compile(r"/console/verify-address#token=(rtv_[0-9a-f]{32})")

face = face_with(with_ledger, mail=MAIL)


@pytest.fixture
def dsn(database: PostgresEndpoint) -> str:
    return database.owner_dsn


async def tokens(face: Face, count: int = 1) -> list[str]:
    """Return the tokens of the mails that wait."""
    transport = TwinMail()
    async with mailing(face, transport):
        await until(lambda: nothing_waits(face))
    assert len(transport.accepted) == count
    subjects = {mail.subject for mail in transport.accepted}
    assert subjects == {"Verify your address for RenderTrust"}
    return [found for mail in transport.accepted for found in TOKEN.findall(mail.text)]


async def verified(face: Face, token: str) -> int:
    status, _ = await ask(face, "POST", VERIFY, {"token": token})
    return status


async def allowed(person: Person) -> list[Any]:
    """Return the codes with which a purchase, a payout of money and an invitation are refused."""
    status, made = await person.ask("POST", "/api/v1/organisations", {"name": "Friends"})
    assert status == 201, made
    members = f"/api/v1/organisations/{made['id']}/members"
    body = {"email": "bob@example.org", "role": "member"}
    answers = [
        await person.ask("POST", "/api/v1/credits/checkout", {"sku": "absent"}),
        await person.ask("POST", "/api/v1/operators/me/payouts", {"to": "money"}),
        await person.ask("POST", members, body),
    ]
    return [(status, answer.get("code")) for status, answer in answers]


REFUSED = 3 * [(403, "address_unverified")]
ALLOWED = [(422, "invalid_request"), (409, "nothing_payable"), (200, None)]


async def test_an_address_is_verified_by_the_link_of_the_first_mail(face: Face) -> None:
    jane = await register(face)
    assert await allowed(jane) == REFUSED
    [token] = await tokens(face)
    assert await verified(face, "rtv_" + "0" * 32) == 403
    assert await verified(face, token) == 200
    assert await verified(face, token) == 403
    assert await allowed(jane) == ALLOWED
    status, _ = await jane.ask("POST", "/api/v1/operators/me/payouts", {"to": "credits"})
    assert status == 409


async def test_without_mail_nobody_verifies_an_address(
    database: PostgresEndpoint, dsn: str
) -> None:
    async with face_over(database, with_ledger) as face:
        jane = await register(face)
        assert await allowed(jane) == ALLOWED
        status, answer = await jane.ask("POST", f"{VERIFY}/send")
        assert (status, answer["code"]) == (404, "mail_off")
        assert await fetchval(dsn, "SELECT count(*) FROM mails") == 0


async def test_a_payout_as_credits_needs_no_verified_address(face: Face) -> None:
    jane = await register(face)
    status, answer = await jane.ask("POST", "/api/v1/operators/me/payouts", {"to": "credits"})
    assert (status, answer["code"]) == (409, "nothing_payable")


async def test_another_link_is_sent_three_times_an_hour(face: Face, dsn: str) -> None:
    jane = await register(face)
    for _ in range(2):
        assert (await jane.ask("POST", f"{VERIFY}/send"))[0] == 202
    status, answer = await jane.ask("POST", f"{VERIFY}/send")
    assert (status, answer["code"]) == (429, "rate_limited")
    first, *others = await tokens(face, 3)
    assert await verified(face, first) == 200
    for token in others:
        assert await verified(face, token) == 403
    await execute(dsn, "UPDATE mails SET created_at = created_at - interval '1 hour'")
    assert (await jane.ask("POST", f"{VERIFY}/send"))[0] == 202
    transport = TwinMail()
    async with mailing(face, transport):
        await until(lambda: nothing_waits(face))
    assert transport.tried == []  # the address is verified


async def test_a_full_queue_of_mails_is_no_limit_of_the_user(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    jane = await register(face)  # the first mail waits
    monkeypatch.setattr(mails, "WAITING_MAX", 1)
    status, answer = await jane.ask("POST", f"{VERIFY}/send")
    assert (status, answer["code"]) == (503, "mail_queue_full")
    assert answer["detail"] == "Too many mails wait to be sent; try again later"


async def test_a_token_expires_and_is_used_once(face: Face, dsn: str) -> None:
    await register(face)
    [token] = await tokens(face)
    statuses = await asyncio.gather(*(verified(face, token) for _ in range(4)))
    assert sorted(statuses) == [200, 403, 403, 403]
    await register(face, "bob@example.org")
    [token] = await tokens(face)
    await execute(dsn, "UPDATE mailed_tokens SET expires_at = now()")
    assert await verified(face, token) == 403


async def test_only_a_mailed_link_for_a_new_password_verifies(face: Face, dsn: str) -> None:
    jane = await register(face)
    ann = await newcomer(face, dsn, "admin", "ann@example.org")
    made = await ann.post(f"/console/users/{jane.id}/reset-link", {"reason": "she asked"})
    assert made.status == 303
    _, text = await ann.get(f"/console/users/{jane.id}")
    by_hand = re.findall(r"#token=(rtr_[0-9a-f]{32})", text)[0]
    body = {"token": by_hand, "new_password": "another long password"}
    assert (await ask(face, "POST", "/api/v1/auth/password/reset", body))[0] == 200
    of_jane = f"SELECT verified_at IS NOT NULL FROM users WHERE id = '{jane.id}'"
    assert not await fetchval(dsn, of_jane)
    await execute(dsn, "DELETE FROM mails")
    await ask(face, "POST", "/api/v1/auth/password/forgot", {"email": "jane@example.org"})
    transport = TwinMail()
    async with mailing(face, transport):
        await until(lambda: nothing_waits(face))
    by_mail = re.findall(r"#token=(rtr_[0-9a-f]{32})", transport.accepted[0].text)[0]
    body = {"token": by_mail, "new_password": "another long password"}
    assert (await ask(face, "POST", "/api/v1/auth/password/reset", body))[0] == 200
    assert await fetchval(dsn, of_jane)


async def test_the_console_asks_for_it_and_verifies_without_scripts(face: Face) -> None:
    jane = await newcomer(face)
    status, text = await jane.get("/console")
    assert (status, "is not verified yet" in text) == (200, True)
    assert (await jane.post("/console/account/verification", {})).status == 303
    token, _ = await tokens(face, 2)
    status, text = await jane.get("/console/verify-address")
    assert (status, 'name="token"' in text) == (200, True)
    wrong = await jane.post("/console/verify-address", {"token": "rtv_x"})
    assert (wrong.status, "The code is not valid" in await wrong.text()) == (403, True)
    done = await jane.post("/console/verify-address", {"token": token})
    assert (done.status, done.headers["Location"]) == (303, "/console")
    _, text = await jane.get("/console")
    assert "Your e-mail address is verified." in text
    assert "is not verified yet" not in text


async def test_the_console_says_why_an_invitation_is_refused(face: Face) -> None:
    jane = await newcomer(face)
    made = await jane.post("/console/organisations", {"name": "Friends"})
    path = made.headers["Location"]
    form = {"email": "bob@example.org", "role": "member"}
    refused = await jane.post(f"{path}/invite", form)
    text = await refused.text()
    assert (refused.status, "Verify your e-mail address first" in text) == (403, True)
    assert "get another link on the page Verify your address" in text


async def test_who_is_invited_verifies_their_address_too(
    database: PostgresEndpoint, dsn: str
) -> None:
    invite = {"registration": "invite"}
    async with face_over(database, with_ledger, mail=MAIL, accounts=invite) as face:
        new = NewInvitation(uuid4(), digest_of("rti_x"), None, SystemClock().now() + HOUR)
        act = Act(SystemClock().now(), None, "console:ann", "user.invite", "x", "she asked")
        assert await face.gateway.tables.invitations.insert(new, act) is not None
        body = {"email": "jane@example.org", "name": "Jane", "password": PASSWORD}
        path = "/api/v1/auth/register"
        status, _ = await ask(face, "POST", path, {**body, "invitation": "rti_x"})
        assert status == 201
        [token] = await tokens(face)
        assert await verified(face, token) == 200
