"""Sign-in with OpenID Connect in the console, and attacks on it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import attrs
import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import OWN, Visitor, nobody
from tests.integration.web.accounts import PASSWORD, register
from tests.integration.web.factors import secured, wrong
from tests.integration.web.test_problems import raw_exchange
from tests.support import scripted_provider as tokens
from tests.support.databases import execute, fetchval
from tests.support.http_gateway import Face, face_over, with_ledger
from tests.support.scripted_provider import (
    Asked,
    ScriptedProvider,
    scripted_provider,
    signed,
    signed_text,
)
from web.identity.providers import SignInSecrets

NOT_BEGUN = "It was begun in another browser"
NOT_ACCEPTED = "was not accepted"


@attrs.frozen
class Farm:
    """A site with two providers, of which the second one may be hostile."""

    face: Face
    company: ScriptedProvider
    other: ScriptedProvider
    dsn: str

    def browser(self) -> Visitor:
        return nobody(self.face)

    async def count(self, table: str) -> int:
        return int(await fetchval(self.dsn, f"SELECT count(*) FROM {table}"))


@asynccontextmanager
async def farm_of(
    database: PostgresEndpoint, more: dict[str, Any] | None = None, **sections: Any
) -> AsyncGenerator[Farm]:
    async with scripted_provider() as company, scripted_provider("other") as other:
        given = {"providers": [company.table(**(more or {})), other.table()]}
        async with face_over(database, with_ledger, oidc=given, **sections) as face:
            yield Farm(face, company, other, database.owner_dsn)


@pytest.fixture
async def farm(database: PostgresEndpoint) -> AsyncGenerator[Farm]:
    async with farm_of(database) as found:
        yield found


def always(text: str) -> Callable[[dict[str, Any]], str]:
    """Return a maker of tokens that are all this text."""
    return lambda _: text


def path(provider: str = "company") -> str:
    return f"/console/sign-in/with/{provider}"


async def begin(browser: Visitor, provider: str = "company", **form: str) -> Asked:
    """Press the button of a provider."""
    answer = await browser.post(path(provider), form)
    text = await answer.text()
    assert answer.status == 200, text
    return Asked.of(text)


async def come_back(
    browser: Visitor, provider: ScriptedProvider, asked: Asked, **changed: str | None
) -> Any:
    """Follow the provider's redirect; ``changed`` are parameters that differ."""
    given = {"code": "", "state": asked.values["state"], "iss": provider.issuer, **changed}
    query = urlencode({name: value for name, value in given.items() if value is not None})
    return await browser.ask("GET", f"{path(provider.id)}/callback?{query}")


async def sign_in(browser: Visitor, provider: ScriptedProvider, **form: str) -> Any:
    """Go the whole way."""
    asked = await begin(browser, provider.id, **form)
    return await come_back(browser, provider, asked, code=provider.agree(asked))


async def is_signed_in(browser: Visitor) -> bool:
    return (await browser.get("/console/account"))[0] == 200


async def test_without_providers_there_is_no_button_and_no_route(
    database: PostgresEndpoint,
) -> None:
    async with face_over(database, with_ledger) as face:
        browser = nobody(face)
        for page in ("/console/sign-in", "/console/sign-up"):
            assert "/console/sign-in/with/" not in (await browser.get(page))[1]
        assert (await browser.post(path(), {})).status in (404, 405)
        assert (await browser.get(f"{path()}/callback?code=1&state=2"))[0] == 404


