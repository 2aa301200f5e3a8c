"""Gateways accept each other's tokens if their clocks differ by up to five minutes."""

from datetime import timedelta
from typing import Any

import pytest

from supervisors.engines.system_clock import SystemClock, SystemRandom
from tests.unit.web.test_tokens import OTHER, SETTINGS, MovedClock, forged, tokens
from web.identity.tokens import Claims, Tokens, TokenType

RANDOM = SystemRandom()


async def seen_by_another(kind: TokenType, ahead: timedelta) -> tuple[Claims | None, Claims | None]:
    """Return what a gateway with the right time makes of a token, at first and from its cache."""
    clock = MovedClock()
    clock.ahead = ahead
    token, _ = Tokens(SETTINGS, clock, RANDOM).issue(kind, RANDOM.uuid(), RANDOM.uuid())
    here = Tokens(SETTINGS, MovedClock(), RANDOM)
    return await here.verify(token, kind), await here.verify(token, kind)


@pytest.mark.parametrize("kind", TokenType)
@pytest.mark.parametrize("seconds", [-290, -2, 2, 90, 290])
async def test_a_token_of_a_clock_that_is_a_little_off_is_accepted(
    kind: TokenType, seconds: int
) -> None:
    first, again = await seen_by_another(kind, timedelta(seconds=seconds))
    assert first is not None
    assert again == first


@pytest.mark.parametrize("kind", TokenType)
async def test_a_token_from_a_later_future_is_refused(kind: TokenType) -> None:
    assert await seen_by_another(kind, timedelta(minutes=6)) == (None, None)


async def test_a_token_from_the_future_is_verified_as_any_other() -> None:
    soon = int(SystemClock().now().timestamp()) + 60
    ours = tokens()
    assert await ours.verify(forged(iat=soon), TokenType.ACCESS)
    assert await ours.verify(forged(OTHER, iat=soon), TokenType.ACCESS) is None
    changes: list[dict[str, Any]] = [{"aud": "others"}, {"iss": "others"}, {"jti": ...}]
    for wrong in changes:
        assert await ours.verify(forged(iat=soon, **wrong), TokenType.ACCESS) is None
    past = soon - 120
    assert await ours.verify(forged(iat=soon, exp=past), TokenType.ACCESS) is None
