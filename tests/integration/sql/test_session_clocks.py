"""Tests of refresh tokens at gateways whose clocks differ."""

from datetime import timedelta
from uuid import uuid4

import pytest

from sql.database import Database
from sql.login_sessions import LoginState, Sessions, TokenFamily
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock
from tests.support.databases import execute

WEEK = timedelta(days=7)


@pytest.mark.parametrize("minutes", [-5, 0, 5])
async def test_a_refresh_that_is_sent_again_to_another_gateway_ends_no_login(
    database: PostgresEndpoint, minutes: int
) -> None:
    """The first answer, from a gateway whose clock is off, was lost; the second gateway must take
    the retry for a race, not for theft.
    """
    user, sid, jti = uuid4(), uuid4(), uuid4()
    insert = "INSERT INTO users (id, email, name, password_hash)"
    await execute(database.owner_dsn, f"{insert} VALUES ('{user}', 'a@example.org', 'A', 'x')")
    pool = Database(lambda: database.app_dsn)
    try:
        sessions, now = Sessions(pool), SystemClock().now()
        there = now + timedelta(minutes=minutes)
        first = TokenFamily(sid, jti, now + WEEK)
        assert await sessions.open(LoginState(user, "x", "user"), first, now)
        assert await sessions.rotate(TokenFamily(sid, uuid4(), there + WEEK), jti, there)
        again = TokenFamily(sid, uuid4(), now + WEEK)
        assert not await sessions.rotate(again, jti, now)
        assert not await sessions.reused(sid, jti, now)
        spent = "UPDATE spent_refresh_tokens SET spent_at = spent_at - interval '11 seconds'"
        await execute(database.owner_dsn, spent)
        assert await sessions.reused(sid, jti, now), "a refresh 11 seconds later is no race"
    finally:
        await pool.close()
