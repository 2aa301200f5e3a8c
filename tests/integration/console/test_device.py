"""Logins of programs with a code that their user confirms in the console."""

import asyncio
from typing import Any

import attrs
import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer, nobody
from tests.integration.web.accounts import PASSWORD, ask
from tests.integration.web.factors import secured
from tests.support.databases import execute, fetchval
from tests.support.http_gateway import Face, face_over, with_ledger
from web.routes.device_logins import LETTERS, new_user_code, plain_user_code

PAGE = "/console/device"
CONFIRM = "/console/account/device/confirm"
DENY = "/console/account/device/deny"
API = "/api/v1/auth/device"


@attrs.frozen
class Started:
    """A login that a program has started."""

    face: Face
    answer: dict[str, Any]

    @property
    def code(self) -> str:
        return str(self.answer["user_code"])

    async def poll(self) -> tuple[int, dict[str, Any]]:
        body = {"device_code": self.answer["device_code"]}
        return await ask(self.face, "POST", f"{API}/token", body)

    async def refusal(self) -> str:
        status, answer = await self.poll()
        assert status == 400, answer
        return str(answer["code"])


async def started(face: Face) -> Started:
    status, answer = await ask(face, "POST", API)
    assert status == 200, answer
    return Started(face, answer)


@pytest.fixture
def dsn(database: PostgresEndpoint) -> str:
    return database.owner_dsn


async def test_a_program_gets_tokens_once_when_its_user_confirms(face: Face, jane: Visitor) -> None:
    login = await started(face)
    assert login.answer["verification_uri"].endswith(PAGE)
    assert (login.answer["expires_in"], login.answer["interval"]) == (600, 5)
    path = login.answer["verification_uri_complete"].partition("/console")
    assert await login.refusal() == "authorization_pending"
    text = (await jane.get("/console" + path[2]))[1]
    assert login.code in text
    assert "Sign it in as jane@example.org" in text
    assert "127.0.0.1" in text
    answer = await jane.post(CONFIRM, {"code": login.code})
    assert (answer.status, answer.headers["Location"]) == (303, PAGE)
    polls = await asyncio.gather(*(login.poll() for _ in range(3)))
    assert sorted(status for status, _ in polls) == [200, 400, 400]
    tokens = next(answer for status, answer in polls if status == 200)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    status, account = await ask(face, "GET", "/api/v1/auth/account", None, headers)
    assert (status, account["email"]) == (200, "jane@example.org")
    assert await login.refusal() == "expired_token"
    assert (await jane.post(CONFIRM, {"code": login.code})).status == 422


async def test_codes_may_be_typed_as_people_type(face: Face, jane: Visitor) -> None:
    login = await started(face)
    typed = f" {login.code.lower().replace('-', ' ')} "
    assert (await jane.post(CONFIRM, {"code": typed})).status == 303
    assert (await login.poll())[0] == 200


async def test_a_refused_login_gets_no_tokens(face: Face, jane: Visitor) -> None:
    login = await started(face)
    assert (await jane.post(DENY, {"code": login.code})).status == 303
    assert (await jane.post(CONFIRM, {"code": login.code})).status == 422
    assert await login.refusal() == "access_denied"
    assert await login.refusal() == "expired_token"


async def test_polls_in_quick_succession_are_slowed_down(face: Face, dsn: str) -> None:
    login = await started(face)
    assert await login.refusal() == "authorization_pending"
    assert await login.refusal() == "slow_down"
    earlier = "UPDATE device_logins SET polled_at = polled_at - interval '{} seconds'"
    await execute(dsn, earlier.format(6))
    assert await login.refusal() == "slow_down", "ten seconds now"
    await execute(dsn, earlier.format(16))
    assert await login.refusal() == "authorization_pending"


async def test_a_code_lives_for_ten_minutes(face: Face, jane: Visitor, dsn: str) -> None:
    first, second = await started(face), await started(face)
    await jane.post(CONFIRM, {"code": second.code})
    await execute(dsn, "UPDATE device_logins SET expires_at = now()")
    assert "The code is not valid" in (await jane.get(f"{PAGE}?code={first.code}"))[1]
    assert (await jane.post(CONFIRM, {"code": first.code})).status == 422
    assert await first.refusal() == "expired_token"
    assert await second.refusal() == "expired_token", "although it was confirmed"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET password_hash = password_hash || ' '",
        "UPDATE users SET role = 'operator'",
        "UPDATE users SET is_active = false",
        (
            "INSERT INTO authenticators (user_id, sealed, failing_since, confirmed_at)"
            " SELECT id, 'x', now(), now() FROM users"
        ),
    ],
)
async def test_a_user_who_changes_meanwhile_is_not_logged_in(
    face: Face, jane: Visitor, dsn: str, change: str
) -> None:
    login = await started(face)
    await jane.post(CONFIRM, {"code": login.code})
    await execute(dsn, change)
    assert await login.refusal() == "expired_token"


async def test_confirming_needs_a_recent_factor(face: Face, dsn: str) -> None:
    otto = await secured(face, dsn, "otto@example.org")
    browser = nobody(face)
    await browser.post("/console/sign-in", {"email": "otto@example.org", "password": PASSWORD})
    await browser.post("/console/second-step", {"code": otto.code()})
    later = "UPDATE refresh_families SET factor_at = factor_at - interval '11 minutes'"
    await execute(dsn, later)
    login = await started(face)
    answer = await browser.post(CONFIRM, {"code": login.code})
    assert (answer.status, "last ten minutes" in await answer.text()) == (403, True)
    assert await login.refusal() == "authorization_pending"
    form = {"code": await otto.fresh(), "back": PAGE, "sent.code": login.code}
    answer = await browser.post("/console/second-factor-again", form)
    assert (answer.status, login.code in await answer.text()) == (200, True)
    assert (await browser.post(CONFIRM, {"code": login.code})).status == 303
    status, tokens = await login.poll()
    assert status == 200
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    key = {"name": "robot", "scopes": ["jobs:read"]}
    status, _ = await ask(face, "POST", "/api/v1/auth/keys", key, headers)
    assert status == 201, "the factor was given just now"


