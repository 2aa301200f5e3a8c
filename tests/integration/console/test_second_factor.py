"""The second factor in the console: set-up, the second step of sign-in, and asking again."""

import asyncio
import base64
import re
from typing import Any
from uuid import uuid4

import attrs
import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer, nobody, signed_in
from tests.integration.console.test_account import once, sessions_of
from tests.integration.web.accounts import PASSWORD, Person, ask, register
from tests.integration.web.factors import Secured, secret_in, secured, wrong
from tests.support.databases import connected, execute, fetchval
from tests.support.http_gateway import Face, face_over
from tests.support.until import until
from web.identity.totp import code_at, step_of

PAGE = "/console/account/second-factor"
STEP = "/console/second-step"
SET_UP = "/console/set-up-factor"
AGAIN = "/console/second-factor-again"
KEYS = "/console/account/keys"
LATER = "UPDATE refresh_families SET factor_at = factor_at - interval '10 minutes 1 second'"
KEY = {"name": "studio robot", "scope": "jobs:write", "expires": "30"}


@pytest.fixture
def dsn(database: PostgresEndpoint) -> str:
    return database.owner_dsn


@pytest.fixture
async def otto(face: Face, dsn: str) -> Secured:
    """Register a user with an authenticator app."""
    return await secured(face, dsn, "otto@example.org")


def now_code(face: Face, secret: bytes) -> str:
    return code_at(secret, step_of(face.gateway.ports.clock.now()))


def bytes_of(text: str) -> bytes:
    """Return the secret that a page shows."""
    return base64.b32decode(text)


async def half_signed_in(face: Face, email: str) -> Visitor:
    """Give the right password of a user with a second factor."""
    visitor = nobody(face)
    form = {"email": email, "password": PASSWORD, "next": "/console/account"}
    answer = await visitor.post("/console/sign-in", form)
    assert answer.status == 303
    assert answer.headers["Location"].startswith((STEP, SET_UP))
    return attrs.evolve(visitor, email=email)


async def wholly_signed_in(otto: Secured) -> Visitor:
    visitor = await half_signed_in(otto.face, otto.person.email)
    answer = await visitor.post(STEP, {"code": await otto.fresh(), "next": "/console/account"})
    assert (answer.status, answer.headers["Location"]) == (303, "/console/account")
    return visitor


async def setup_of(jane: Visitor) -> str:
    """Give the password for an app, and return the address of its set-up."""
    answer = await jane.post(f"{PAGE}/app", {"password": PASSWORD})
    assert answer.status == 303
    there: str = answer.headers["Location"]
    assert there.startswith(f"{PAGE}/app/")
    return there


async def test_an_app_is_set_up_with_the_password_and_a_code(face: Face, jane: Visitor) -> None:
    answer = await jane.post(f"{PAGE}/app", {"password": "a wrong guess"})
    text = await answer.text()
    assert (answer.status, "The current password is incorrect." in text) == (422, True)
    setup = await setup_of(jane)
    page = await jane.ask("GET", setup, headers={"Accept-Encoding": "gzip"})
    text = await page.text()
    assert "Content-Encoding" not in page.headers, "its size must not tell about the secret"
    assert "<svg" in text
    secret = bytes_of(secret_in(text))
    code = now_code(face, secret)
    answer = await jane.post(f"{setup}/confirm", {"code": wrong(code)})
    text = await answer.text()
    assert (answer.status, "The code is wrong or was used." in text) == (422, True)
    assert bytes_of(secret_in(text)) == secret, "the secret stays"
    answer = await jane.post(f"{setup}/confirm", {"code": code})
    assert (answer.status, answer.headers["Location"]) == (303, PAGE)
    codes = once(answer).split("\n")
    assert len(set(codes)) == 10
    text = (await jane.get(PAGE))[1]
    assert codes[0] in text, "shown once"
    text = (await jane.get(PAGE))[1]
    assert codes[0] not in text
    assert "You have 10 left." in text
    assert (await jane.post(f"{PAGE}/app", {})).status == 409
    assert (await jane.get(setup))[0] == 303, "the secret is not shown again"


