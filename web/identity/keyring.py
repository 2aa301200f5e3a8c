"""The keys that sign and verify tokens: from the settings, or from a file in the data folder."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import attrs

from actors.ports import Clock
from config.redaction import hide
from config.settings import Jwt, Settings
from supervisors.engines.secret import fresh_secret, keep_secret, write_private
from web.identity.key_file import RotatedFile, made_for


@attrs.frozen
class TokenKeys:
    """``current`` signs and verifies; ``previous`` only verifies.

    A key file gives no ``previous`` from ``until`` on, when the last token of ``previous`` has
    expired.
    """

    current: str = attrs.field(repr=False)
    previous: str = attrs.field(default="", repr=False)
    until: datetime | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """The keys with which tokens are verified."""
        return (self.current, self.previous) if self.previous else (self.current,)


class Keyring(Protocol):
    """The source of the keys."""

    def keys(self) -> TokenKeys:
        """Return the current keys; the same object as long as they do not change."""
        ...


@attrs.frozen
class GivenKeys:
    """Keys from the settings, which change only by a restart."""

    _keys: TokenKeys

    def keys(self) -> TokenKeys:
        return self._keys


class TokenKeyFile:
    """Keys in a private file, checked at most once a second for a rotation."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        words = "the keys that sign tokens"
        self._kept = RotatedFile(path, clock, lambda text: keys_of(text, clock.now()), words)

    def keys(self) -> TokenKeys:
        """Return the current keys. A missing or broken file changes nothing."""
        keys = self._kept.now()
        if keys.until is not None and keys.until <= self._clock.now():
            keys = self._kept.last = TokenKeys(keys.current)
        return keys


class KeyStillInUse(Exception):
    """The key that would be dropped still verifies tokens that have not expired."""


def given(settings: Jwt) -> GivenKeys:
    return GivenKeys(TokenKeys(settings.secret, settings.previous))


def keyring(settings: Settings, data: Path, clock: Clock) -> Keyring:
    """Return the settings' keys, or those in the data folder, which are created if missing.

    In production the settings must have keys: ``load`` refuses settings without keys.
    """
    if settings.jwt.secret:
        return given(settings.jwt)
    path = key_file(data)
    if made_for(path):
        keep_secret(path)  # 24 random bytes as 32 characters
    return TokenKeyFile(path, clock)


def key_file(data: Path) -> Path:
    """Return the path of the keys of a gateway without configured ones."""
    return data / "gateway" / "jwt"


def read_keys(path: Path, now: datetime) -> TokenKeys:
    """Return the keys in a file. Raises OSError, ValueError."""
    return keys_of(path.read_text("ascii"), now)


def keys_of(text: str, now: datetime) -> TokenKeys:
    """Parse the key and, on a second line, the previous one with the time until which it verifies.

    Raises ValueError.
    """
    lines = text.splitlines()
    current = lines[0].strip() if lines else ""
    if not current:
        raise ValueError("the file is empty")
    hide(current)
    if len(lines) < 2:
        return TokenKeys(current)
    previous, _, end = lines[1].partition(" ")
    hide(previous)
    until = datetime.fromisoformat(end).astimezone(UTC)
    return TokenKeys(current, previous, until) if now < until else TokenKeys(current)


def rotate(path: Path, now: datetime, lifetime: timedelta, *, force: bool = False) -> TokenKeys:
    """Create a new key, which signs from now on; the current one verifies for ``lifetime``.

    KeyStillInUse: the previous key still verifies; it is dropped only with ``force``.
    """
    kept = read_keys(path, now)
    if kept.previous and not force:
        raise KeyStillInUse(f"{kept.until:%Y-%m-%d %H:%M} UTC")
    fresh = TokenKeys(fresh_secret(), kept.current, now + lifetime)
    stat = path.stat()
    lines = f"{fresh.current}\n{fresh.previous} {now + lifetime:%Y-%m-%dT%H:%M:%S+00:00}\n"
    write_private(path, lines, (stat.st_uid, stat.st_gid))
    return fresh
