"""Signing in and out, and protection of forms against other sites."""

from urllib.parse import unquote

from yarl import URL

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import OWN, Visitor, newcomer, nobody, signed_in
from tests.integration.web.accounts import PASSWORD, log_in, register
from tests.support.http_gateway import Face, face_over
from tests.twins.clock import TwinClock
from web.identity.tokens import Claims, Tokens, TokenType


async def test_a_stranger_is_asked_to_sign_in_and_comes_back(face: Face) -> None:
    await register(face)
    visitor = nobody(face)
    answer = await visitor.ask("GET", "/console?a=1")
    assert answer.status == 303
    there = answer.headers["Location"]
    assert there == "/console/sign-in?next=%2Fconsole%3Fa%3D1"
    status, text = await visitor.get(there)
    assert status == 200
    assert 'name="next" value="/console?a=1"' in text
    form = {"email": "jane@example.org", "password": PASSWORD, "next": "/console?a=1"}
    answer = await visitor.post("/console/sign-in", form)
    assert (answer.status, answer.headers["Location"]) == (303, "/console?a=1")
    status, text = await visitor.get("/console")
    assert status == 200
    assert "jane@example.org" in text


async def test_a_form_that_is_sent_after_the_login_ended_leads_back_to_its_page(
    face: Face, jane: Visitor
) -> None:
    """The page says that nothing was changed; a page of another site is not linked."""
    there = "/console/jobs?q=status:failed&sort=price"
    kept = str(face.client.make_url(there))
    for came, back in ((kept, there), ("https://evil.example/console/jobs", "/console")):
        await jane.post("/console/sign-out", {})
        answer = await jane.post("/console/jobs/retry", {"job": "x"}, **OWN, Referer=came)
        to = URL(answer.headers["Location"])
        assert (answer.status, to.path, to.query["next"]) == (303, "/console/sign-in", back)
        _, text = await jane.get(str(to))
        assert "You were signed out; nothing was changed." in text
        answer = await jane.post(str(to.path), {"email": jane.email, "password": "x", "next": back})
        text = await answer.text()
        assert f'name="next" value="{back.replace("&", "&amp;")}"' in text
        form = {"email": jane.email, "password": PASSWORD, "next": back}
        answer = await jane.post(str(to.path), form)
        assert answer.headers["Location"] == back


async def test_the_cookie_is_for_the_server_alone(face: Face) -> None:
    await register(face)
    visitor = nobody(face)
    form = {"email": "jane@example.org", "password": PASSWORD}
    answer = await visitor.post("/console/sign-in", form)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("rendertrust-console=")
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Secure" not in cookie, "a browser would not keep a Secure cookie over plain HTTP"


async def test_nothing_leads_out_of_the_console(face: Face) -> None:
    await register(face)
    outside = ["//evil.example", "https://evil.example", "/\\evil", "/console\\..", "/api", ""]
    outside += ["/console/..", "/console/../docs", "/console/jobs/../../docs?q=1"]
    outside += ["/console/%2e%2e/docs", "/console/.%2E/docs", "/console/./../docs#x", "/console/."]
    for there in outside:
        form = {"email": "jane@example.org", "password": PASSWORD, "next": there}
        answer = await nobody(face).post("/console/sign-in", form)
        location = answer.headers["Location"]
        assert URL(location).path == "/console", there
        assert not URL(location).is_absolute(), there
        assert ".." not in unquote(location), there


async def test_dots_that_lead_nowhere_else_are_kept(face: Face) -> None:
    await register(face)
    for there in ("/console/jobs?q=../..", "/console/jobs#/../x", "/console/a..b/.c"):
        form = {"email": "jane@example.org", "password": PASSWORD, "next": there}
        answer = await nobody(face).post("/console/sign-in", form)
        assert answer.headers["Location"] == there


async def test_what_was_done_is_sent_back_by_https_alone(database: PostgresEndpoint) -> None:
    async with face_over(database, server={"trusted_proxies": "127.0.0.1"}) as face:
        await register(face)
        for scheme in ("https", "http"):
            proxied = {**OWN, "X-Forwarded-Proto": scheme}
            form = {"email": "jane@example.org", "password": PASSWORD}
            signed = await nobody(face).post("/console/sign-in", form, **proxied)
            cookie = {"Cookie": signed.headers["Set-Cookie"].partition(";")[0]}
            told = {"name": "Farm"}
            done = await nobody(face).post("/console/organisations", told, **proxied, **cookie)
            assert done.status == 303, await done.text()
            said = done.headers["Set-Cookie"]
            assert said.startswith("rendertrust-said=")
            assert ("Secure" in said.split("; ")) is (scheme == "https")


async def test_a_wrong_password_is_refused_like_an_unknown_address(face: Face) -> None:
    await register(face)
    for email in ("jane@example.org", "nobody@example.org", "no address"):
        form = {"email": email, "password": "a wrong password"}
        answer = await nobody(face).post("/console/sign-in", form)
        text = await answer.text()
        assert answer.status == 401
        assert "The e-mail address or the password is wrong" in text
        assert "a wrong password" not in text
        assert "Set-Cookie" not in answer.headers


async def test_signing_out_ends_the_login(face: Face) -> None:
    visitor = await newcomer(face)
    stolen = await visitor.ask("GET", "/console")
    assert stolen.status == 200
    kept = visitor.cookie()
    assert (await visitor.post("/console/sign-out", {})).status == 303
    assert (await visitor.ask("GET", "/console")).status == 303
    again = await nobody(face).ask("GET", "/console", headers={"Cookie": kept})
    assert again.status == 303


