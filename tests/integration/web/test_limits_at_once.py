"""Limits on the number of a user's things, which hold for requests at the same time, too."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeAlias

import pytest

from sql import api_keys, invitations, mails, organisations, webhooks
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import register, with_role
from tests.integration.web.mailing import MAIL
from tests.support.databases import connected, execute, fetchval
from tests.support.http_gateway import Face, face_with, with_ledger
from tests.support.until import until

AT_ONCE = 12
Json: TypeAlias = dict[str, Any]
KEY: Json = {"name": "a key", "scopes": ["jobs:read"]}
HOOK: Json = {"url": "https://example.org/hook", "types": ["job.completed"]}
NAME: Json = {"name": "Friends"}
ADDRESS: Json = {"email": "{}@example.org"}
REASON: Json = {"reason": "a friend"}

WAITING = "SELECT count(*) >= 4 FROM pg_locks WHERE NOT granted"
# Statements that insert into a table wait for a lock after they have counted its rows.
TRIGGER = """
CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NEW; END $$;
CREATE TRIGGER meet BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION meet();
"""

face = face_with(with_ledger, mail=MAIL)


async def done_at_once(dsn: str, table: str, asked: Iterable[Coroutine[Any, Any, int]]) -> int:
    """Let the requests meet where they insert a row; return how many were granted."""
    await execute(dsn, TRIGGER.format(table))
    async with connected(dsn) as connection:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(7)")
            answers = asyncio.gather(*asked)
            await until(lambda: fetchval(dsn, WAITING))
        return sum(status < 300 for status in await answers)


CASES: dict[str, tuple[str, str, Json | None, tuple[Any, str]]] = {
    "keys": ("api_keys", "/auth/keys", KEY, (api_keys, "LIVING_MAX")),
    "endpoints": ("endpoints", "/webhooks/endpoints", HOOK, (webhooks, "ENDPOINTS_MAX")),
    "organisations": ("organisations", "/organisations", NAME, (organisations, "OF_USER_MOST")),
    "trusted": ("unknown_addresses", "/trusted", ADDRESS, (organisations, "TRUSTED_MOST")),
    "invitations": ("invitations", "/admin/invitations", REASON, (invitations, "OPEN_MAX")),
    "mails": ("mails", "/auth/verify/send", None, (mails, "LINKS_AN_HOUR")),
}


@pytest.mark.parametrize("case", CASES)
async def test_requests_at_once_do_not_exceed_a_limit(
    face: Face, database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    table, path, body, limit = CASES[case]
    monkeypatch.setattr(*limit, 3)
    ann = await with_role(face, database.owner_dsn, "admin")
    await execute(database.owner_dsn, "DELETE FROM mails")

    async def ask(number: int) -> int:
        own = body and {k: v.format(number) if isinstance(v, str) else v for k, v in body.items()}
        status, _ = await ann.ask("POST", f"/api/v1{path}", own)
        return int(status)

    assert await done_at_once(database.owner_dsn, table, map(ask, range(AT_ONCE))) == 3


async def test_invitations_at_once_to_several_organisations_do_not_exceed_the_users_limit(
    face: Face, database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    jane = await register(face)
    await execute(database.owner_dsn, "UPDATE users SET verified_at = now()")
    monkeypatch.setattr(organisations, "INVITED_BY_USER_MOST", 3)
    made = [(await jane.ask("POST", "/api/v1/organisations", {"name": "F"}))[1] for _ in range(12)]

    async def invite(number: int, organisation: str) -> int:
        body = {"email": f"{number}@example.org"}
        path = f"/api/v1/organisations/{organisation}/members"
        status, _ = await jane.ask("POST", path, body)
        return int(status)

    asked = (invite(number, one["id"]) for number, one in enumerate(made))
    assert await done_at_once(database.owner_dsn, "unknown_addresses", asked) == 3
