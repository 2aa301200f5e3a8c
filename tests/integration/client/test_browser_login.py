"""``rendertrust login --browser``: a login with a code that is confirmed in a browser."""

import json

import pytest
from aiohttp import web

from rendertrust.cli import exit_codes
from rendertrust.client import AsyncClient, Refused
from tests.integration.client.conftest import Program
from tests.integration.client.double import NOW, GatewayDouble, answering, refuse

START, TOKEN = "POST /api/v1/auth/device", "POST /api/v1/auth/device/token"
STARTED = {
    "device_code": "0123",
    "user_code": "BCDF-GHJK",
    "verification_uri": "https://farm.example/console/device",
    "verification_uri_complete": "https://farm.example/console/device?code=BCDF-GHJK",
    "expires_in": 600,
    "interval": 0,
}
ACCOUNT: dict[str, object] = {
    "id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "email": "jane@example.org",
    "name": "Jane",
    "role": "user",
    "created_at": NOW,
    "verified_at": None,
    "mails": [],
}
TOKENS = {"access_token": "access-1", "refresh_token": "refresh-1"}
PENDING = refuse(400, "not yet", code="authorization_pending")


@pytest.mark.parametrize("option", ["--browser", "--oidc"])
async def test_the_program_shows_a_code_and_waits(
    program: Program, gateway: GatewayDouble, option: str
) -> None:
    gateway.script(START, answering(STARTED))
    gateway.script(TOKEN, PENDING, PENDING, answering(TOKENS))
    gateway.script("GET /api/v1/auth/account", answering(ACCOUNT))
    told = await program.run("login", option)
    assert told.code == 0, told
    assert told.out == f"Logged in as jane@example.org at {gateway.url}.\n"
    assert "https://farm.example/console/device?code=BCDF-GHJK" in told.err
    assert "within 10 minutes" in told.err
    assert "0123" not in told.err + told.out
    kept = json.loads(program.credentials.read_text())
    assert kept["current"] == gateway.url
    assert kept["logins"][gateway.url] == {"email": "jane@example.org", **TOKENS}


@pytest.mark.parametrize(
    ("code", "said"), [("access_denied", "You refused it"), ("expired_token", "--browser again")]
)
async def test_a_login_that_is_not_confirmed_fails(
    program: Program, gateway: GatewayDouble, code: str, said: str
) -> None:
    gateway.script(START, answering(STARTED))
    gateway.script(TOKEN, PENDING, refuse(400, "no", code=code))
    told = await program.run("login", "--browser")
    assert (told.code, said in told.err) == (exit_codes.NOT_AUTHENTICATED, True), told
    assert not program.credentials.exists()


async def test_the_option_needs_no_address(program: Program) -> None:
    told = await program.run("login", "--browser", "jane@example.org")
    assert (told.code, "neither" in told.err) == (exit_codes.USAGE, True)


async def test_a_client_that_is_told_to_slow_down_waits_longer(gateway: GatewayDouble) -> None:
    pauses = list[float]()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    slow = refuse(400, "slower", code="slow_down")

    def tokens(request: web.Request) -> web.Response:
        return web.json_response(TOKENS)

    gateway.script(START, answering({**STARTED, "interval": 5}))
    gateway.script(TOKEN, PENDING, slow, slow, PENDING, tokens)
    async with AsyncClient(gateway.url) as client:
        client.connection.login.transport.sleep = sleep
        started = await client.start_login_by_code()
        assert (await client.finish_login_by_code(started)).access_token == "access-1"
        assert pauses == [5, 5, 10, 15, 15]
        gateway.script(TOKEN, refuse(400, "over", code="expired_token"))
        with pytest.raises(Refused, match="over"):
            await client.finish_login_by_code(started)
