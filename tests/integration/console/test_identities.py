"""Identities on the page "Your account": link, unlink, and accounts without a password."""

import time
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import attrs
import pytest

from sql.identities import IdentityKey, NewIdentity
from sql.link_tokens import BYTES, RESET, link_token
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer, nobody, signed_in
from tests.integration.console.test_provider_sign_in import (
    Farm,
    begin,
    come_back,
    farm_of,
    is_signed_in,
    sign_in,
)
from tests.integration.web.accounts import PASSWORD, ask
from tests.integration.web.factors import secured
from tests.support.databases import execute, fetchval
from tests.support.scripted_provider import Asked, ScriptedProvider

PAGE = "/console/account"
LINK = f"{PAGE}/identities/link"
UNLINK = f"{PAGE}/identities/unlink"
AGAIN = f"{PAGE}/identities/again"
LATER = "UPDATE refresh_families SET identity_at = identity_at - interval '10 minutes 1 second'"
NEW_PASSWORD = "long enough for all"


@pytest.fixture
async def farm(database: PostgresEndpoint) -> AsyncGenerator[Farm]:
    async with farm_of(database) as found:
        yield found


@pytest.fixture
async def jane(farm: Farm) -> Visitor:
    return await newcomer(farm.face)


@pytest.fixture
async def nora(farm: Farm) -> Visitor:
    """Sign up a user at the provider, who has no password."""
    browser = farm.browser()
    await sign_in(browser, farm.company)
    return attrs.evolve(browser, email="nora@example.org")


async def lead(browser: Visitor, path: str = LINK, **form: str) -> Asked:
    """Send a form that leads to the provider."""
    given = {"provider": "company", "confirmation": PASSWORD, **form}
    answer = await browser.post(path, given)
    text = await answer.text()
    assert answer.status == 200, text
    return Asked.of(text)


async def linked(browser: Visitor, provider: ScriptedProvider, **form: str) -> Any:
    asked = await lead(browser, provider=provider.id, **form)
    return await come_back(browser, provider, asked, code=provider.agree(asked))


async def confirmed(browser: Visitor, farm: Farm, **claims: Any) -> Any:
    """Sign in at the provider again."""
    asked = await lead(browser, AGAIN, next=f"{PAGE}#data")
    assert asked.values["max_age"] == "0"
    code = farm.company.agree(asked, {**farm.company.claims, **claims})
    return await come_back(browser, farm.company, asked, code=code)


async def identity_of(farm: Farm, issuer: str) -> str:
    return str(await fetchval(farm.dsn, "SELECT id FROM identities WHERE issuer = $1", issuer))


async def test_an_identity_is_linked_and_signs_in(farm: Farm, jane: Visitor) -> None:
    text = (await jane.get(PAGE))[1]
    assert "Link <bdi>Company</bdi>" in text
    answer = await linked(jane, farm.company)
    assert (answer.status, answer.headers["Location"]) == (303, PAGE)
    text = (await jane.get(PAGE))[1]
    assert "Your identity at Company is linked" in text
    assert "nora@example.org" in text
    assert "Link <bdi>Company</bdi>" not in text
    browser = nobody(farm.face)
    assert (await sign_in(browser, farm.company)).status == 303
    assert "jane@example.org" in (await browser.get(PAGE))[1]
    assert await farm.count("users") == 1


async def test_linking_needs_the_password(farm: Farm, jane: Visitor) -> None:
    for wrong in ("", "a wrong guess"):
        answer = await jane.post(LINK, {"provider": "company", "confirmation": wrong})
        text = await answer.text()
        assert (answer.status, "The password is incorrect" in text) == (422, True)
    assert await farm.count("provider_sign_ins") == 0
    answer = await jane.post(LINK, {"provider": "unknown", "confirmation": PASSWORD})
    assert answer.status == 404


async def test_linking_needs_a_recent_factor_of_those_who_have_one(farm: Farm) -> None:
    otto = await secured(farm.face, farm.dsn, "otto@example.org")
    browser = nobody(farm.face)
    form = {"email": "otto@example.org", "password": PASSWORD}
    await browser.post("/console/sign-in", form)
    await browser.post("/console/second-step", {"code": otto.code()})
    later = "UPDATE refresh_families SET factor_at = factor_at - interval '11 minutes'"
    await execute(farm.dsn, later)
    answer = await browser.post(LINK, {"provider": "company", "confirmation": PASSWORD})
    assert (answer.status, "last ten minutes" in await answer.text()) == (403, True)
    again = {"code": await otto.fresh(), "back": PAGE}
    assert (await browser.post("/console/second-factor-again", again)).status == 303
    assert (await linked(browser, farm.company, confirmation="")).status == 303