async def test_a_stolen_cookie_shows_no_secret_of_an_app(face: Face, jane: Visitor) -> None:
    """The password, or a recent factor, opens the page of one set-up, which nobody can guess."""
    thief = attrs.evolve(jane)  # the same cookie
    setup = await setup_of(jane)
    secret = secret_in((await jane.get(setup))[1])
    assert (await thief.post(f"{PAGE}/app", {})).status == 422
    for path in (f"{PAGE}/app", f"{PAGE}/app/{uuid4()}", PAGE):
        assert secret not in (await thief.get(path))[1], path
    other = await signed_in(face, jane.email)
    assert (await other.get(setup))[0] == 303, "another session does not see it, either"
    code = now_code(face, bytes_of(secret))
    assert (await other.post(f"{setup}/confirm", {"code": code})).status == 422
    assert (await jane.post(f"{setup}/confirm", {"code": code})).status == 303


async def test_the_first_factor_ends_all_other_sessions(face: Face, jane: Visitor) -> None:
    """They began with the password alone."""
    other = await signed_in(face, jane.email)
    body = {"email": jane.email, "password": PASSWORD}
    _, tokens = await ask(face, "POST", "/api/v1/auth/login", body)
    setup = await setup_of(jane)
    code = now_code(face, bytes_of(secret_in((await jane.get(setup))[1])))
    assert (await jane.post(f"{setup}/confirm", {"code": code})).status == 303
    assert (await jane.get("/console/account"))[0] == 200
    assert (await other.get("/console/account"))[0] == 303
    body = {"refresh_token": tokens["refresh_token"]}
    assert (await ask(face, "POST", "/api/v1/auth/refresh", body))[0] == 401
    token = {"Authorization": f"Bearer {tokens['access_token']}"}
    status, _ = await ask(face, "GET", "/api/v1/jobs", None, token)
    assert status == 401


@pytest.mark.parametrize("console", [False, True])
async def test_a_login_during_the_set_up_of_the_first_factor_opens_nothing(
    face: Face, dsn: str, *, console: bool
) -> None:
    """The login looked for a factor before there was one."""
    jane = await register(face)
    form = {"email": jane.email, "password": PASSWORD}
    visitor = nobody(face)
    async with connected(dsn) as connection:
        async with connection.transaction():
            await connection.execute("SELECT FROM users FOR UPDATE")
            await connection.execute(
                "INSERT INTO authenticators (user_id, sealed, failing_since, confirmed_at)"
                " SELECT id, 'x', now(), now() FROM users"
            )
            if console:
                login = asyncio.ensure_future(visitor.post("/console/sign-in", form))
            else:
                login = asyncio.ensure_future(face.client.post("/api/v1/auth/login", json=form))
            await until(
                lambda: fetchval(dsn, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
            )
        assert (await login).status == 401
    assert await fetchval(dsn, "SELECT count(*) FROM refresh_families") == 1, "of the registration"


async def test_a_secret_of_an_app_is_confirmed_within_half_an_hour(
    face: Face, dsn: str, jane: Visitor
) -> None:
    setup = await setup_of(jane)
    code = now_code(face, bytes_of(secret_in((await jane.get(setup))[1])))
    await execute(dsn, "UPDATE app_setups SET expires_at = expires_at - interval '30 minutes'")
    assert (await jane.get(setup))[0] == 303
    assert (await jane.post(f"{setup}/confirm", {"code": code})).status == 422
    assert await fetchval(dsn, "SELECT count(*) FROM authenticators") == 0


async def test_the_session_begins_after_the_second_step(face: Face, otto: Secured) -> None:
    visitor = nobody(face)
    sent = {"email": "otto@example.org", "password": PASSWORD, "next": "/console/account"}
    answer = await visitor.post("/console/sign-in", sent)
    assert answer.headers["Location"] == f"{STEP}?next=%2Fconsole%2Faccount"
    before = visitor.cookie()
    assert "rendertrust-console" not in before
    for path in ("/console", "/console/account", "/console/jobs"):
        status, _ = await visitor.get(path)
        assert status == 303, "the password alone opens nothing"
    answer = await visitor.post(KEYS, KEY)
    assert answer.headers["Location"].startswith("/console/sign-in")
    token = before.partition("=")[2]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await face.client.get("/api/v1/jobs", headers=headers)).status == 401
    status, text = await visitor.get(STEP)
    assert (status, "otto@example.org" in text) == (200, True)
    answer = await visitor.post(STEP, {"code": wrong(otto.code()), "next": "/console/account"})
    assert (answer.status, "The code is wrong" in await answer.text()) == (401, True)
    answer = await visitor.post(STEP, {"code": otto.code(), "next": "/console/account"})
    assert (answer.status, answer.headers["Location"]) == (303, "/console/account")
    status, text = await visitor.get("/console/account")
    assert status == 200
    assert before not in visitor.cookie()


