"""API keys and logging out: requests of the client and the program."""

import json
import stat
from collections.abc import Callable

import pytest
from aiohttp import web

from rendertrust.cli import exit_codes
from rendertrust.client import AsyncClient, Forbidden, NotAuthenticated, Tokens
from tests.integration.client.conftest import Program
from tests.integration.client.double import NOW, OTP, GatewayDouble, refuse

KEY = "rtk_" + "a" * 49
KEYS, LOGOUT, BALANCE = "/api/v1/auth/keys", "POST /api/v1/auth/logout", "/api/v1/credits/balance"
ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
SHOWN = {
    "id": ID,
    "name": "farm \x1b[31m",
    "hint": "aaaa",
    "scopes": ["jobs:read"],
    "created_at": NOW,
    "expires_at": None,
    "last_used_at": None,
    "a_field_of_tomorrow": 1,
}


@pytest.fixture
def tokens() -> list[str]:
    """Return the list to which the scripted answer adds the tokens of its requests."""
    return []


def answering(
    body: object, tokens: list[str], status: int = 200
) -> Callable[[web.Request], web.Response]:
    def answer(request: web.Request) -> web.Response:
        tokens.append(request.headers.get("Authorization", ""))
        return web.json_response(body, status=status)

    return answer


async def test_an_api_key_goes_with_every_request_and_is_not_renewed(
    gateway: GatewayDouble, tokens: list[str]
) -> None:
    found = {"balance": "1.0000", "user_id": ID}
    gateway.script(f"GET {BALANCE}", answering(found, tokens))
    async with AsyncClient(gateway.url, api_key=KEY) as client:
        assert (await client.balance()).balance == "1.0000"
        assert await client.access_token() == KEY
        with pytest.raises(NotAuthenticated):
            await client.jobs()
    assert tokens == [f"Bearer {KEY}"]
    assert gateway.seen["POST /api/v1/auth/refresh"] == 0


async def test_logging_out_forgets_the_tokens_also_of_a_login_that_is_over(
    gateway: GatewayDouble, tokens: list[str]
) -> None:
    gateway.script(LOGOUT, answering({"message": "Logged out successfully"}, tokens))
    for stale in ("access-1", "access-0"):
        async with AsyncClient(gateway.url, tokens=Tokens(stale, "refresh-0")) as client:
            await client.logout()
            with pytest.raises(NotAuthenticated, match="Not logged in"):
                await client.balance()
        gateway.script(LOGOUT, refuse(401, "Invalid or expired token"))
    assert tokens == ["Bearer access-1"]


async def test_a_key_is_printed_alone_so_that_it_can_be_piped(
    jane: Program, gateway: GatewayDouble
) -> None:
    gateway.script(f"POST {KEYS}", answering({**SHOWN, "key": KEY}, [], 201))
    told = await jane.run("keys", "create", "farm")
    assert (told.code, told.out) == (0, KEY + "\n")
    assert "it cannot be shown again" in told.err


async def test_keys_are_listed_and_revoked(jane: Program, gateway: GatewayDouble) -> None:
    gateway.script(f"GET {KEYS}", answering({"keys": [SHOWN], "count": 1}, []))
    told = await jane.run("keys", "list")
    assert told.code == 0
    heading, row = told.out.splitlines()
    assert heading.split("\t")[0] == "ID"
    id_, name, *rest = row.split("\t")
    assert (id_, name) == (ID, "farm \N{REPLACEMENT CHARACTER}[31m")
    assert rest == ["aaaa", "2026-03-13T12:00:00Z", "-", "-", "jobs:read"]
    gateway.script(f"DELETE {KEYS}/{ID}", answering({"message": "The key was revoked"}, []))
    told = await jane.run("keys", "revoke", ID)
    assert (told.code, told.out) == (0, f"Revoked {ID}.\n")
    gateway.script(f"DELETE {KEYS}/{ID}", refuse(404, "API key not found"))
    assert (await jane.run("keys", "revoke", ID)).code == exit_codes.NOT_FOUND
    assert (await jane.run("keys", "revoke", "other")).code == exit_codes.NOT_FOUND
    assert (await jane.run("keys", "create", "x", "--scope", "all")).code == exit_codes.USAGE


