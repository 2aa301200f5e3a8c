"""Keys that sign tokens: stored in a file, and rotated while the gateway runs."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from supervisors.engines.secret import keep_secret
from tests.support.http_gateway import settings_for_tests
from tests.unit.web.test_tokens import RANDOM, SETTINGS, MovedClock
from web.identity.keyring import KeyStillInUse, TokenKeyFile, key_file, keyring, read_keys, rotate
from web.identity.tokens import Tokens, TokenType

LIFETIME = timedelta(days=7)


class Clock(MovedClock):
    """A clock whose monotonic time is ``later`` seconds ahead."""

    later = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.later


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = key_file(tmp_path)
    found.parent.mkdir()
    keep_secret(found)
    return found


def test_without_a_setting_a_key_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    clock = Clock()
    settings = settings_for_tests(jwt={"secret": ""})
    made = keyring(settings, tmp_path, clock).keys()
    assert len(made.current) == 32
    assert stat.S_IMODE(key_file(tmp_path).stat().st_mode) == 0o600
    assert made.current not in repr(made)
    assert keyring(settings, tmp_path, clock).keys() == made


def test_the_settings_key_comes_first(tmp_path: Path) -> None:
    settings = settings_for_tests()
    assert keyring(settings, tmp_path, Clock()).keys().current == settings.jwt.secret
    assert not key_file(tmp_path).exists()


async def test_a_running_gateway_signs_with_the_new_key_and_verifies_by_both(path: Path) -> None:
    clock = Clock()
    tokens = Tokens(SETTINGS, clock, RANDOM, TokenKeyFile(path, clock))
    old, _ = tokens.issue(TokenType.ACCESS, RANDOM.uuid(), RANDOM.uuid())
    rotate(path, clock.now(), LIFETIME)
    clock.later = 2.0
    assert await tokens.verify(old, TokenType.ACCESS)
    new, _ = tokens.issue(TokenType.ACCESS, RANDOM.uuid(), RANDOM.uuid())
    assert await tokens.verify(new, TokenType.ACCESS)
    started = Tokens(SETTINGS, clock, RANDOM, TokenKeyFile(path, clock))
    assert await started.verify(old, TokenType.ACCESS)
    assert await started.verify(new, TokenType.ACCESS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_key_that_was_given_up_opens_nothing_though_it_was_cached(path: Path) -> None:
    clock = Clock()
    tokens = Tokens(SETTINGS, clock, RANDOM, TokenKeyFile(path, clock))
    old, _ = tokens.issue(TokenType.ACCESS, RANDOM.uuid(), RANDOM.uuid())
    assert await tokens.verify(old, TokenType.ACCESS)
    for _ in range(2):
        rotate(path, clock.now(), LIFETIME, force=True)
    clock.later = 2.0
    assert await tokens.verify(old, TokenType.ACCESS) is None


async def test_the_key_before_opens_nothing_after_its_time_in_a_gateway_that_runs(
    path: Path,
) -> None:
    clock = Clock()
    tokens = Tokens(SETTINGS, clock, RANDOM, TokenKeyFile(path, clock))
    signature = tokens.sign("an address")
    old, _ = tokens.issue(TokenType.REFRESH, RANDOM.uuid(), RANDOM.uuid())
    rotate(path, clock.now(), timedelta(minutes=1))
    clock.later = 2.0
    assert await tokens.verify(old, TokenType.REFRESH)
    assert tokens.is_signed("an address", signature)
    clock.ahead = timedelta(minutes=1)
    assert await tokens.verify(old, TokenType.REFRESH) is None
    assert not tokens.is_signed("an address", signature)


def test_the_key_before_stays_until_its_last_token_has_expired(path: Path) -> None:
    clock = Clock()
    first = read_keys(path, clock.now())
    second = rotate(path, clock.now(), LIFETIME)
    assert (second.previous, len(second.current)) == (first.current, 32)
    assert second.current != first.current
    with pytest.raises(KeyStillInUse):
        rotate(path, clock.now() + timedelta(days=6), LIFETIME)
    assert read_keys(path, clock.now() + LIFETIME).all == (second.current,)
    third = rotate(path, clock.now() + LIFETIME, LIFETIME)
    assert third.previous == second.current


@pytest.mark.parametrize("text", ["", "\n\n", "new key\nold key\n", "new key\nold tomorrow\n"])
def test_a_broken_file_changes_nothing_for_a_gateway_that_runs(path: Path, text: str) -> None:
    clock = Clock()
    kept = TokenKeyFile(path, clock)
    before = kept.keys()
    path.write_text(text)
    clock.later = 2.0
    assert kept.keys() is before
    path.unlink()
    clock.later = 4.0
    assert kept.keys() is before