async def test_a_newcomer_gets_an_account_and_comes_back_to_it(farm: Farm) -> None:
    browser = farm.browser()
    for page in ("/console/sign-in", "/console/sign-up"):
        assert "Sign in with <bdi>Company</bdi>" in (await browser.get(page))[1]
    asked = await begin(browser)
    values = asked.values
    assert asked.url.startswith(f"{farm.company.issuer}/authorize?")
    assert values["code_challenge_method"] == "S256"
    assert values["scope"] == "openid email profile"
    base = str(farm.face.client.make_url("")).rstrip("/")
    assert values["redirect_uri"] == f"{base}{path()}/callback"
    answer = await come_back(browser, farm.company, asked, code=farm.company.agree(asked))
    assert (answer.status, answer.headers["Location"]) == (303, "/console/jobs/new")
    text = (await browser.get("/console/account"))[1]
    assert "nora@example.org" in text
    assert await fetchval(farm.dsn, "SELECT verified_at IS NOT NULL FROM users")
    assert not await fetchval(farm.dsn, "SELECT has_password FROM users")
    again = farm.browser()
    answer = await sign_in(again, farm.company, next="/console/account")
    assert (answer.status, answer.headers["Location"]) == (303, "/console/account")
    assert (await farm.count("users"), await farm.count("identities")) == (1, 1)
    assert await farm.count("provider_sign_ins") == 0


async def test_an_address_is_verified_only_if_the_provider_says_so(farm: Farm) -> None:
    for claim in (None, False, "true", 1):
        farm.company.claims["sub"] = f"of {claim}"
        farm.company.claims["email"] = f"{claim}@example.org"
        farm.company.claims["email_verified"] = claim
        assert (await sign_in(farm.browser(), farm.company)).status == 303
    assert await fetchval(farm.dsn, "SELECT count(*) FROM users WHERE verified_at IS NULL") == 4


async def test_a_new_address_at_the_provider_changes_no_account(farm: Farm) -> None:
    await sign_in(farm.browser(), farm.company)
    farm.company.claims["email"] = "nora.new@example.org"
    assert (await sign_in(farm.browser(), farm.company)).status == 303
    assert await fetchval(farm.dsn, "SELECT email FROM users") == "nora@example.org"
    assert await fetchval(farm.dsn, "SELECT email FROM identities") == "nora.new@example.org"


async def test_claims_may_come_with_the_user_information(farm: Farm) -> None:
    farm.company.claims = {"auth_time": 1}
    farm.company.user_info = {"sub": "248289761001", "email": "nora@example.org", "name": "Nora"}
    assert (await sign_in(farm.browser(), farm.company)).status == 303
    assert await fetchval(farm.dsn, "SELECT name FROM users") == "Nora"


async def test_user_information_of_somebody_else_is_refused(farm: Farm) -> None:
    farm.company.claims = {}
    farm.company.user_info = {"sub": "1", "email": "victim@example.org", "name": "Victim"}
    answer = await sign_in(farm.browser(), farm.company)
    assert (answer.status, NOT_ACCEPTED in await answer.text()) == (403, True)
    assert await farm.count("users") == 0


async def test_an_identity_is_never_merged_by_its_address(farm: Farm) -> None:
    """Not even if the provider says that the address is verified."""
    jane = await register(farm.face, "Nora@Example.org")
    for verified in (True, False):
        farm.company.claims["email_verified"] = verified
        browser = farm.browser()
        answer = await sign_in(browser, farm.company)
        assert answer.status == 409
        assert "Link your account first" in await answer.text()
        assert not await is_signed_in(browser)
    assert await farm.count("identities") == 0
    assert await fetchval(farm.dsn, "SELECT count(*) FROM users WHERE id = $1", jane.id) == 1


async def test_the_same_subject_at_another_provider_is_somebody_else(farm: Farm) -> None:
    await sign_in(farm.browser(), farm.company)
    farm.other.claims["email"] = "mallory@example.org"
    browser = farm.browser()
    assert (await sign_in(browser, farm.other)).status == 303
    assert "mallory@example.org" in (await browser.get("/console/account"))[1]
    assert await farm.count("users") == 2


async def test_two_first_sign_ins_at_once_make_one_account(farm: Farm) -> None:
    browsers = [farm.browser() for _ in range(4)]
    answers = await asyncio.gather(*(sign_in(each, farm.company) for each in browsers))
    assert [answer.status for answer in answers] == [303] * 4
    assert (await farm.count("users"), await farm.count("identities")) == (1, 1)
    for browser in browsers:
        assert await is_signed_in(browser)