async def test_the_variable_stands_in_for_a_login_but_not_where_people_are_needed(
    program: Program, gateway: GatewayDouble, tokens: list[str]
) -> None:
    found = {"balance": "1.0000", "user_id": ID}
    gateway.script(f"GET {BALANCE}", answering(found, tokens))
    told = await program.run("credits", "balance", RENDERTRUST_API_KEY=KEY)
    assert told.code == 0, told
    assert not program.credentials.exists()
    told = await program.run("keys", "list", RENDERTRUST_API_KEY=KEY)
    assert told.code == exit_codes.NOT_AUTHENTICATED
    await program.log_in()
    gateway.script(f"GET {KEYS}", answering({"keys": [], "count": 0}, tokens))
    assert (await program.run("keys", "list", RENDERTRUST_API_KEY=KEY)).code == 0
    assert tokens == [f"Bearer {KEY}", "Bearer access-1"]


async def test_a_key_without_the_scope_is_told_what_to_do(
    program: Program, gateway: GatewayDouble
) -> None:
    lacks = "The API key lacks the scope jobs:read"
    gateway.script("GET /api/v1/jobs", refuse(403, lacks))
    told = await program.run("jobs", "list", RENDERTRUST_API_KEY=KEY)
    assert told.code == exit_codes.FAILURE
    assert lacks in told.err
    assert "rendertrust keys create" in told.err
    assert KEY not in told.err
    gateway.script("GET /api/v1/jobs", refuse(403, lacks))
    async with AsyncClient(gateway.url, api_key=KEY) as client:
        with pytest.raises(Forbidden):
            await client.jobs()
        assert KEY not in repr(client)


async def test_logging_out_leaves_nothing_behind(jane: Program, gateway: GatewayDouble) -> None:
    gateway.script(LOGOUT, answering({"message": "Logged out successfully"}, []))
    told = await jane.run("logout")
    assert (told.code, told.out) == (0, f"Logged out of {gateway.url}.\n")
    kept = json.loads(jane.credentials.read_text())
    assert kept == {"logins": {}}
    assert stat.S_IMODE(jane.credentials.stat().st_mode) == 0o600
    told = await jane.run("logout", "--json")
    assert told.document == {"url": gateway.url, "logged_out": False}
    assert gateway.seen[LOGOUT] == 1


async def test_a_gateway_that_is_away_keeps_one_logged_in(
    jane: Program, gateway: GatewayDouble
) -> None:
    before = jane.credentials.read_text()
    gateway.script(LOGOUT, *[refuse(503, "closing", {"Retry-After": "60"})] * 4)
    assert (await jane.run("logout")).code == exit_codes.UNAVAILABLE
    assert jane.credentials.read_text() == before


async def test_a_login_needs_the_code_of_a_second_factor(program: Program) -> None:
    words = ("login", "secured@example.com", "--password-stdin")
    told = await program.run(*words, typed="correct horse\n")
    assert told.code == exit_codes.NOT_AUTHENTICATED
    assert "RENDERTRUST_OTP" in told.err
    told = await program.run(*words, typed="correct horse\n", RENDERTRUST_OTP="000000")
    assert (told.code, "each works once" in told.err) == (exit_codes.NOT_AUTHENTICATED, True)
    told = await program.run(*words, typed="correct horse\n", RENDERTRUST_OTP=OTP)
    assert told.code == 0, told


async def test_a_client_gives_its_second_factor_again(
    gateway: GatewayDouble, tokens: list[str]
) -> None:
    gateway.script("POST /api/v1/auth/second-factor", answering({"message": "It counts"}, tokens))
    async with AsyncClient(gateway.url) as client:
        await client.login("secured@example.com", "correct horse", otp=OTP)
        await client.give_second_factor(OTP)
    assert tokens == ["Bearer access-1"]
