"""Signing up in the console: with the API's accounts, limits and refusals, and safe from others."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import OWN, Visitor, newcomer, nobody
from tests.integration.web.accounts import PASSWORD
from tests.support.databases import execute, fetchval
from tests.support.http_gateway import Face, face_over
from web.identity.invitation_tokens import digest_of
from web.identity.tokens import TokenType

SIGN_UP, SIGN_IN = "/console/sign-up", "/console/sign-in"
FORM = {"name": "Jane Okafor", "email": "jane@example.org", "password": PASSWORD}
TOKEN = "rti_" + "5a" * 16


async def test_a_stranger_signs_up_and_is_signed_in(face: Face) -> None:
    visitor = nobody(face)
    status, text = await visitor.get(SIGN_UP)
    assert status == 200
    answer = await visitor.post(SIGN_UP, FORM)
    assert (answer.status, answer.headers["Location"]) == (303, "/console")
    status, text = await visitor.get("/console")
    assert status == 200
    assert "Jane Okafor" in text
    assert "Your account is open, and you are signed in." in text
    assert "100 credits to begin with" in text
    assert PASSWORD not in text


async def test_new_users_come_to_where_they_wanted_to_go(face: Face) -> None:
    _, text = await nobody(face).get(SIGN_UP)
    assert 'name="next" value="/console/jobs/new"' in text
    _, text = await nobody(face).get(f"{SIGN_IN}?next=/console/fleet")
    assert 'href="/console/sign-up?next=%2Fconsole%2Ffleet"' in text
    for number, (there, to) in enumerate(
        (("/console/fleet", "/console/fleet"), ("//evil.example", "/console"))
    ):
        form = {**FORM, "email": f"u{number}@example.org", "next": there}
        answer = await nobody(face).post(SIGN_UP, form)
        assert (answer.status, answer.headers["Location"]) == (303, to)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": ""}, "The name must have at least 1 character"),
        (
            {"email": "jane"},
            "This address is not an e-mail address: An email address must have an @-sign.<",
        ),
        ({"password": "short"}, "The password must have at least 8 characters"),
        ({"password": None}, "The password is missing"),
    ],
)
async def test_faults_are_beside_their_fields_and_the_rest_is_kept(
    change: Mapping[str, str | None], said: str, face: Face
) -> None:
    form = {name: value for name, value in {**FORM, **change}.items() if value is not None}
    answer = await nobody(face).post(SIGN_UP, form)
    text = await answer.text()
    assert answer.status == 422
    assert said in text
    assert text.count('role="alert"') == 1
    assert 'aria-invalid="true"' in text
    assert PASSWORD not in text, "a password is never sent back"
    kept = [value for name, value in form.items() if name in ("name", "email") and value]
    assert all(f'value="{value}"' in text for value in kept)
    assert "Set-Cookie" not in answer.headers


async def test_a_known_address_is_refused_as_in_the_api(face: Face) -> None:
    await newcomer(face)
    answer = await nobody(face).post(SIGN_UP, {**FORM, "email": "JANE@example.org"})
    text = await answer.text()
    assert answer.status == 409
    assert "This address already has an account." in text
    assert "Set-Cookie" not in answer.headers


async def test_sign_up_from_another_site_is_refused(face: Face, database: PostgresEndpoint) -> None:
    origin = str(face.client.make_url("")).rstrip("/")
    foreign = (
        {"Sec-Fetch-Site": "cross-site", "Origin": origin},
        {"Sec-Fetch-Site": "same-site", "Origin": origin},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"X-Nothing": "1"},
    )
    for headers in foreign:
        answer = await nobody(face).ask("POST", SIGN_UP, data=FORM, headers=headers)
        assert answer.status == 403, headers
        assert "Set-Cookie" not in answer.headers
    assert await fetchval(database.owner_dsn, "SELECT count(*) FROM users") == 0


async def test_a_planted_cookie_is_not_the_new_accounts(face: Face) -> None:
    """Session fixation: the session of a new account is new, whatever cookie the browser had."""
    eve = await newcomer(face, email="eve@example.org")
    planted = eve.cookie()
    answer = await nobody(face).ask("POST", SIGN_UP, data=FORM, headers={**OWN, "Cookie": planted})
    assert answer.status == 303
    fresh = answer.cookies["rendertrust-console"].value
    tokens = face.gateway.identity.tokens
    new = await tokens.verify(fresh, TokenType.CONSOLE)
    old = await tokens.verify(planted.partition("=")[2], TokenType.CONSOLE)
    assert new is not None
    assert old is not None
    assert new.family != old.family
    assert new.subject != old.subject
    _, text = await eve.get("/console")
    assert "Jane Okafor" not in text, "the planted cookie still opens the attacker's account alone"


async def test_the_limits_are_those_of_the_api(database: PostgresEndpoint) -> None:
    """A form over the limit comes back as it was filled in, but for the password."""
    limits = {"register": 2, "login": 2}
    async with face_over(database, limits=limits) as face:
        body = {**FORM, "email": "first@example.org"}
        assert (await face.client.post("/api/v1/auth/register", json=body)).status == 201
        assert (await nobody(face).post(SIGN_UP, FORM)).status == 303
        answer = await nobody(face).post(SIGN_UP, {**FORM, "next": "/console/fleet"})
        text = await answer.text()
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) > 0
        for kept in ("Jane Okafor", "jane@example.org", "/console/fleet"):
            assert f'value="{kept}"' in text
        assert PASSWORD not in text
        for status in (401, 401, 429):
            form = {"email": "jane@example.org", "password": "wrong one", "next": "/console/jobs"}
            answer = await nobody(face).post(SIGN_IN, form)
            assert answer.status == status
        text = await answer.text()
        assert "Too many attempts from your address. Try again in" in text
        assert int(answer.headers["Retry-After"]) > 0
        for kept in ("jane@example.org", "/console/jobs"):
            assert f'value="{kept}"' in text
        assert "wrong one" not in text
        foreign = {"Sec-Fetch-Site": "cross-site"}
        answer = await nobody(face).post(SIGN_IN, form, **foreign)
        assert answer.status == 403


async def test_nobody_signs_up_where_accounts_are_closed(database: PostgresEndpoint) -> None:
    async with face_over(database, accounts={"registration": "closed"}) as face:
        for answer in (
            await nobody(face).ask("GET", SIGN_UP),
            await nobody(face).post(SIGN_UP, FORM),
        ):
            text = await answer.text()
            assert answer.status == 403
            assert "New accounts cannot be opened here." in text
            assert "<form" not in text
        _, text = await nobody(face).get(SIGN_IN)
        assert "/console/sign-up" not in text
    assert await fetchval(database.owner_dsn, "SELECT count(*) FROM users") == 0


async def test_nobody_signs_up_while_the_gateway_closes_or_is_halted(face: Face) -> None:
    face.script.open = False
    assert (await nobody(face).post(SIGN_UP, FORM)).status == 503


@pytest.fixture
async def private(database: PostgresEndpoint) -> AsyncGenerator[Face]:
    """Serve a farm that opens accounts by invitation, with one open invitation."""
    async with face_over(database, accounts={"registration": "invite"}) as face:
        await execute(
            database.owner_dsn,
            "INSERT INTO invitations (id, sha256, created_at, created_by, expires_at) VALUES"
            f" (gen_random_uuid(), '\\x{digest_of(TOKEN).hex()}', now(), 'ann',"
            " now() + interval '1 day')",
        )
        yield face


async def test_an_invitation_is_a_field_of_the_form(private: Face) -> None:
    _, text = await nobody(private).get(SIGN_UP)
    assert 'name="invitation"' in text
    assert "link_token.js" in text
    for invitation, said in (
        ("", "The invitation is missing."),
        ("rti_" + "0" * 32, "The invitation is not valid: it was used or revoked"),
    ):
        answer = await nobody(private).post(SIGN_UP, {**FORM, "invitation": invitation})
        text = await answer.text()
        assert (answer.status, said in text) == (403, True)
    visitor = nobody(private)
    answer = await visitor.post(SIGN_UP, {**FORM, "invitation": f" {TOKEN} "})
    assert answer.status == 303, await answer.text()
    assert (await visitor.get("/console"))[0] == 200


async def test_of_two_uses_at_the_same_time_one_wins(
    private: Face, database: PostgresEndpoint
) -> None:
    async def use(number: int) -> Any:
        form = {**FORM, "email": f"u{number}@example.org", "invitation": TOKEN}
        return (await nobody(private).post(SIGN_UP, form)).status

    assert sorted(await asyncio.gather(*map(use, range(4)))) == [303, 403, 403, 403]
    assert await fetchval(database.owner_dsn, "SELECT count(*) FROM users") == 1


async def test_a_fault_leaves_the_invitation_open(private: Face) -> None:
    visitor: Visitor = nobody(private)
    form = {**FORM, "invitation": TOKEN}
    answer = await visitor.post(SIGN_UP, {**form, "password": "short"})
    text = await answer.text()
    assert (answer.status, f'value="{TOKEN}"' in text) == (422, True)
    assert (await visitor.post(SIGN_UP, form)).status == 303