async def test_a_cookie_from_before_does_not_become_the_session(farm: Farm) -> None:
    """Session fixation: the session has a new id, and the old cookie stays what it was."""
    browser = farm.browser()
    asked = await begin(browser)
    planted = browser.cookie()
    answer = await come_back(browser, farm.company, asked, code=farm.company.agree(asked))
    assert answer.status == 303
    thief = farm.browser()
    answer = await thief.ask("GET", "/console/account", headers={"Cookie": planted})
    assert answer.status == 303
    assert "rendertrust-provider" not in browser.cookie()
    await sign_in(browser, farm.company)
    assert await farm.count("refresh_families") == 2


async def test_another_site_cannot_begin_a_sign_in(farm: Farm) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        answer = await farm.browser().post(path(), {}, **headers)
        assert answer.status == 403
    assert await farm.count("provider_sign_ins") == 0


async def test_a_wrong_state_is_refused(farm: Farm) -> None:
    browser = farm.browser()
    asked = await begin(browser)
    for state in (None, "", "wrong", "x" * 5_000, asked.values["nonce"]):
        code = farm.company.agree(asked)
        answer = await come_back(browser, farm.company, asked, code=code, state=state)
        assert (answer.status, NOT_BEGUN in await answer.text()) == (400, True)
        assert "/token" not in farm.company.served
    twice = f"{path()}/callback?" + urlencode([("state", asked.values["state"])] * 2)
    assert (await browser.get(twice))[0] == 400
    code = farm.company.agree(asked)
    answer = await come_back(browser, farm.company, asked, code=code)
    assert answer.status == 303, "a forged answer does not end the browser's own sign-in"


async def test_a_state_of_another_browser_is_refused(farm: Farm) -> None:
    """Login CSRF: nobody is signed in as somebody else by a link."""
    mallory, victim = farm.browser(), farm.browser()
    asked = await begin(mallory)
    code = farm.company.agree(asked)
    answer = await come_back(victim, farm.company, asked, code=code)
    assert (answer.status, NOT_BEGUN in await answer.text()) == (400, True)
    own = await begin(victim)
    answer = await come_back(victim, farm.company, own, code=code)
    text = await answer.text()
    assert (answer.status, NOT_ACCEPTED in text) == (403, True), "PKCE: the code is mallory's"
    assert not await is_signed_in(victim)
    assert await farm.count("users") == 0


async def test_a_state_is_used_once_and_for_ten_minutes(farm: Farm) -> None:
    browser = farm.browser()
    asked = await begin(browser)
    cookie = {"Cookie": browser.cookie()}
    given = {"code": farm.company.agree(asked), "state": asked.values["state"]}
    url = f"{path()}/callback?{urlencode({**given, 'iss': farm.company.issuer})}"
    assert (await browser.ask("GET", url)).status == 303
    farm.company.codes[given["code"]] = asked.values
    answer = await farm.browser().ask("GET", url, headers=cookie)
    assert (answer.status, NOT_BEGUN in await answer.text()) == (400, True)
    late = farm.browser()
    asked = await begin(late)
    await execute(farm.dsn, "UPDATE provider_sign_ins SET expires_at = now()")
    answer = await come_back(late, farm.company, asked, code=farm.company.agree(asked))
    assert (answer.status, NOT_BEGUN in await answer.text()) == (400, True)


async def test_of_two_answers_at_once_one_counts(farm: Farm) -> None:
    browser = farm.browser()
    asked = await begin(browser)
    url = f"{path()}/callback?" + urlencode(
        {"code": farm.company.agree(asked), **asked.values, "iss": farm.company.issuer}
    )
    headers = {"Cookie": browser.cookie()}
    both = [farm.browser().ask("GET", url, headers=headers) for _ in range(2)]
    assert sorted(answer.status for answer in await asyncio.gather(*both)) == [303, 400]


async def test_a_code_is_not_accepted_twice(farm: Farm) -> None:
    browser = farm.browser()
    asked = await begin(browser)
    code = farm.company.agree(asked)
    assert (await come_back(browser, farm.company, asked, code=code)).status == 303
    asked = await begin(browser)
    answer = await come_back(browser, farm.company, asked, code=code)
    assert (answer.status, NOT_ACCEPTED in await answer.text()) == (403, True)


