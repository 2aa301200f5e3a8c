"""Invitations on the users page: made and revoked by admins, seen by auditors, shown once."""

import re
from collections.abc import AsyncGenerator

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, nobody, signed_in
from tests.integration.console.test_account import once
from tests.integration.web.accounts import PASSWORD
from tests.support.databases import execute, fetch
from tests.support.http_gateway import Face, face_over

USERS, INVITE = "/console/users", "/console/invitations"
FORM = {"address": "", "days": "7", "reason": "starts on Monday"}


@pytest.fixture
async def face(database: PostgresEndpoint) -> AsyncGenerator[Face]:
    """Serve a farm that opens accounts by invitation, with an admin and an auditor."""
    async with face_over(database, accounts={"registration": "invite"}) as running:
        password = await running.gateway.identity.passwords.hash(PASSWORD)
        for name, role in (("ann", "admin"), ("rita", "auditor"), ("jane", "user")):
            await execute(
                database.owner_dsn,
                "INSERT INTO users (id, email, name, password_hash, role) VALUES"
                f" (gen_random_uuid(), '{name}@example.org', '{name}', '{password}', '{role}')",
            )
        yield running


@pytest.fixture
async def ann(face: Face) -> Visitor:
    return await signed_in(face, "ann@example.org")


async def test_an_admin_makes_a_link_that_is_shown_once(face: Face, ann: Visitor) -> None:
    answer = await ann.post(INVITE, {**FORM, "address": "bob@example.org"})
    assert (answer.status, answer.headers["Location"]) == (303, USERS)
    link = once(answer)
    page, _, token = link.partition("#invitation=")
    assert page == f"{face.client.make_url('/console/sign-up')}?email=bob%40example.org"
    _, text = await nobody(face).get("/console/sign-up?email=bob%40example.org")
    assert 'required maxlength="254" value="bob@example.org"' in text
    _, text = await ann.get(USERS)
    assert f'<code id="once">{link}</code>' in text
    _, text = await ann.get(USERS)
    assert token not in text
    assert "bob@example.org" in text
    form = {"name": "Bob", "email": "bob@example.org", "password": PASSWORD, "invitation": token}
    assert (await nobody(face).post("/console/sign-up", form)).status == 303
    assert "No open invitations" in (await ann.get(USERS))[1]


async def test_an_invitation_is_revoked_with_a_reason(
    face: Face, ann: Visitor, database: PostgresEndpoint
) -> None:
    token = once(await ann.post(INVITE, FORM)).partition("#invitation=")[2]
    _, text = await ann.get(USERS)
    found = re.search(r'id="invitation-([0-9a-f-]{36})"', text)
    assert found is not None
    for why, status in (("", 422), ("sent to the wrong person", 303), ("again", 404)):
        answer = await ann.post(f"{INVITE}/revoke", {"which": found[1], "why": why})
        assert answer.status == status
    form = {"name": "Bob", "email": "bob@example.org", "password": PASSWORD, "invitation": token}
    assert (await nobody(face).post("/console/sign-up", form)).status == 403
    rows = await fetch(database.owner_dsn, "SELECT act, reason FROM audit ORDER BY number")
    assert [tuple(row.values()) for row in rows] == [
        ("user.invite", "starts on Monday"),
        ("user.revoke_invitation", "sent to the wrong person"),
    ]


async def test_what_is_refused_is_said_beside_the_field(ann: Visitor) -> None:
    answer = await ann.post(INVITE, {**FORM, "address": "bob"})
    text = await answer.text()
    assert answer.status == 422
    assert "The address is not an e-mail address" in text
    assert 'value="bob"' in text
    assert 'value="starts on Monday"' in text


async def test_an_auditor_sees_invitations_and_others_do_not(face: Face, ann: Visitor) -> None:
    await ann.post(INVITE, {**FORM, "address": "bob@example.org"})
    rita = await signed_in(face, "rita@example.org")
    status, text = await rita.get(USERS)
    assert (status, "bob@example.org" in text) == (200, True)
    assert INVITE not in text
    jane = await signed_in(face, "jane@example.org")
    assert (await jane.get(USERS))[0] == 403
    for visitor in (rita, jane):
        assert (await visitor.post(INVITE, FORM)).status == 403


async def test_an_open_farm_has_no_invitations(database: PostgresEndpoint, face: Face) -> None:
    async with face_over(database) as open_farm:
        ann = await signed_in(open_farm, "ann@example.org")
        assert "Invitations" not in (await ann.get(USERS))[1]