async def test_the_cookie_of_a_finished_second_step_opens_nothing(otto: Secured) -> None:
    """Nor does the cookie that somebody planted before the sign-in become the session."""
    visitor = await half_signed_in(otto.face, "otto@example.org")
    stolen = visitor.cookie()
    answer = await visitor.post(STEP, {"code": otto.code()})
    assert answer.status == 303
    thief = nobody(otto.face)
    own = {"Cookie": stolen, "Sec-Fetch-Site": "same-origin"}
    code = await otto.fresh()
    answer = await thief.ask("POST", STEP, data={"code": code}, headers=own)
    assert answer.headers["Location"].startswith("/console/sign-in?")
    assert (await thief.ask("GET", "/console/account", headers=own)).status == 303


async def test_a_second_step_ends_after_ten_minutes_or_a_change(otto: Secured, dsn: str) -> None:
    changes = (
        "UPDATE pending_sign_ins SET created_at = now(), expires_at = now()",
        "UPDATE users SET role = 'operator'",
        "UPDATE users SET password_hash = password_hash || ' '",
        "UPDATE users SET is_active = false",
    )
    for change in changes:
        await execute(dsn, "UPDATE users SET role = 'user', password_hash = trim(password_hash)")
        visitor = await half_signed_in(otto.face, "otto@example.org")
        await execute(dsn, change)
        answer = await visitor.post(STEP, {"code": await otto.fresh()})
        assert answer.headers["Location"].startswith("/console/sign-in?"), change
        assert (await visitor.get("/console/account"))[0] == 303


async def test_a_recovery_code_signs_in_once(otto: Secured) -> None:
    visitor = await half_signed_in(otto.face, "otto@example.org")
    assert (await visitor.post(STEP, {"code": otto.codes[0]})).status == 303
    assert "You have 9 recovery codes left" in (await visitor.get("/console/account"))[1]
    visitor = await half_signed_in(otto.face, "otto@example.org")
    assert (await visitor.post(STEP, {"code": otto.codes[0]})).status == 401


async def test_another_site_finishes_no_sign_in(otto: Secured) -> None:
    visitor = await half_signed_in(otto.face, "otto@example.org")
    for path in (STEP, AGAIN):
        answer = await visitor.post(path, {"code": otto.code()}, Origin="https://evil.example")
        assert answer.status in (303, 403)
        assert "rendertrust-console=" not in visitor.cookie()


async def test_guesses_in_the_browser_are_limited(database: PostgresEndpoint, dsn: str) -> None:
    async with face_over(database, limits={"login": 3}) as face:
        otto = await secured(face, dsn, "otto@example.org")
        visitor = await half_signed_in(face, "otto@example.org")
        guess = {"code": wrong(otto.code())}
        answers = [await visitor.post(STEP, guess) for _ in range(3)]
        assert [each.status for each in answers] == [401, 401, 429]
        assert "Too many attempts" in await answers[-1].text()