async def test_another_site_cannot_link_an_identity(farm: Farm, jane: Visitor) -> None:
    form = {"provider": "company", "confirmation": PASSWORD}
    assert (await jane.post(LINK, form, **{"Sec-Fetch-Site": "cross-site"})).status == 403
    mallory = farm.browser()
    asked = await begin(mallory)
    code = farm.company.agree(asked)
    assert (await come_back(jane, farm.company, asked, code=code)).status == 400
    own = await begin(jane)
    answer = await come_back(jane, farm.company, own, code=code)
    assert answer.status == 403
    assert await farm.count("identities") == 0


async def test_a_link_counts_only_in_the_session_that_asked_for_it(
    farm: Farm, jane: Visitor
) -> None:
    asked = await lead(jane)
    code = farm.company.agree(asked)
    await jane.post("/console/sign-out", {})
    answer = await come_back(jane, farm.company, asked, code=code)
    assert answer.status == 400
    other = await newcomer(farm.face, email="other@example.org")
    asked = await lead(jane := await signed_in(farm.face, "jane@example.org"))
    jane.jar.update_cookies(
        {c.key: c.value for c in other.jar if c.key == "rendertrust-console"},
        farm.face.client.make_url("/"),
    )
    answer = await come_back(jane, farm.company, asked, code=farm.company.agree(asked))
    assert answer.status == 400
    assert await farm.count("identities") == 0


async def test_an_identity_belongs_to_one_account(farm: Farm, nora: Visitor, jane: Visitor) -> None:
    answer = await linked(jane, farm.company)
    assert (answer.status, "another identity" in await answer.text()) == (409, True)
    owner = "SELECT users.email FROM users JOIN identities ON user_id = users.id"
    assert await fetchval(farm.dsn, owner) == nora.email
    await confirmed(nora, farm)
    answer = await linked(nora, farm.company, confirmation="")
    assert answer.status == 303, "linked already, to the same account"


async def test_an_identity_is_unlinked(farm: Farm, jane: Visitor) -> None:
    await execute(farm.dsn, "UPDATE users SET verified_at = now()")
    await execute(farm.dsn, "INSERT INTO mailer_life (seen_at) VALUES (now())")
    await linked(jane, farm.company)
    which = await identity_of(farm, farm.company.issuer)
    answer = await jane.post(UNLINK, {"which": which, "confirmation": "a wrong guess"})
    assert answer.status == 422
    other = await newcomer(farm.face, email="other@example.org")
    assert (await other.post(UNLINK, {"which": which, "confirmation": PASSWORD})).status == 404
    assert (await jane.post(UNLINK, {"which": which, "confirmation": PASSWORD})).status == 303
    mails = "SELECT array_agg(kind ORDER BY kind) FROM mails"
    assert await fetchval(farm.dsn, mails) == ["identity.linked", "identity.unlinked"]
    farm.company.claims["email"] = "jane@example.org"
    answer = await sign_in(farm.browser(), farm.company)
    assert (answer.status, "Link your account first" in await answer.text()) == (409, True)


async def test_the_last_identity_stays_without_a_password(farm: Farm, nora: Visitor) -> None:
    first = await identity_of(farm, farm.company.issuer)
    answer = await nora.post(UNLINK, {"which": first})
    assert (answer.status, "Set a password first" in await answer.text()) == (409, True)
    await linked(nora, farm.other)
    assert (await nora.post(UNLINK, {"which": first})).status == 303
    last = await identity_of(farm, farm.other.issuer)
    assert (await nora.post(UNLINK, {"which": last})).status == 409
    form = {"new_password": NEW_PASSWORD}
    assert (await nora.post(f"{PAGE}/password/first", form)).status == 303
    form = {"which": last, "confirmation": NEW_PASSWORD}
    assert (await nora.post(UNLINK, form)).status == 303
    assert await farm.count("identities") == 0