async def test_a_provider_cannot_pass_its_sign_in_to_another_one(farm: Farm) -> None:
    """Mix-up: the victim goes to the other provider, which sends them to the company's answer."""
    browser = farm.browser()
    for sends_issuer in (False, True):  # metadata are read once
        farm.company.metadata["authorization_response_iss_parameter_supported"] = sends_issuer
        asked = await begin(browser, "other")
        code = farm.company.agree(asked)
        iss = farm.company.issuer if sends_issuer else None
        answer = await come_back(browser, farm.company, asked, code=code, iss=iss)
        assert (answer.status, NOT_BEGUN in await answer.text()) == (400, True)
    for issuer in (farm.company.issuer, None, "", f"{farm.other.issuer}/"):
        asked = await begin(browser, "other")
        answer = await come_back(browser, farm.other, asked, code=code, iss=issuer)
        assert (answer.status, NOT_BEGUN in await answer.text()) == (400, True), issuer
    assert "/token" not in farm.other.served + farm.company.served


async def test_a_provider_that_sends_no_issuer_may_leave_it_out(farm: Farm) -> None:
    farm.company.metadata["authorization_response_iss_parameter_supported"] = False
    browser = farm.browser()
    asked = await begin(browser)
    code = farm.company.agree(asked)
    answer = await come_back(browser, farm.company, asked, code=code, iss=farm.other.issuer)
    assert answer.status == 400
    asked = await begin(browser)
    code = farm.company.agree(asked)
    assert (await come_back(browser, farm.company, asked, code=code, iss=None)).status == 303


@pytest.mark.parametrize(
    "token",
    [
        tokens.unsigned,
        tokens.with_public_key,
        tokens.with_own_key,
        tokens.with_other_key,
        tokens.with_other_signature,
        always("not a token"),
        always("a.b.c"),
        always("a." * 35_000),
    ],
)
async def test_a_token_without_the_providers_signature_is_refused(
    farm: Farm, token: Callable[[dict[str, Any]], str]
) -> None:
    farm.company.token = token
    browser = farm.browser()
    answer = await sign_in(browser, farm.company)
    assert (answer.status, NOT_ACCEPTED in await answer.text()) == (403, True)
    assert not await is_signed_in(browser)
    assert await farm.count("users") == 0


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "another client"},
        {"aud": ["another client"]},
        {"aud": None},
        {"aud": [tokens.CLIENT, "another client"]},
        {"aud": [tokens.CLIENT, "another client"], "azp": "another client"},
        {"azp": "another client"},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": 10**400},
        {"iat": 1_000_000_000},
        {"iat": None},
        {"iat": 9_000_000_000, "exp": 9_000_000_300},
        {"nbf": 9_000_000_000},
        {"nonce": None},
        {"nonce": "of another sign-in"},
        {"nonce": ["a", "b"]},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"sub": "a\u0000b"},
    ],
)
async def test_a_token_for_something_else_is_refused(farm: Farm, claims: dict[str, Any]) -> None:
    farm.company.claims |= claims
    browser = farm.browser()
    answer = await sign_in(browser, farm.company)
    assert (answer.status, NOT_ACCEPTED in await answer.text()) == (403, True)
    assert not await is_signed_in(browser)
    assert await farm.count("users") == 0


async def test_a_token_of_an_earlier_sign_in_is_refused(farm: Farm) -> None:
    """Replay: the nonce is of the browser's own sign-in."""
    kept = list[str]()

    def first(claims: dict[str, Any]) -> str:
        kept.append(signed(claims))
        return kept[0]

    farm.company.token = first
    assert (await sign_in(farm.browser(), farm.company)).status == 303
    thief = farm.browser()
    answer = await sign_in(thief, farm.company)
    assert len(kept) == 2
    assert (answer.status, NOT_ACCEPTED in await answer.text()) == (403, True)
    assert not await is_signed_in(thief)