async def test_an_old_factor_is_asked_for_again_and_the_form_comes_back(otto: Secured) -> None:
    visitor = await wholly_signed_in(otto)
    await execute(otto.dsn, LATER)
    answer = await visitor.post(KEYS, KEY)
    text = await answer.text()
    assert (answer.status, 'name="sent.name" value="studio robot"' in text) == (403, True)
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', text))
    answer = await visitor.post(AGAIN, {**hidden, "code": wrong(otto.code())})
    text = await answer.text()
    assert (answer.status, "The code is wrong" in text) == (403, True)
    assert dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', text)) == hidden
    answer = await visitor.post(AGAIN, {**hidden, "code": await otto.fresh()})
    text = await answer.text()
    assert answer.status == 200
    assert 'value="studio robot"' in text
    assert 'value="jobs:write" checked' in text
    assert '<option value="30" selected' in text
    assert "No API keys" in text, "nothing is done before the form is sent again"
    assert (await visitor.post(KEYS, KEY)).status == 303


async def test_a_link_for_another_user_needs_a_recent_factor(otto: Secured) -> None:
    jane = await register(otto.face, "jane@example.org")
    await execute(otto.dsn, f"UPDATE users SET role = 'admin' WHERE id = '{otto.person.id}'")
    visitor = await wholly_signed_in(otto)
    await execute(otto.dsn, LATER)
    path, form = f"/console/users/{jane.id}", {"act": "reset", "reason": "she asked"}
    answer = await visitor.post(f"{path}/reset-link", form)
    text = await answer.text()
    assert (answer.status, "given in the last ten minutes" in text) == (403, True)
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', text))
    answer = await visitor.post(AGAIN, {**hidden, "code": await otto.fresh()})
    assert (answer.status, (await answer.text()).count('value="she asked"')) == (200, 1)
    assert await fetchval(otto.dsn, "SELECT count(*) FROM password_resets") == 0
    answer = await visitor.post(f"{path}/reset-link", form)
    assert (answer.status, answer.headers["Location"]) == (303, path)


async def test_a_return_leads_to_the_console_only(otto: Secured) -> None:
    visitor = await wholly_signed_in(otto)
    form = {"back": "https://evil.example/", "code": await otto.fresh()}
    answer = await visitor.post(AGAIN, form)
    assert (answer.status, answer.headers["Location"]) == (303, "/console")


async def test_factors_change_only_with_a_recent_factor(otto: Secured) -> None:
    visitor = await wholly_signed_in(otto)
    await execute(otto.dsn, "UPDATE refresh_families SET factor_at = NULL")
    for path in ("app", "app/remove", "codes", f"app/{uuid4()}/confirm"):
        answer = await visitor.post(f"{PAGE}/{path}", {"code": otto.code(), "password": PASSWORD})
        assert (answer.status, "given in the last ten minutes" in await answer.text()) == (
            403,
            True,
        ), path
    answer = await visitor.post(AGAIN, {"back": PAGE, "code": await otto.fresh()})
    assert (answer.status, answer.headers["Location"]) == (303, PAGE)
    old = otto.codes[1]
    new = once(await visitor.post(f"{PAGE}/codes", {})).split("\n")
    assert len(new) == 10
    assert (await otto.log_in(old))[0] == 401
    assert (await otto.log_in(new[0]))[0] == 200
    assert (await visitor.post(f"{PAGE}/app/remove", {})).status == 303
    assert await fetchval(otto.dsn, "SELECT count(*) FROM recovery_codes") == 0
    assert (await otto.log_in(None))[0] == 200


async def test_a_user_without_a_factor_has_no_recovery_codes(jane: Visitor) -> None:
    assert (await jane.post(f"{PAGE}/codes", {})).status == 409


async def admin_of(face: Face, dsn: str) -> Person:
    ann = await register(face, "ann@example.org")
    await execute(dsn, f"UPDATE users SET role = 'admin' WHERE id = '{ann.id}'")
    return ann