async def test_an_identity_of_a_provider_that_is_gone_does_not_count(
    farm: Farm, nora: Visitor
) -> None:
    other = (
        "INSERT INTO identities (issuer, subject, id, user_id, created_at, used_at)"
        " SELECT 'https://gone.example', '1', gen_random_uuid(), id, now(), now() FROM users"
    )
    await execute(farm.dsn, other)
    which = await identity_of(farm, farm.company.issuer)
    assert "https://gone.example" in (await nora.get(PAGE))[1]
    assert (await nora.post(UNLINK, {"which": which})).status == 409


async def test_a_user_without_a_password_confirms_at_the_provider(
    farm: Farm, nora: Visitor
) -> None:
    """For a password, a factor, a link and the deletion."""
    await execute(farm.dsn, LATER)
    text = (await nora.get(PAGE))[1]
    assert "Sign in with <bdi>Company</bdi> again" in text
    assert "Delete everything, for good" not in text
    first = await identity_of(farm, farm.company.issuer)
    forms: dict[str, dict[str, str]] = {
        f"{PAGE}/password/first": {"new_password": NEW_PASSWORD},
        f"{PAGE}/second-factor/app": {},
        LINK: {"provider": "other"},
        UNLINK: {"which": first},
        f"{PAGE}/delete": {"sure": "yes"},
    }
    for path, form in forms.items():
        for guess in ("", PASSWORD):
            guessed = {"password": guess, "confirmation": guess, "deletion_password": guess}
            answer = await nora.post(path, {**guessed, **form})
            text = await answer.text()
            assert (answer.status, "Sign in at your provider again" in text) == (409, True), path
    answer = await confirmed(nora, farm)
    assert (answer.status, answer.headers["Location"]) == (303, f"{PAGE}#data")
    assert "That counts for ten minutes" in (await nora.get(PAGE))[1]
    answer = await nora.post(f"{PAGE}/second-factor/app", {})
    assert answer.headers["Location"].startswith(f"{PAGE}/second-factor/app/")
    assert (await nora.post(f"{PAGE}/delete", {"sure": "yes"})).status == 303
    assert await fetchval(farm.dsn, "SELECT count(*) FROM users WHERE deleted_at IS NULL") == 0
    assert await farm.count("identities") == 0


async def test_only_a_fresh_sign_in_with_the_own_identity_confirms(
    farm: Farm, nora: Visitor
) -> None:
    await execute(farm.dsn, LATER)
    answer = await confirmed(nora, farm, auth_time=1_000_000_000)
    assert (answer.status, "Sign in there again" in await answer.text()) == (403, True)
    for at in (float("nan"), float("inf"), 10**400, 9_000_000_000):
        answer = await confirmed(nora, farm, auth_time=at)
        assert (answer.status, "Sign in there again" in await answer.text()) == (403, True), at
    for unusable in (None, "now", True):
        answer = await confirmed(nora, farm, auth_time=unusable)
        text = await answer.text()
        assert (answer.status, "does not say when you signed in" in text) == (403, True), unusable
    answer = await confirmed(nora, farm, sub="somebody else")
    assert (answer.status, "another identity" in await answer.text()) == (409, True)
    assert (await nora.post(f"{PAGE}/delete", {"sure": "yes"})).status == 409
    other = farm.browser()
    await sign_in(other, farm.company)
    assert (await nora.post(f"{PAGE}/delete", {"sure": "yes"})).status == 409, "another session"


@pytest.mark.parametrize("ago", [3 * 3600, None])
async def test_only_a_fresh_sign_in_counts_as_confirmation(
    farm: Farm, nora: Visitor, ago: int | None
) -> None:
    """A provider where the user is signed in for hours asks them nothing."""
    farm.company.claims["auth_time"] = None if ago is None else int(time.time()) - ago
    browser = farm.browser()
    assert (await sign_in(browser, farm.company)).status == 303
    text = (await browser.get(PAGE))[1]
    assert "Sign in with <bdi>Company</bdi> again" in text
    assert (await browser.post(f"{PAGE}/delete", {"sure": "yes"})).status == 409
    form = {"new_password": NEW_PASSWORD}
    assert (await browser.post(f"{PAGE}/password/first", form)).status == 409
    assert await fetchval(farm.dsn, "SELECT deleted_at IS NULL AND NOT has_password FROM users")


