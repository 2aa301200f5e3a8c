"""A web application on another origin calls the gateway in Chromium."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page

from tests.browser.conftest import WITHIN_MS
from tests.support.lent_engines import StartGateway
from web.middleware.cross_origin import RESPONSE_HEADERS

CALL = """async ([url, init]) => {
  try {
    const answer = await fetch(url, init);
    return {status: answer.status, headers: Object.fromEntries(answer.headers)};
  } catch (error) {
    return {refused: String(error)};
  }
}"""
PASSWORD = "a long pass phrase of one who codes"


@asynccontextmanager
async def application(browser: Browser) -> AsyncGenerator[tuple[Page, str]]:
    """Yield a page of a web application, and the page's origin."""

    async def show(_: web.Request) -> web.Response:
        return web.Response(
            text="<!doctype html><title>Application</title>", content_type="text/html"
        )

    site = web.Application()
    site.router.add_get("/", show)
    async with TestServer(site) as server:
        context = await browser.new_context()
        context.set_default_timeout(WITHIN_MS)
        page = await context.new_page()
        origin = f"http://127.0.0.1:{server.port}"
        await page.goto(origin)
        yield page, origin
        await context.close()


async def called(page: Page, url: str, **init: Any) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(CALL, [url, init])
    return found


async def test_an_allowed_application_works_by_token(
    browser: Browser, start_gateway: StartGateway
) -> None:
    async with (
        application(browser) as (page, origin),
        start_gateway(RENDERTRUST_CORS_ORIGINS=f"https://app.example.org, {origin}") as gateway,
    ):
        api, json = f"{gateway.url}/api/v1", {"Content-Type": "application/json"}
        body = f'{{"email": "coder@example.org", "name": "Coder", "password": "{PASSWORD}"}}'
        made = await called(page, f"{api}/auth/register", method="POST", headers=json, body=body)
        assert made["status"] == 201, made
        login = await page.evaluate(
            "async ([url, body]) => (await (await fetch(url, {method: 'POST', body,"
            " headers: {'Content-Type': 'application/json'}})).json())",
            [f"{api}/auth/login", body.replace('"name": "Coder", ', "")],
        )
        mine = {"Authorization": f"Bearer {login['access_token']}"}
        balance = await called(page, f"{api}/credits/balance", headers=mine)
        assert balance["status"] == 200, balance
        assert "x-request-id" in balance["headers"]
        assert "ratelimit-remaining" in balance["headers"]

        content = "a scene"
        digest = hashlib.sha256(content.encode()).hexdigest()
        upload = await page.evaluate(
            """async ([url, headers, sha256, content]) => {
              const body = JSON.stringify({sha256, size: content.length, filename: 'scene.blend'});
              const made = await (await fetch(url, {method: 'POST', headers, body})).json();
              const {url: to, headers: signed} = made.put;
              const put = await fetch(to, {method: 'PUT', headers: signed, body: content});
              return put.status;
            }""",
            [f"{api}/uploads", mine | json, digest, content],
        )
        assert upload == 200

        # A cookie is never sent: the browser refuses to show the answer to a page that asks for it.
        with_cookie = await called(
            page, f"{api}/credits/balance", headers=mine, credentials="include"
        )
        assert "refused" in with_cookie
        assert "refused" in await called(page, f"{gateway.url}/console/sign-in")


async def test_an_application_that_is_not_named_is_refused(
    browser: Browser, start_gateway: StartGateway
) -> None:
    async with (
        application(browser) as (page, _),
        start_gateway(RENDERTRUST_CORS_ORIGINS="https://app.example.org") as gateway,
    ):
        url = f"{gateway.url}/api/v1/credits/balance"
        assert "refused" in await called(page, url, headers={"Authorization": "Bearer x"})
        assert "refused" in await called(page, f"{gateway.url}/health")


@pytest.mark.parametrize("name", ["Retry-After", "Idempotency-Replayed", "ETag"])
def test_pages_can_read_what_they_need(name: str) -> None:
    assert name in RESPONSE_HEADERS
