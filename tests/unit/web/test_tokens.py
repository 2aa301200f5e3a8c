"""Tokens that are accepted, and tokens that are not."""

from datetime import timedelta
from typing import Any

import attrs
import jwt
import pytest

from config.settings import Jwt
from supervisors.engines.system_clock import SystemClock, SystemRandom
from tests.support.http_gateway import SECRET
from web.identity.tokens import Tokens, TokenType, key_id

OTHER = "zyxwvutsrqponmlkjihgfedcba9876543210"
SETTINGS = Jwt(SECRET, "", "rendertrust", "rendertrust", "nodes", 30, 7, 24)
RANDOM = SystemRandom()


class MovedClock(SystemClock):
    """A clock whose time of day is ``ahead`` of the machine's."""

    ahead = timedelta()

    def now(self) -> Any:
        return super().now() + self.ahead


def tokens(**changes: Any) -> Tokens:
    return Tokens(attrs.evolve(SETTINGS, **changes), MovedClock(), RANDOM)


async def test_a_token_says_what_was_issued_and_is_good_for_its_type_alone() -> None:
    ours = tokens()
    token, claims = ours.issue(TokenType.ACCESS, RANDOM.uuid(), RANDOM.uuid())
    assert await ours.verify(token, TokenType.ACCESS) == claims
    for other in (TokenType.REFRESH, TokenType.NODE, TokenType.UNPROVED):
        assert await ours.verify(token, other) is None


async def test_a_token_carries_the_contracts_claims_and_the_name_of_its_key() -> None:
    token, _ = tokens().issue(TokenType.NODE, RANDOM.uuid(), RANDOM.uuid())
    payload = jwt.decode(token, SECRET, ["HS256"], audience="nodes")
    assert set(payload) == {"sub", "iat", "exp", "jti", "sid", "token_type", "aud", "iss"}
    assert payload["exp"] - payload["iat"] == 24 * 3600
    assert payload["token_type"] == "node"
    assert jwt.get_unverified_header(token) == {
        "alg": "HS256",
        "typ": "JWT",
        "kid": key_id(SECRET),
    }


async def test_an_expired_token_is_refused_though_it_was_cached() -> None:
    clock = MovedClock()
    ours = Tokens(SETTINGS, clock, RANDOM)
    token, _ = ours.issue(TokenType.ACCESS, RANDOM.uuid(), RANDOM.uuid())
    assert await ours.verify(token, TokenType.ACCESS)
    clock.ahead = timedelta(minutes=30)
    assert await ours.verify(token, TokenType.ACCESS) is None


async def test_during_rotation_both_keys_are_valid() -> None:
    before = tokens()
    token, _ = before.issue(TokenType.ACCESS, RANDOM.uuid(), RANDOM.uuid())
    rotated = tokens(secret=OTHER, previous=SECRET)
    assert await rotated.verify(token, TokenType.ACCESS)
    newer, _ = rotated.issue(TokenType.ACCESS, RANDOM.uuid(), RANDOM.uuid())
    assert await before.verify(newer, TokenType.ACCESS) is None
    assert await tokens(secret=OTHER).verify(token, TokenType.ACCESS) is None


def test_a_signature_is_of_one_text_and_of_a_key_that_verifies() -> None:
    ours = tokens()
    signature = ours.sign("/archives/a.zip\n100")
    assert ours.is_signed("/archives/a.zip\n100", signature)
    assert not ours.is_signed("/archives/b.zip\n100", signature)
    assert not ours.is_signed("/archives/a.zip\n101", signature)
    assert tokens(secret=OTHER, previous=SECRET).is_signed("/archives/a.zip\n100", signature)
    assert not tokens(secret=OTHER).is_signed("/archives/a.zip\n100", signature)


def forged(secret: Any = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    now = int(SystemClock().now().timestamp())
    payload: dict[str, Any] = {
        "sub": str(RANDOM.uuid()),
        "iat": now,
        "exp": now + 600,
        "jti": str(RANDOM.uuid()),
        "sid": str(RANDOM.uuid()),
        "token_type": "access",
        "aud": "rendertrust",
        "iss": "rendertrust",
        **changes,
    }
    payload = {name: value for name, value in payload.items() if value is not ...}
    kid = changes.get("kid", key_id(SECRET))
    return jwt.encode(payload, secret, algorithm, headers={"kid": kid})


async def test_a_token_with_all_its_claims_is_accepted() -> None:
    assert await tokens().verify(forged(), TokenType.ACCESS)


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": OTHER},
        {"secret": None, "algorithm": "none"},
        {"algorithm": "HS512", "secret": SECRET * 2},
        {"kid": "unknown"},
        {"aud": "others"},
        {"iss": "others"},
        {"exp": 1},
        {"exp": ...},
        {"exp": "9999999999"},
        {"iat": ...},
        {"jti": ...},
        {"jti": "1"},
        {"sid": ...},
        {"sub": ...},
        {"sub": "jane"},
        {"token_type": ...},
        {"token_type": "admin"},
        {"exp": 1 << 62},
    ],
    ids=str,
)
async def test_a_token_that_lacks_anything_is_refused(changes: dict[str, Any]) -> None:
    assert await tokens().verify(forged(**changes), TokenType.ACCESS) is None


@pytest.mark.parametrize("garbage", ["", "a", "a.b.c", "é", "=" * 10, "a" * 100_000, "....", "\0"])
async def test_garbage_is_refused(garbage: str) -> None:
    assert await tokens().verify(garbage, TokenType.ACCESS) is None


async def test_a_padded_copy_of_a_token_is_refused() -> None:
    assert await tokens().verify(forged() + "=", TokenType.ACCESS) is None


async def test_the_cache_is_bounded() -> None:
    ours = Tokens(SETTINGS, MovedClock(), RANDOM, cached_max=3)
    for _ in range(5):
        token, _ = ours.issue(TokenType.ACCESS, RANDOM.uuid(), RANDOM.uuid())
        assert await ours.verify(token, TokenType.ACCESS)
    assert ours.cached == 3
