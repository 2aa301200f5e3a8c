"""Tests of refresh tokens, each of which can be exchanged once."""

import asyncio

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import Person, log_in, refresh
from tests.support.databases import execute
from tests.support.http_gateway import Face


async def age_exchanges(dsn: str, seconds: int) -> None:
    """Move all exchanges of tokens this many seconds into the past."""
    await execute(
        dsn,
        f"UPDATE spent_refresh_tokens SET spent_at = spent_at - interval '{seconds} seconds'",
    )


async def test_a_refresh_token_gives_new_tokens_of_the_same_login(face: Face, jane: Person) -> None:
    status, tokens = await refresh(face, jane.refresh)
    assert status == 200
    assert set(tokens) == {"access_token", "refresh_token", "token_type"}
    assert tokens["token_type"] == "bearer"
    assert tokens["refresh_token"] != jane.refresh
    assert await jane.may(tokens["access_token"])
    assert await jane.may(), "the older access token lives until it expires"
    status, _ = await refresh(face, tokens["refresh_token"])
    assert status == 200


async def test_an_access_token_and_garbage_refresh_nothing(face: Face, jane: Person) -> None:
    for token in (jane.access, "garbage", jane.refresh + "=", jane.refresh[:-2]):
        status, answer = await refresh(face, token)
        assert (status, answer["detail"]) == (401, "Invalid, expired or used refresh token")
    assert await jane.may()


async def test_a_refresh_token_opens_no_route(jane: Person) -> None:
    assert not await jane.may(jane.refresh)


async def test_one_that_comes_again_at_once_is_refused_and_no_more(
    face: Face, jane: Person
) -> None:
    _, tokens = await refresh(face, jane.refresh)
    for _ in range(2):
        status, _ = await refresh(face, jane.refresh)
        assert status == 401
    assert await jane.may(tokens["access_token"])
    status, _ = await refresh(face, tokens["refresh_token"])
    assert status == 200


async def test_one_that_comes_again_late_ends_the_login_and_its_access_tokens(
    face: Face, database: PostgresEndpoint, jane: Person
) -> None:
    other = await log_in(face, jane)
    assert other is not None
    _, tokens = await refresh(face, jane.refresh)
    await age_exchanges(database.owner_dsn, 11)
    status, _ = await refresh(face, jane.refresh)
    assert status == 401
    assert not await jane.may()
    assert not await jane.may(tokens["access_token"])
    status, _ = await refresh(face, tokens["refresh_token"])
    assert status == 401
    assert await other.may(), "another login of the same user goes on"


async def test_an_older_one_is_known_too(
    face: Face, database: PostgresEndpoint, jane: Person
) -> None:
    _, second = await refresh(face, jane.refresh)
    await age_exchanges(database.owner_dsn, 11)
    _, third = await refresh(face, second["refresh_token"])
    status, _ = await refresh(face, second["refresh_token"])
    assert status == 401, "a token that was exchanged just now is refused, as in a race"
    assert await jane.may(third["access_token"])
    status, _ = await refresh(face, jane.refresh)
    assert status == 401, "a token that was exchanged long ago was stolen"
    assert not await jane.may(third["access_token"])


async def test_of_ten_at_once_one_wins_and_stays_logged_in(face: Face, jane: Person) -> None:
    answers = await asyncio.gather(*[refresh(face, jane.refresh) for _ in range(10)])
    assert sorted(status for status, _ in answers) == [200, *[401] * 9]
    (tokens,) = [answer for status, answer in answers if status == 200]
    assert await jane.may(tokens["access_token"])
    status, again = await refresh(face, tokens["refresh_token"])
    assert status == 200
    assert await jane.may(again["access_token"])


async def test_a_user_who_was_deactivated_stays_out(
    face: Face, database: PostgresEndpoint, jane: Person
) -> None:
    await execute(database.owner_dsn, "UPDATE users SET is_active = false")
    status, _ = await refresh(face, jane.refresh)
    assert status == 401
    await execute(database.owner_dsn, "UPDATE users SET is_active = true")
    status, _ = await refresh(face, jane.refresh)
    assert status == 401, "the login ended while the user was deactivated"


async def test_a_login_whose_user_is_gone_stays_out(
    face: Face, database: PostgresEndpoint, jane: Person
) -> None:
    await execute(database.owner_dsn, "DELETE FROM refresh_families; DELETE FROM users")
    status, _ = await refresh(face, jane.refresh)
    assert status == 401