async def test_a_login_that_is_ended_in_the_api_is_ended_here(face: Face) -> None:
    visitor = await newcomer(face)
    person = await register(face, "bob@example.org")
    other = await signed_in(face, "bob@example.org")
    again = await log_in(face, person)
    assert again is not None
    _, answer = await again.ask("GET", "/api/v1/auth/sessions")
    for session in answer["sessions"]:
        if not session["current"]:
            await again.ask("DELETE", f"/api/v1/auth/sessions/{session['sid']}")
    assert (await other.ask("GET", "/console")).status == 303
    assert (await visitor.ask("GET", "/console")).status == 200


async def test_the_cookie_opens_nothing_of_the_api(face: Face) -> None:
    visitor = await newcomer(face)
    assert (await visitor.ask("GET", "/api/v1/credits/balance")).status == 401
    token = visitor.cookie().partition("=")[2]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await visitor.ask("GET", "/api/v1/credits/balance", headers=headers)).status == 401


async def test_only_our_own_pages_may_change_something(face: Face) -> None:
    visitor = await newcomer(face)
    origin = str(face.client.make_url("")).rstrip("/")
    foreign = (
        {"Sec-Fetch-Site": "cross-site", "Origin": origin},
        {"Sec-Fetch-Site": "same-site", "Origin": origin},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": origin.replace("http://", "https://")},
        {"Origin": "null"},
        {"X-Nothing": "1"},
    )
    for headers in foreign:
        answer = await visitor.ask("POST", "/console/sign-out", data={}, headers=headers)
        assert answer.status == 403, headers
        assert (await visitor.ask("GET", "/console")).status == 200
    for headers in ({"Origin": origin}, OWN):
        answer = await visitor.ask("POST", "/console/sign-out", data={}, headers=headers)
        assert answer.status == 303


async def test_sign_in_from_another_site_is_refused(face: Face) -> None:
    await register(face)
    form = {"email": "jane@example.org", "password": PASSWORD}
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = await nobody(face).ask("POST", "/console/sign-in", data=form, headers=headers)
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers


async def test_a_deactivated_user_is_out(face: Face, database: PostgresEndpoint) -> None:
    admin = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
    jane = await newcomer(face)
    api = await log_in(face, await register(face, "x@example.org"))
    assert api is not None
    assert (await jane.ask("GET", "/console")).status == 200
    person = await signed_in(face, "ann@example.org")
    assert (await person.ask("GET", "/console")).status == 200
    headers = {"Authorization": f"Bearer {await token_of(face, 'ann@example.org')}"}
    answer = await face.client.post(
        f"/api/v1/admin/users/{jane.id}/deactivate", json={"reason": "a test"}, headers=headers
    )
    assert answer.status == 200, await answer.text()
    assert (await jane.ask("GET", "/console")).status == 303
    assert (await admin.ask("GET", "/console")).status == 200


async def token_of(face: Face, email: str) -> str:
    body = {"email": email, "password": PASSWORD}
    async with face.client.post("/api/v1/auth/login", json=body) as answer:
        token: str = (await answer.json())["access_token"]
    return token


async def test_over_https_the_cookie_has_the_hosts_prefix(database: PostgresEndpoint) -> None:
    async with face_over(database, server={"trusted_proxies": "127.0.0.1"}) as face:
        await register(face)
        form = {"email": "jane@example.org", "password": PASSWORD}
        secure = {**OWN, "X-Forwarded-Proto": "https"}
        visitor = nobody(face)
        answer = await visitor.ask("POST", "/console/sign-in", data=form, headers=secure)
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-rendertrust-console=")
        assert {"HttpOnly", "Path=/", "SameSite=Lax", "Secure"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        token = cookie.partition(";")[0].partition("=")[2]
        for name, status in (("__Host-rendertrust-console", 200), ("rendertrust-console", 303)):
            headers = {"Cookie": f"{name}={token}", "X-Forwarded-Proto": "https"}
            assert (await nobody(face).ask("GET", "/console", headers=headers)).status == status


async def test_a_session_that_is_in_use_goes_on_for_as_long_as_its_login(face: Face) -> None:
    visitor = await newcomer(face)
    gateway = face.gateway
    claims = await gateway.identity.tokens.verify(
        visitor.cookie().partition("=")[2], TokenType.CONSOLE
    )
    assert claims is not None
    fresh = await visitor.ask("GET", "/console")
    assert "Set-Cookie" not in fresh.headers
    old = aged_cookie(face, claims, minutes=31)
    answer = await nobody(face).ask("GET", "/console", headers={"Cookie": old})
    assert answer.status == 200
    assert answer.headers["Set-Cookie"].startswith("rendertrust-console=")
    now = gateway.ports.clock.now()
    await gateway.tables.sessions.end(claims.family, claims.subject, now)
    gateway.identity.revocations.tidy()
    answer = await nobody(face).ask("GET", "/console", headers={"Cookie": old})
    assert answer.status == 303


async def test_a_session_that_was_not_used_for_half_a_day_is_over(face: Face) -> None:
    visitor = await newcomer(face)
    claims = await face.gateway.identity.tokens.verify(
        visitor.cookie().partition("=")[2], TokenType.CONSOLE
    )
    assert claims is not None
    old = aged_cookie(face, claims, minutes=12 * 60 + 1)
    assert (await nobody(face).ask("GET", "/console", headers={"Cookie": old})).status == 303


def aged_cookie(face: Face, claims: Claims, *, minutes: int) -> str:
    """Return the cookie as it would be if made ``minutes`` ago."""
    clock = TwinClock()
    clock.skew = (face.gateway.ports.clock.now() - clock.now()).total_seconds() - minutes * 60
    tokens = Tokens(face.gateway.settings.jwt, clock, face.gateway.ports.random)
    token, _ = tokens.issue(TokenType.CONSOLE, claims.subject, claims.family, claims.role)
    return f"rendertrust-console={token}"
