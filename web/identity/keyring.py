"""The keys that sign and verify tokens: from the settings, or in a file of the data folder."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import attrs

from actors.ports import Clock
from config.redaction import hide
from config.sections import Jwt
from config.settings import Settings
from supervisors.engines.secret import fresh_secret, keep_secret, write_private
from web.identity.key_file import RotatedFile, made_for


@attrs.frozen
class TokenKeys:
    """``current`` signs; ``previous`` verifies, in a file until its last token has expired."""

    current: str = attrs.field(repr=False)
    previous: str = attrs.field(default="", repr=False)
    until: datetime | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """Those that verify."""
        return (self.current, self.previous) if self.previous else (self.current,)


class Keyring(Protocol):
    """Where the keys are."""

    def keys(self) -> TokenKeys:
        """Those of now; the same object for as long as they did not change."""
        ...


@attrs.frozen
class GivenKeys:
    """From the settings: others begin with a restart."""

    _keys: TokenKeys

    def keys(self) -> TokenKeys:
        """Those that were given."""
        return self._keys


class TokenKeyFile:
    """In a file that its owner alone can read; looked at each second, for a rotation."""

    def __init__(self, path: Path, clock: Clock) -> None:
        words = "the keys that sign tokens"
        self._kept = RotatedFile(path, clock, lambda text: keys_of(text, clock.now()), words)

    def keys(self) -> TokenKeys:
        """Those of now. A file that went away or is broken changes nothing."""
        return self._kept.now()


class KeyStillInUse(Exception):
    """A key that would go still verifies tokens that have not expired."""


def given(settings: Jwt) -> GivenKeys:
    """The keys of the settings."""
    return GivenKeys(TokenKeys(settings.secret, settings.previous))


def keyring(settings: Settings, data: Path, clock: Clock) -> Keyring:
    """The settings' keys; else the data folder's, made where there is none.

    Production brings its own: ``load`` refused it otherwise.
    """
    if settings.jwt.secret:
        return given(settings.jwt)
    path = key_file(data)
    if made_for(path):
        keep_secret(path)  # 24 random bytes as 32 characters
    return TokenKeyFile(path, clock)


def key_file(data: Path) -> Path:
    """Where the keys of a gateway without a setting are."""
    return data / "gateway" / "jwt"


def read_keys(path: Path, now: datetime) -> TokenKeys:
    """Those in a file. Raises OSError, ValueError."""
    return keys_of(path.read_text("ascii"), now)


def keys_of(text: str, now: datetime) -> TokenKeys:
    """The key, and on a second line the one before with the time until which it verifies.

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
    """A new key signs from now on; the one of now verifies for ``lifetime``.

    KeyStillInUse: the one before it still verifies, and is given up only with ``force``.
    """
    kept = read_keys(path, now)
    if kept.previous and not force:
        raise KeyStillInUse(f"{kept.until:%Y-%m-%d %H:%M} UTC")
    fresh = TokenKeys(fresh_secret(), kept.current, now + lifetime)
    stat = path.stat()
    lines = f"{fresh.current}\n{fresh.previous} {now + lifetime:%Y-%m-%dT%H:%M:%S+00:00}\n"
    write_private(path, lines, (stat.st_uid, stat.st_gid))
    return fresh
