"""Accounts in the program, against a running gateway: staying logged in, API keys, admins."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import jwt
import pytest

from rendertrust.cli import exit_codes
from tests.support import programs
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.until import until

PASSWORD, OTHER = "correct horse battery", "another one"
LONG = "long enough\n"


@attrs.frozen
class Told:
    code: int
    out: str
    err: str


@attrs.frozen
class Program:
    """The program ``rendertrust`` of a user with a home of their own."""

    gateway: Gateway
    home: Path

    @property
    def credentials(self) -> Path:
        return self.home / "state" / "rendertrust" / "credentials.json"

    async def run(self, *words: str, typed: str = "", **variables: str) -> Told:
        own = {
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "RENDERTRUST_URL": self.gateway.url,
        }
        env = os.environ | self.gateway.settings | own | variables
        return Told(*await programs.call(*words, env=env, told=typed))

    async def done(self, *words: str, typed: str = "", **variables: str) -> Any:
        """Run a command that must succeed, and return its JSON."""
        told = await self.run(*words, "--json", typed=typed, **variables)
        assert told.code == 0, told
        return json.loads(told.out)

    async def admin(self, *words: str, typed: str = "") -> Told:
        return await self.run("admin", *words, "--data", str(self.gateway.data), typed=typed)

    def login(self) -> dict[str, str]:
        """Return the login as the program stores it."""
        found: dict[str, str] = json.loads(self.credentials.read_text())["logins"][self.gateway.url]
        return found

    def spoil(self) -> None:
        """Make the access token invalid, as after half an hour."""
        kept = json.loads(self.credentials.read_text())
        kept["logins"][self.gateway.url]["access_token"] = "expired"
        self.credentials.write_text(json.dumps(kept))


gateway = gateway_with()


@pytest.fixture
def jane(gateway: Gateway, tmp_path: Path) -> Program:
    return Program(gateway, tmp_path)


async def registered(program: Program, email: str) -> None:
    await program.done("register", email, "--password-stdin", typed=PASSWORD + "\n")


async def status(http: aiohttp.ClientSession, program: Program, path: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with http.get(program.gateway.url + path, headers=headers) as answer:
        return answer.status


async def test_one_stays_logged_in_though_several_programs_share_the_login(jane: Program) -> None:
    await registered(jane, "stays@example.org")
    before = jane.login()["refresh_token"]
    jane.spoil()
    balances = [jane.done("credits", "balance") for _ in range(4)]
    for balance in await asyncio.gather(*balances):
        assert balance["balance"] == "100.0000"
    assert jane.login()["refresh_token"] != before
    jane.spoil()
    assert (await jane.done("credits", "balance"))["balance"] == "100.0000"


async def test_an_admin_is_created_by_hand_and_sees_what_was_done(
    jane: Program, http: aiohttp.ClientSession
) -> None:
    words = ("--email", "ann@example.org", "--name", "Ann", "--password-stdin")
    told = await jane.admin("create", *words, typed=PASSWORD + "\n")
    assert (told.code, told.out) == (0, "Created ann@example.org with the role admin.\n"), told
    told = await jane.admin("create", *words, typed=PASSWORD + "\n")
    assert told.code == exit_codes.FAILURE
    assert "already has an account" in told.err
    await jane.done("login", "ann@example.org", "--password-stdin", typed=PASSWORD + "\n")
    token = jane.login()["access_token"]
    assert await status(http, jane, "/api/v1/admin/users", token) == 200
    told = await jane.admin("role", "ann@example.org", "auditor", "--reason", "less")
    assert (told.code, "no admin left" in told.err) == (exit_codes.FAILURE, True), told
    words = ("--email", "bo@example.org", "--name", "Bo", "--password-stdin")
    told = await jane.admin("create", *words, typed=PASSWORD + "\n")
    assert told.code == 0, told
    told = await jane.admin("role", "ann@example.org", "auditor", "--reason", "less")
    assert told.code == 0, told

    async def heard() -> bool:
        return await status(http, jane, "/api/v1/admin/users", token) == 401

    await until(heard)
    told = await jane.admin("password", "ann@example.org", "--password-stdin", typed=OTHER + "\n")
    assert told.code == 0, told
    await jane.done("login", "ann@example.org", "--password-stdin", typed=OTHER + "\n")
    headers = {"Authorization": f"Bearer {jane.login()['access_token']}"}
    async with http.get(jane.gateway.url + "/api/v1/admin/audit", headers=headers) as answer:
        records = (await answer.json())["records"]
    assert [r["act"] for r in records] == ["user.password", "user.role", *["user.create"] * 2]
    assert [r["reason"] for r in records] == ["at the console", "less", *["at the console"] * 2]
    assert all(r["actor"].startswith("console:") for r in records)
    assert all(r["actor_id"] is None for r in records)


@pytest.mark.parametrize(
    ("words", "typed", "code", "says"),
    [
        (("role", "nobody@example.org", "admin"), "", 1, "There is no user with the e-mail"),
        (("password", "nobody@example.org", "--password-stdin"), LONG, 1, "There is no user"),
        (("password", "nobody@example.org", "--password-stdin"), "short\n", 2, "at least 8"),
        (
            ("create", "--email", "x", "--name", "X", "--password-stdin"),
            LONG,
            2,
            "e-mail",
        ),
        (("create", "--email", "x@example.org", "--name", "X"), "", 2, "--password-stdin"),
        (("role", "x@example.org", "king"), "", 2, "king"),
    ],
    ids=str,
)
async def test_what_is_wrong_is_said(
    jane: Program, words: tuple[str, ...], typed: str, code: int, says: str
) -> None:
    told = await jane.admin(*words, typed=typed)
    assert told.code == code, told
    assert says in told.err


async def test_the_keys_that_sign_rotate_under_a_running_gateway(
    jane: Program, http: aiohttp.ClientSession
) -> None:
    await registered(jane, "rotates@example.org")
    old = jane.login()["access_token"]
    told = await jane.admin("keys", "rotate")
    assert told.code == 0, told
    assert told.out.startswith("A new key signs; the old one verifies until 2")

    async def signed_anew() -> bool:
        words = ("login", "rotates@example.org", "--password-stdin")
        await jane.done(*words, typed=PASSWORD + "\n")
        return kid_of(jane.login()["access_token"]) != kid_of(old)

    await until(signed_anew)
    new = jane.login()["access_token"]
    told = await jane.admin("keys", "rotate")
    assert told.code == exit_codes.FAILURE
    assert "--force" in told.err
    await jane.gateway.restart()
    for token in (old, new):
        assert await status(http, jane, "/api/v1/jobs", token) == 200
    assert (await jane.admin("keys", "rotate", "--force")).code == 0

    async def given_up() -> bool:
        return await status(http, jane, "/api/v1/jobs", old) == 401

    await until(given_up)
    assert await status(http, jane, "/api/v1/jobs", new) == 200


async def test_a_key_of_the_settings_is_rotated_there(jane: Program) -> None:
    told = await jane.run(
        *("admin", "keys", "rotate", "--data", str(jane.gateway.data)),
        RENDERTRUST_JWT_SECRET="0123456789abcdefghijklmnopqrstuvwxyz",
    )
    assert told.code == exit_codes.FAILURE
    for setting in ("RENDERTRUST_JWT_PREVIOUS", "RENDERTRUST_JWT_SECRET", "after 7 days"):
        assert setting in told.err


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])