async def test_a_provider_may_change_its_key(farm: Farm) -> None:
    """An unknown key is asked for, but not for each token."""
    await sign_in(farm.browser(), farm.company)
    farm.company.token = lambda claims: signed(claims, tokens.NEW_KEY, "ES256")
    farm.company.keys = [tokens.NEW_KEY]
    answer = await sign_in(farm.browser(), farm.company)
    assert answer.status == 403, "the keys were asked for less than a minute ago"
    assert farm.company.served.count("/keys") == 1
    assert farm.company.served.count("/.well-known/openid-configuration") == 1


@pytest.mark.parametrize(
    ("path_", "status"),
    [
        ("/.well-known/openid-configuration", 500),
        ("/.well-known/openid-configuration", 302),
        ("/keys", 404),
        ("/token", 500),
        ("/token", 307),
    ],
)
async def test_a_provider_that_fails_is_named(farm: Farm, path_: str, status: int) -> None:
    farm.company.statuses[path_] = status
    browser = farm.browser()
    answer = await browser.post(path(), {})
    if answer.status == 200:
        asked = Asked.of(await answer.text())
        code = farm.company.agree(asked)
        answer = await come_back(browser, farm.company, asked, code=code)
    text = await answer.text()
    assert (answer.status, "Company does not answer" in text) == (503, True)
    del farm.company.statuses[path_]
    assert (await sign_in(browser, farm.company)).status == 303


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": "http://other.example/token"},
        {"token_endpoint": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
        {"padding": "x" * 300_000},
    ],
)
async def test_metadata_that_a_provider_would_not_have_are_refused(
    farm: Farm, metadata: dict[str, Any]
) -> None:
    farm.company.metadata = metadata
    answer = await farm.browser().post(path(), {})
    assert (answer.status, "Company does not answer" in await answer.text()) == (503, True)


async def test_who_cancels_at_the_provider_is_told_so(farm: Farm) -> None:
    browser = farm.browser()
    asked = await begin(browser)
    answer = await come_back(browser, farm.company, asked, code=None, error="access_denied")
    text = await answer.text()
    assert (answer.status, "or you cancelled" in text) == (403, True)


async def test_an_account_that_is_not_active_stays_closed(farm: Farm) -> None:
    await sign_in(farm.browser(), farm.company)
    await execute(farm.dsn, "UPDATE users SET is_active = false")
    browser = farm.browser()
    answer = await sign_in(browser, farm.company)
    assert (answer.status, "not active" in await answer.text()) == (403, True)
    assert not await is_signed_in(browser)


async def test_a_provider_without_an_address_opens_no_account(farm: Farm) -> None:
    farm.company.token = lambda claims: signed_text(json.dumps(claims))
    for email in (None, "", "nora", "nora@", 7, "a\0b@example.org", "\ud800@example.org"):
        farm.company.claims["email"] = email
        answer = await sign_in(farm.browser(), farm.company)
        assert (answer.status, "address is missing" in await answer.text()) == (403, True)
    assert await farm.count("users") == 0


@pytest.mark.parametrize("email", ["a\0b@example.org", "\ud800@example.org", "x" * 400])
async def test_an_odd_address_does_not_keep_a_user_out(farm: Farm, email: str) -> None:
    await sign_in(farm.browser(), farm.company)
    farm.company.token = lambda claims: signed_text(json.dumps(claims))
    farm.company.claims["email"] = email
    browser = farm.browser()
    assert (await sign_in(browser, farm.company)).status == 303
    assert await is_signed_in(browser)


async def test_deeply_nested_claims_are_refused(farm: Farm) -> None:
    deep = '{"sub":' + "[" * 20_000 + "]" * 20_000 + "}"
    farm.company.token = lambda _: signed_text(deep)
    answer = await sign_in(farm.browser(), farm.company)
    assert (answer.status, NOT_ACCEPTED in await answer.text()) == (403, True)