async def test_the_factor_counts_from_its_time_in_the_browser(face: Face, dsn: str) -> None:
    otto = await secured(face, dsn, "otto@example.org")
    browser = nobody(face)
    await browser.post("/console/sign-in", {"email": "otto@example.org", "password": PASSWORD})
    await browser.post("/console/second-step", {"code": otto.code()})
    earlier = "UPDATE refresh_families SET factor_at = factor_at - interval '{} minutes'"
    await execute(dsn, earlier.format(9))
    login = await started(face)
    assert (await browser.post(CONFIRM, {"code": login.code})).status == 303
    status, tokens = await login.poll()
    assert status == 200
    given = "SELECT count(*) FROM refresh_families WHERE factor_at < now() - interval '8 minutes'"
    assert await fetchval(dsn, given) == 2
    await execute(dsn, earlier.format(2))
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    key = {"name": "robot", "scopes": ["jobs:read"]}
    status, _ = await ask(face, "POST", "/api/v1/auth/keys", key, headers)
    assert status == 403


@pytest.mark.parametrize(
    "end",
    [
        "/console/account/sessions/others",
        "UPDATE users SET is_active = false; UPDATE users SET is_active = true",
    ],
)
async def test_what_ends_other_sessions_ends_confirmed_logins(
    face: Face, jane: Visitor, dsn: str, end: str
) -> None:
    login, waiting = await started(face), await started(face)
    assert (await jane.post(CONFIRM, {"code": login.code})).status == 303
    if end.startswith("/"):
        assert (await jane.post(end, {})).status == 303
    else:
        for statement in end.split(";"):
            await execute(dsn, statement)
    assert await login.refusal() == "expired_token"
    assert await waiting.refusal() == "authorization_pending", "nobody has confirmed it"


async def test_an_admin_who_needs_a_factor_confirms_nothing_without_one(
    database: PostgresEndpoint, dsn: str
) -> None:
    async with face_over(database, with_ledger) as open_face:
        ann = await newcomer(open_face, dsn, "admin", "ann@example.org")
        cookies = ann.jar
    accounts = {"admin_second_factor": True}
    async with face_over(database, with_ledger, accounts=accounts) as face:
        ann = nobody(face)
        for cookie in cookies:
            ann.jar.update_cookies({cookie.key: cookie.value}, face.client.make_url("/"))
        login = await started(face)
        answer = await ann.post(CONFIRM, {"code": login.code})
        assert (answer.status, "Admins need a second factor" in await answer.text()) == (403, True)
        assert await login.refusal() == "authorization_pending"


async def test_only_people_who_are_signed_in_confirm(face: Face, jane: Visitor) -> None:
    login = await started(face)
    stranger = nobody(face)
    status, _ = await stranger.get(f"{PAGE}?code={login.code}")
    assert status == 303
    answer = await stranger.post(CONFIRM, {"code": login.code})
    assert answer.headers["Location"].startswith("/console/sign-in")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        answer = await jane.post(CONFIRM, {"code": login.code}, **headers)
        assert answer.status == 403
    assert await login.refusal() == "authorization_pending"


async def test_guesses_of_codes_are_bounded(database: PostgresEndpoint) -> None:
    """Pages and forms count together, per user, whatever address they use."""
    async with face_over(database, with_ledger) as open_face:
        await newcomer(open_face)
    async with face_over(database, with_ledger, limits={"login": 3}) as face:
        jane = nobody(face)
        form = {"email": "jane@example.org", "password": PASSWORD}
        assert (await jane.post("/console/sign-in", form)).status == 303
        login = await started(face)
        assert (await jane.get(f"{PAGE}?code=BBBB-BBBB"))[0] == 200
        assert (await jane.post(CONFIRM, {"code": "BBBB-BBBC"})).status == 422
        assert (await jane.post(DENY, {"code": "x"})).status == 422
        assert (await jane.post(CONFIRM, {"code": login.code})).status == 429
        assert (await jane.get(f"{PAGE}?code={login.code}"))[0] == 429
        assert await login.refusal() == "authorization_pending"


async def test_no_code_is_stored(face: Face, dsn: str) -> None:
    login = await started(face)
    rows = str(await fetchval(dsn, "SELECT json_agg(d) FROM device_logins d"))
    assert login.code not in rows
    assert login.answer["device_code"] not in rows
    assert len(login.answer["device_code"]) == 32


async def test_an_unknown_device_code_gets_nothing(face: Face) -> None:
    for code in ("0" * 32, "x"):
        status, answer = await ask(face, "POST", f"{API}/token", {"device_code": code})
        assert (status, answer["code"]) == (400, "expired_token")


class GivenBytes:
    """A Random whose bytes are given."""

    def __init__(self, *values: int) -> None:
        self._values = iter(values)

    def token(self, size: int) -> bytes:
        return bytes(next(self._values) for _ in range(size))


def test_letters_of_a_code_are_equally_likely() -> None:
    code = new_user_code(GivenBytes(255, 240, *range(8)))  # type: ignore[arg-type]
    assert code == f"{LETTERS[:4]}-{LETTERS[4:8]}"
    assert len(set(LETTERS)) == 20
    assert plain_user_code("bcdfghjk") == "BCDF-GHJK"
    for wrong in ("", "BCDF", "AAAA-AAAA", "BCDF-GHJKL", "\u0131CDF-GHJK"):
        assert plain_user_code(wrong) == ""
