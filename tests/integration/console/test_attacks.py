"""Attacks on sign-in and on the console's forms, on every one of them."""

import re
from typing import Any, Final
from uuid import uuid4

import pytest
from argon2 import PasswordHasher

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import OWN, Visitor, newcomer, nobody
from tests.integration.web.accounts import PASSWORD, ask, register
from tests.support.databases import fetch
from tests.support.http_gateway import Face, face_over
from web.console.live_updates import LIVE
from web.console.shared_page import SHARED
from web.identity.tokens import TokenType

SIGN_IN = "/console/sign-in"
JANE = {"email": "jane@example.org", "password": PASSWORD}
FOREIGN: Final[tuple[dict[str, str], ...]] = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {},
)


def changes(face: Face) -> list[tuple[str, str]]:
    """Return method and path of all of the console's routes that may change something."""
    server = face.client.server
    routes = getattr(server, "app").router.routes()  # noqa: B009 - servers of tests have one
    found = {
        (route.method, re.sub(r"\{[^}]+\}", str(uuid4()), route.resource.canonical))
        for route in routes
        if route.resource is not None and route.resource.canonical.startswith("/console")
    }
    safe = ("GET", "HEAD")
    # the route below shared pictures answers 405 to other methods, whoever asks
    takes_forms = (each for each in found if not each[1].startswith(SHARED))
    return sorted(each for each in takes_forms if each[0] not in safe and each[1] != LIVE)


async def counts(dsn: str) -> dict[str, Any]:
    """Return the numbers of rows that forms change."""
    tables = ("users", "api_keys", "refresh_families", "audit", "jobs", "organisations", "mails")
    (row,) = await fetch(
        dsn, "SELECT " + ", ".join(f"(SELECT count(*) FROM {name}) AS {name}" for name in tables)
    )
    return dict(row)


@pytest.mark.parametrize("headers", FOREIGN, ids=["cross-site", "same-site", "origin", "nothing"])
async def test_no_form_takes_what_another_site_sends(
    face: Face, database: PostgresEndpoint, ann: Visitor, headers: dict[str, str]
) -> None:
    """Cross-site request forgery, on every route with the cookie of an admin."""
    asked, before = changes(face), await counts(database.owner_dsn)
    assert len(asked) > 50
    for method, path in asked:
        answer = await ann.ask(method, path, data={}, headers=headers)
        assert answer.status == 403, (method, path, answer.status)
        assert "another site" in await answer.text(), (method, path)
        assert "Set-Cookie" not in answer.headers, (method, path)
    assert await counts(database.owner_dsn) == before
    assert (await ann.get("/console"))[0] == 200


async def test_a_planted_cookie_is_not_the_session_of_a_sign_in(face: Face) -> None:
    """Session fixation: a sign-in begins a new session, whatever cookie the browser had."""
    await register(face)
    eve = await newcomer(face, email="eve@example.org")
    planted = eve.cookie()
    answer = await nobody(face).ask("POST", SIGN_IN, data=JANE, headers={**OWN, "Cookie": planted})
    assert answer.status == 303
    tokens = face.gateway.identity.tokens
    fresh = answer.cookies["rendertrust-console"].value
    new = await tokens.verify(fresh, TokenType.CONSOLE)
    old = await tokens.verify(planted.partition("=")[2], TokenType.CONSOLE)
    assert new is not None
    assert old is not None
    assert (new.family != old.family, new.subject != old.subject) == (True, True)
    _, text = await eve.get("/console/account")
    assert "eve@example.org" in text
    assert "jane@example.org" not in text
    made_up = {**OWN, "Cookie": "rendertrust-console=chosen-by-somebody"}
    answer = await nobody(face).ask("POST", SIGN_IN, data=JANE, headers=made_up)
    assert answer.cookies["rendertrust-console"].value not in ("chosen-by-somebody", fresh)


async def test_unknown_addresses_cost_a_sign_in_as_much_as_known_ones(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Enumeration by answer and by time: the same answer, queries, and hashes of passwords."""
    await register(face)
    database, work = face.gateway.database, list[str]()
    one, verify = database.one, PasswordHasher.verify

    async def asked(name: str, *values: Any) -> Any:
        work.append(name)
        return await one(name, *values)

    def hashed(hasher: PasswordHasher, kept: str, password: str) -> Any:
        work.append(f"argon2 {kept.rpartition('$')[0].rpartition('$')[0]}")
        return verify(hasher, kept, password)

    monkeypatch.setattr(database, "one", asked)
    monkeypatch.setattr(PasswordHasher, "verify", hashed)
    told = list[Any]()
    for email in ("jane@example.org", "nobody@example.org"):
        form = {"email": email, "password": "a wrong password"}
        work.clear()
        status, said = await ask(face, "POST", "/api/v1/auth/login", form)
        by_api = list(work)
        work.clear()
        answer = await nobody(face).post(SIGN_IN, form)
        text = re.sub("[0-9a-f]{16}|[0-9]{13}", "", await answer.text()).replace(email, "")
        del said["request_id"]
        told.append((status, said, by_api, answer.status, text, list(work)))
    assert told[0] == told[1]
    assert (told[0][0], told[0][3]) == (401, 401)
    assert [each for each in told[0][2] if each.startswith("argon2")] != []


async def test_the_address_stays_in_a_form_that_was_sent_too_often(
    database: PostgresEndpoint,
) -> None:
    async with face_over(database, limits={"login": 1}) as face:
        guess = {**JANE, "next": "/console/jobs"}
        assert (await nobody(face).post(SIGN_IN, guess)).status == 401
        answer = await nobody(face).post(SIGN_IN, guess)
        text = await answer.text()
        assert answer.status == 429
        for kept in ("jane@example.org", "/console/jobs"):
            assert f'value="{kept}"' in text
        assert PASSWORD not in text
