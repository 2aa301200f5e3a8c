"""API keys: their format, and the cache of lookups."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sql.api_keys import ApiKeyHolder, ApiKeys
from sql.database import Database
from supervisors.engines.system_clock import SystemClock, SystemRandom
from tests.twins.random import TwinRandom
from web.identity.api_keys import REMEMBERED, VerifiedKeys, digest, make_key, well_formed
from web.identity.revocation_set import Revocations
from web.identity.roles import Scope, UserRole

KEY = make_key(TwinRandom())


class Rows(ApiKeys):
    """The API keys of one user, with a count of lookups."""

    def __init__(self) -> None:
        super().__init__(Database(lambda: ""))
        self.lookups = 0
        self.user = uuid4()
        self.ids: dict[bytes, UUID] = {}
        self.revoking: Revocations | None = None

    async def use(self, sha256: bytes, now: datetime) -> ApiKeyHolder | None:
        self.lookups += 1
        key = self.ids.setdefault(sha256, uuid4())
        scopes: Sequence[str] = ["jobs:read", "of:a-later-version"]
        if self.revoking is not None:
            self.revoking.add(uuid4())
        return ApiKeyHolder(key, self.user, scopes, None)


class MovedClock(SystemClock):
    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


@given(st.integers(0, len(KEY) - 1), st.characters())
def test_a_letter_that_is_wrong_is_seen(place: int, letter: str) -> None:
    changed = KEY[:place] + letter + KEY[place + 1 :]
    assert well_formed(changed) == (changed == KEY)


@given(st.binary(min_size=32, max_size=32))
def test_every_key_is_well_formed_and_of_one_length(secret: bytes) -> None:
    class Fixed(SystemRandom):
        def token(self, size: int) -> bytes:
            return secret[:size]

    key = make_key(Fixed())
    assert well_formed(key)
    assert len(key) == len(KEY)


@pytest.mark.parametrize(
    "text", ["", "rtk_", KEY[4:], KEY + " ", KEY[:-1], KEY.upper(), "rtk_é" * 9]
)
def test_what_is_no_key_is_seen(text: str) -> None:
    assert not well_formed(text)


async def test_a_key_has_the_scopes_that_are_known_and_no_role() -> None:
    claims = await VerifiedKeys(Rows(), SystemClock()).verify(KEY)
    assert claims is not None
    assert claims.scopes == frozenset({Scope.JOBS_READ})
    assert claims.role is UserRole.USER


async def test_a_key_is_looked_up_once_and_again_after_some_minutes() -> None:
    rows, clock = Rows(), MovedClock()
    keys = VerifiedKeys(rows, clock)
    for _ in range(3):
        assert await keys.verify(KEY)
    assert rows.lookups == 1
    clock.ahead = REMEMBERED
    assert await keys.verify(KEY)
    assert rows.lookups == 2


@pytest.mark.parametrize("whose", ["key", "user", "another"])
async def test_what_was_revoked_is_looked_up_again(whose: str) -> None:
    rows = Rows()
    keys = VerifiedKeys(rows, SystemClock())
    await keys.verify(KEY)
    ids = {"key": rows.ids[digest(KEY)], "user": rows.user, "another": uuid4()}
    keys.forget(frozenset({ids[whose]}))
    await keys.verify(KEY)
    assert rows.lookups == (1 if whose == "another" else 2)


async def test_what_is_revoked_during_the_look_up_is_not_remembered() -> None:
    rows, clock = Rows(), SystemClock()
    rows.revoking = Revocations(clock)
    keys = VerifiedKeys.over(rows, clock, rows.revoking)
    await keys.verify(KEY)
    assert keys.cached == 0


async def test_the_cache_is_bounded_and_keeps_nothing_of_what_went() -> None:
    rows, random = Rows(), SystemRandom()
    keys = VerifiedKeys(rows, SystemClock(), cached_max=3)
    for _ in range(5):
        await keys.verify(make_key(random))
    assert keys.cached == 3
    keys.forget(frozenset({rows.user}))
    assert keys.cached == 0
