"""Sign-in at a real provider of OpenID Connect, npm's ``oidc-provider``."""

from collections.abc import AsyncGenerator
from urllib.parse import urljoin

import aiohttp
import pytest
from yarl import URL

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import nobody
from tests.integration.console.test_provider_sign_in import begin, is_signed_in
from tests.support.databases import fetchval
from tests.support.http_gateway import Face, face_over, with_ledger
from tests.support.oidc_server import OidcServer

NORA = {"email": "nora@example.org", "email_verified": True, "name": "Nora", "groups": ["artists"]}


@pytest.fixture(params=["client_secret_basic", "client_secret_post"])
async def face(request: pytest.FixtureRequest, database: PostgresEndpoint) -> AsyncGenerator[Face]:
    server = OidcServer()
    async with face_over(database, with_ledger, oidc={"providers": [server.table()]}) as found:
        url = str(found.client.make_url("")).rstrip("/")
        methods = {"clientAuthMethods": [request.param]}
        how = {"token_endpoint_auth_method": request.param}
        async with server.running(url, {"nora": NORA}, provider=methods, **how):
            yield found


async def answer_of(url: str, login: str) -> str:
    """Sign in at the provider, and return the path of ours to which it sends the browser."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        form: dict[str, str] | None = None
        while "/callback?" not in url:
            method = "GET" if form is None else "POST"
            async with browser.request(method, url, data=form, allow_redirects=False) as answer:
                assert answer.status in (200, 302, 303), await answer.text()
                if answer.status == 200:
                    form = {"login": login}
                else:
                    url, form = urljoin(url, answer.headers["Location"]), None
    return URL(url).raw_path_qs


async def test_a_user_of_a_real_provider_signs_in(face: Face, database: PostgresEndpoint) -> None:
    for _ in range(2):
        browser = nobody(face)
        url = await answer_of((await begin(browser)).url, "nora")
        answer = await browser.ask("GET", url)
        assert answer.status == 303, await answer.text()
        assert await is_signed_in(browser)
        assert (await browser.ask("GET", url)).status == 400, "the answer counts once"
    dsn = database.owner_dsn
    assert await fetchval(dsn, "SELECT count(*) FROM users WHERE verified_at IS NOT NULL") == 1
    assert await fetchval(dsn, "SELECT subject FROM identities") == "nora"