async def test_a_closed_farm_opens_no_accounts(database: PostgresEndpoint) -> None:
    async with farm_of(database, accounts={"registration": "closed"}) as farm:
        await execute(
            farm.dsn,
            "INSERT INTO users (id, email, name, password_hash)"
            " VALUES (gen_random_uuid(), 'known@example.org', 'Known', 'x')",
        )
        seen = set[str]()
        for email in ("nora@example.org", "known@example.org"):
            farm.company.claims["email"] = email
            answer = await sign_in(farm.browser(), farm.company)
            text = (await answer.text()).partition("Request <code>")[0]
            seen.add(text.partition("data-now")[0] + text.partition("<main")[2])
            assert (answer.status, "No account yet" in text) == (403, True)
        assert len(seen) == 1, "the page does not tell who has an account"
        assert await farm.count("users") == 1


async def test_an_invitation_opens_one_account(database: PostgresEndpoint) -> None:
    async with farm_of(database, accounts={"registration": "invite"}) as farm:
        await execute(
            farm.dsn,
            "INSERT INTO invitations (id, sha256, created_at, created_by, expires_at) VALUES"
            " (gen_random_uuid(), sha256('rti_0123'), now(), 'ann', now() + interval '1 hour')",
        )
        for invitation in ({}, {"invitation": "rti_9999"}):
            answer = await sign_in(farm.browser(), farm.company, **invitation)
            assert answer.status == 403
        assert await farm.count("users") == 0
        browser = farm.browser()
        answer = await sign_in(browser, farm.company, invitation="rti_0123")
        assert answer.status == 303
        assert await is_signed_in(browser)
        farm.company.claims |= {"sub": "2", "email": "second@example.org"}
        answer = await sign_in(farm.browser(), farm.company, invitation="rti_0123")
        assert answer.status == 403
        assert await farm.count("users") == 1


LINK = (
    "INSERT INTO identities (issuer, subject, id, user_id, created_at, used_at)"
    " SELECT $1, '248289761001', gen_random_uuid(), id, now(), now() FROM users"
)


async def test_a_second_factor_is_asked_for_after_the_provider(farm: Farm) -> None:
    otto = await secured(farm.face, farm.dsn, "otto@example.org")
    await execute(farm.dsn, LINK, farm.company.issuer)
    farm.company.claims |= {"amr": ["mfa"], "acr": "urn:mfa"}
    browser = farm.browser()
    answer = await sign_in(browser, farm.company, next="/console/account")
    assert answer.headers["Location"] == "/console/second-step?next=%2Fconsole%2Faccount"
    assert not await is_signed_in(browser)
    answer = await browser.post("/console/second-step", {"code": otto.code()})
    assert answer.status == 303
    assert await is_signed_in(browser)
    both = "SELECT count(*) FROM refresh_families WHERE factor_at = identity_at"
    assert await fetchval(farm.dsn, both) == 1


async def test_a_provider_with_its_own_factor_skips_the_second_step_only(
    database: PostgresEndpoint,
) -> None:
    """What asks for a recent factor still asks for ours."""
    async with farm_of(database, {"own_factor": True}) as farm:
        await secured(farm.face, farm.dsn, "otto@example.org")
        await execute(farm.dsn, LINK, farm.company.issuer)
        browser = farm.browser()
        assert (await sign_in(browser, farm.company)).status == 303
        assert await is_signed_in(browser)
        key = {"name": "robot", "scope": "jobs:read", "expires": ""}
        assert (await browser.post("/console/account/keys", key)).status == 403


async def test_an_admin_without_a_factor_sets_one_up(database: PostgresEndpoint) -> None:
    accounts = {"admin_second_factor": True}
    async with farm_of(database, {"own_factor": True}, accounts=accounts) as farm:
        await sign_in(farm.browser(), farm.company)
        await execute(farm.dsn, "UPDATE users SET role = 'admin'")
        browser = farm.browser()
        answer = await sign_in(browser, farm.company)
        assert answer.headers["Location"].startswith("/console/set-up-factor")
        assert not await is_signed_in(browser)