async def test_an_admin_without_a_factor_comes_as_far_as_setting_one_up(
    database: PostgresEndpoint, dsn: str
) -> None:
    async with face_over(database, accounts={"admin_second_factor": True}) as face:
        ann = await admin_of(face, dsn)
        visitor = await half_signed_in(face, ann.email)
        assert (await visitor.get("/console/users"))[0] == 303
        assert (await visitor.get(STEP))[0] == 303, "there is no factor to give"
        status, text = await visitor.get(SET_UP)
        assert status == 200
        secret = bytes_of(secret_in(text))
        code = now_code(face, secret)
        answer = await visitor.post(SET_UP, {"code": wrong(code)})
        assert answer.status == 401
        assert secret_in(await answer.text()) == secret_in(text)
        answer = await visitor.post(SET_UP, {"code": code, "next": "/console/users"})
        assert (answer.status, answer.headers["Location"]) == (303, "/console/users")
        assert len(once(answer).split("\n")) == 10
        assert (await visitor.get("/console/users"))[0] == 200
        answer = await visitor.post(f"{PAGE}/app/remove", {})
        assert (answer.status, "Admins of this farm need" in await answer.text()) == (409, True)
        await execute(dsn, "UPDATE authenticators SET last_step = 0")
        again = await half_signed_in(face, ann.email)
        assert (await again.get(SET_UP))[0] == 303, "there is a factor already"
        answer = await again.post(STEP, {"code": now_code(face, secret)})
        assert answer.status == 303
        jane = await newcomer(face)
        assert (await jane.get("/console/account"))[0] == 200


async def test_a_half_finished_set_up_is_no_factor(database: PostgresEndpoint, dsn: str) -> None:
    """Each sign-in shows a secret of its own, before and after another begins."""
    async with face_over(database, accounts={"admin_second_factor": True}) as face:
        ann = await admin_of(face, dsn)
        thief = await half_signed_in(face, ann.email)
        seen = secret_in((await thief.get(SET_UP))[1])
        visitor = await half_signed_in(face, ann.email)
        secret = secret_in((await visitor.get(SET_UP))[1])
        assert secret_in((await thief.get(SET_UP))[1]) == seen != secret
        code = now_code(face, bytes_of(seen))
        assert (await visitor.post(SET_UP, {"code": code})).status == 401
        code = now_code(face, bytes_of(secret))
        assert (await visitor.post(SET_UP, {"code": code})).status == 303
        await execute(dsn, "UPDATE authenticators SET last_step = 0")
        again = await half_signed_in(face, ann.email)
        assert (await again.post(STEP, {"code": now_code(face, bytes_of(seen))})).status == 401


async def test_sign_ins_without_a_factor_are_as_before(face: Face, jane: Visitor) -> None:
    again = await signed_in(face, jane.email)
    text: Any = (await again.get("/console/account"))[1]
    assert sessions_of(text)
    assert (await again.get(STEP))[0] == 303


async def test_export_and_deletion_ask_for_the_factor_again(otto: Secured) -> None:
    visitor = await wholly_signed_in(otto)
    await execute(otto.dsn, LATER)
    account = "/console/account"
    assert (await visitor.ask("GET", f"{account}/export.json")).status == 403
    form = {"deletion_password": PASSWORD, "sure": "yes"}
    for path, sent in ((f"{account}/export", {}), (f"{account}/delete", form)):
        answer = await visitor.post(path, sent)
        text = await answer.text()
        assert (answer.status, AGAIN in text) == (403, True)
        assert PASSWORD not in text
    back = {"back": account, "sent.sure": "yes", "code": await otto.fresh()}
    answer = await visitor.post(AGAIN, back)
    assert answer.status == 200
    answer = await visitor.post(f"{account}/export", {})
    assert (answer.status, answer.headers["Location"]) == (303, f"{account}/export.json")
    assert (await visitor.ask("GET", f"{account}/export.json")).status == 200
    answer = await visitor.post(f"{account}/delete", form)
    assert (answer.status, answer.headers["Location"]) == (303, "/console/sign-in")