async def test_a_first_password_needs_a_recent_factor_too(farm: Farm, nora: Visitor) -> None:
    await execute(
        farm.dsn,
        "INSERT INTO authenticators (user_id, sealed, failing_since, confirmed_at)"
        " SELECT id, 'x', now(), now() FROM users",
    )
    form = {"new_password": NEW_PASSWORD}
    answer = await nora.post(f"{PAGE}/password/first", form)
    assert (answer.status, "last ten minutes" in await answer.text()) == (403, True)
    await execute(farm.dsn, "UPDATE refresh_families SET factor_at = now()")
    assert (await nora.post(f"{PAGE}/password/first", form)).status == 303


async def test_a_first_password_signs_in_and_is_not_replaced(farm: Farm, nora: Visitor) -> None:
    other = farm.browser()
    await sign_in(other, farm.company)
    form = {"new_password": NEW_PASSWORD}
    assert (await nora.post(f"{PAGE}/password/first", form)).status == 303
    assert not await is_signed_in(other)
    assert await is_signed_in(nora)
    assert await is_signed_in(await signed_in(farm.face, nora.email, NEW_PASSWORD))
    answer = await nora.post(f"{PAGE}/password/first", {"new_password": "another password"})
    assert answer.status == 409
    assert "Change password" in (await nora.get(PAGE))[1]


async def choose_by_mail(farm: Farm, password: str = NEW_PASSWORD) -> None:
    """Choose a password by a mailed link, as the owner of the only account's address."""
    gateway = farm.face.gateway
    token = link_token(RESET, gateway.ports.random.token(BYTES), gateway.ports.clock.now())
    await execute(
        farm.dsn,
        "INSERT INTO password_resets (sha256, user_id, expires_at, created_at, mailed)"
        " SELECT $1, id, now() + interval '30 minutes', now(), true FROM users",
        token.sha256,
    )
    body = {"token": token.text, "new_password": password}
    status, said = await ask(farm.face, "POST", "/api/v1/auth/password/reset", body)
    assert status == 200, said


@pytest.mark.parametrize("clicks", [False, True])
async def test_who_takes_their_address_over_ends_what_others_added_before(
    farm: Farm, *, clicks: bool
) -> None:
    """Mallory registers with somebody else's address, and links their own identity."""
    mallory = await newcomer(farm.face, email="victim@example.org")
    assert (await linked(mallory, farm.company)).status == 303
    key = {"name": "robot", "scope": "jobs:read", "expires": ""}
    made = await mallory.post(f"{PAGE}/keys", key)
    assert made.status == 303
    if clicks:  # the owner of the address opens the first mail
        await execute(farm.dsn, "UPDATE users SET verified_at = now()")
    await choose_by_mail(farm)
    assert await fetchval(farm.dsn, "SELECT verified_at IS NOT NULL FROM users")
    assert await farm.count("identities") == 0
    living = await fetchval(farm.dsn, "SELECT count(*) FROM api_keys WHERE revoked_at IS NULL")
    assert living == (1 if clicks else 0)
    farm.company.claims["email"] = "victim@example.org"
    answer = await sign_in(farm.browser(), farm.company)
    assert (answer.status, "Link your account first" in await answer.text()) == (409, True)


async def test_an_account_that_a_provider_opened_without_proof_is_taken_over(farm: Farm) -> None:
    farm.company.claims["email_verified"] = False
    await sign_in(farm.browser(), farm.company)
    await choose_by_mail(farm)
    assert await farm.count("identities") == 0


async def test_identities_of_a_verified_address_outlive_a_new_password(
    farm: Farm, nora: Visitor
) -> None:
    await linked(nora, farm.other)
    await choose_by_mail(farm)
    assert await farm.count("identities") == 2
    assert await is_signed_in(await signed_in(farm.face, nora.email, NEW_PASSWORD))


async def test_a_link_needs_a_session_that_is_open(farm: Farm, jane: Visitor) -> None:
    """A new password that ends the session at the same moment is not outlived."""
    user, session = (
        UUID(jane.id),
        await fetchval(
            farm.dsn, "SELECT sid FROM refresh_families ORDER BY created_at DESC LIMIT 1"
        ),
    )
    now = farm.face.gateway.ports.clock.now()
    new = NewIdentity(IdentityKey(farm.company.issuer, "1"), UUID(int=1), "", now)
    identities = farm.face.gateway.tables.identities
    await execute(farm.dsn, "UPDATE refresh_families SET revoked_at = now()")
    assert not await identities.link(new, user, session)