async def test_the_console_must_be_open_at_its_public_address(database: PostgresEndpoint) -> None:
    """Elsewhere the cookie would be missing when the provider sends the user back."""
    async with farm_of(database, server={"public_url": "https://farm.example"}) as farm:
        answer = await farm.browser().post(path(), {})
        text = await answer.text()
        assert (answer.status, "https://farm.example/console/sign-in" in text) == (409, True)
        headers = {**OWN, "Host": "farm.example"}
        page = await farm.browser().ask("POST", path(), data={}, headers=headers)
        uri = Asked.of(await page.text()).values["redirect_uri"]
        assert uri == f"https://farm.example{path()}/callback"
        assert "__Host-rendertrust-provider" in page.headers["Set-Cookie"]
        assert all(word in page.headers["Set-Cookie"] for word in ("HttpOnly", "Secure", "Lax"))


@pytest.mark.parametrize("cookie", [b"\xff", "\u00e9".encode()], ids=["no text", "no ASCII"])
async def test_a_cookie_that_is_no_token_ends_the_sign_in(farm: Farm, cookie: bytes) -> None:
    state = SignInSecrets(cookie.decode("ascii", "replace")).state
    asked = f"GET {path()}/callback?code=1&state={state} HTTP/1.1\r\nHost: farm\r\n".encode()
    sent = asked + b"Connection: close\r\nCookie: rendertrust-provider=" + cookie + b"\r\n\r\n"
    answer = await raw_exchange(farm.face, sent)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert NOT_BEGUN.encode() in answer


async def test_begun_sign_ins_are_limited(database: PostgresEndpoint) -> None:
    async with farm_of(database, limits={"login": 2}) as farm:
        browser = farm.browser()
        statuses = [(await browser.post(path(), {})).status for _ in range(3)]
        assert statuses == [200, 200, 429]


async def test_no_secret_is_stored(farm: Farm) -> None:
    browser = farm.browser()
    asked = await begin(browser)
    token = browser.cookie().partition("=")[2]
    rows = str(await fetchval(farm.dsn, "SELECT json_agg(p) FROM provider_sign_ins p"))
    for secret in (token, asked.values["state"], asked.values["nonce"], PASSWORD):
        assert secret not in rows


ROLES = {"render admins": "admin", "watchers": "auditor", "farmers": "operator"}


async def role_of(farm: Farm) -> str:
    return str(await fetchval(farm.dsn, "SELECT role FROM users WHERE email LIKE 'nora%'"))


async def another_admin(farm: Farm) -> None:
    await execute(
        farm.dsn,
        "INSERT INTO users (id, email, name, password_hash, role)"
        " VALUES (gen_random_uuid(), 'ann@example.org', 'Ann', 'x', 'admin')",
    )


async def test_groups_decide_the_role_at_each_sign_in(database: PostgresEndpoint) -> None:
    async with farm_of(database, {"roles": ROLES}) as farm:
        await another_admin(farm)
        for groups, role in (
            (["farmers", "others"], "operator"),
            (["farmers", "watchers"], "auditor"),
            ("render admins", "admin"),
            (["others"], "user"),
            (["render admins"], "admin"),
            (None, "user"),
            (["watchers"], "auditor"),
            ([7, {"a": 1}], "user"),
        ):
            farm.company.claims["groups"] = groups
            browser = farm.browser()
            assert (await sign_in(browser, farm.company)).status == 303
            assert await role_of(farm) == role, groups
            assert await is_signed_in(browser)
        acts = "SELECT count(*) FROM audit WHERE act = 'user.role' AND actor = 'provider:company'"
        assert await fetchval(farm.dsn, acts) == 8


async def test_a_change_of_the_role_ends_other_sessions(database: PostgresEndpoint) -> None:
    async with farm_of(database, {"roles": ROLES}) as farm:
        await another_admin(farm)
        farm.company.claims["groups"] = ["render admins"]
        before = farm.browser()
        await sign_in(before, farm.company)
        assert (await before.get("/console/users"))[0] == 200
        farm.company.claims["groups"] = []
        await sign_in(farm.browser(), farm.company)
        assert (await before.get("/console/users"))[0] == 303


async def test_a_role_that_is_not_mapped_stays(database: PostgresEndpoint) -> None:
    async with farm_of(database, {"roles": {"watchers": "auditor"}}) as farm:
        await sign_in(farm.browser(), farm.company)
        await execute(farm.dsn, "UPDATE users SET role = 'operator'")
        await sign_in(farm.browser(), farm.company)
        assert await role_of(farm) == "operator"
        farm.other.claims |= {"groups": ["watchers"], "sub": "2", "email": "mallory@example.org"}
        await sign_in(farm.browser(), farm.other)
        assert await fetchval(farm.dsn, "SELECT count(*) FROM users WHERE role = 'auditor'") == 0


async def test_the_last_admin_stays_one(database: PostgresEndpoint) -> None:
    async with farm_of(database, {"roles": ROLES}) as farm:
        farm.company.claims["groups"] = ["render admins"]
        for number in ("1", "2"):
            farm.company.claims |= {"sub": number, "email": f"nora{number}@example.org"}
            await sign_in(farm.browser(), farm.company)
        farm.company.claims["groups"] = []

        async def leave(number: str) -> None:
            claims = {**farm.company.claims, "sub": number}
            browser = farm.browser()
            asked = await begin(browser)
            code = farm.company.agree(asked, claims)
            assert (await come_back(browser, farm.company, asked, code=code)).status == 303

        await asyncio.gather(leave("1"), leave("2"))
        assert await fetchval(farm.dsn, "SELECT count(*) FROM users WHERE role = 'admin'") == 1


async def test_a_new_admin_of_a_group_sets_up_a_factor_first(database: PostgresEndpoint) -> None:
    accounts = {"admin_second_factor": True}
    async with farm_of(database, {"roles": ROLES}, accounts=accounts) as farm:
        farm.company.claims["groups"] = ["render admins"]
        browser = farm.browser()
        answer = await sign_in(browser, farm.company)
        assert answer.headers["Location"].startswith("/console/set-up-factor")
        assert (await browser.get("/console/set-up-factor"))[0] == 200
        assert not await is_signed_in(browser)


async def test_groups_count_after_the_second_factor(database: PostgresEndpoint) -> None:
    async with farm_of(database, {"roles": ROLES}) as farm:
        otto = await secured(farm.face, farm.dsn, "otto@example.org")
        await execute(farm.dsn, LINK, farm.company.issuer)
        before = farm.browser()
        await before.post("/console/sign-in", {"email": "otto@example.org", "password": PASSWORD})
        await before.post("/console/second-step", {"code": otto.code()})
        farm.company.claims["groups"] = ["farmers"]
        browser = farm.browser()
        answer = await sign_in(browser, farm.company)
        assert answer.headers["Location"].startswith("/console/second-step")
        assert await fetchval(farm.dsn, "SELECT role FROM users") == "user"
        assert await is_signed_in(before)
        await browser.post("/console/second-step", {"code": wrong(otto.code())})
        assert await fetchval(farm.dsn, "SELECT role FROM users") == "user"
        await browser.post("/console/second-step", {"code": await otto.fresh()})
        assert await fetchval(farm.dsn, "SELECT role FROM users") == "operator"
        assert await is_signed_in(browser)
        assert not await is_signed_in(before)


async def test_a_role_that_changed_meanwhile_ends_the_sign_in(database: PostgresEndpoint) -> None:
    async with farm_of(database, {"roles": ROLES}) as farm:
        otto = await secured(farm.face, farm.dsn, "otto@example.org")
        await execute(farm.dsn, LINK, farm.company.issuer)
        farm.company.claims["groups"] = ["farmers"]
        browser = farm.browser()
        await sign_in(browser, farm.company)
        await execute(farm.dsn, "UPDATE users SET role = 'auditor'")
        answer = await browser.post("/console/second-step", {"code": otto.code()})
        assert answer.headers["Location"].startswith("/console/sign-in")
        assert await fetchval(farm.dsn, "SELECT role FROM users") == "auditor"
