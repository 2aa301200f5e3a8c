"""The keys that sign and verify tokens: from the settings, or in a file of the data folder."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import attrs
import structlog

from actors.ports import Clock
from config.redaction import hide
from config.sections import Jwt
from config.settings import Settings
from supervisors.engines.secret import fresh_secret, keep_secret, write_private

LOOK_EVERY_SECONDS: Final = 1.0
log = structlog.get_logger("keys")


@attrs.frozen
class Keys:
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

    def keys(self) -> Keys:
        """Those of now; the same object for as long as they did not change."""
        ...


@attrs.frozen
class GivenKeys:
    """From the settings: others begin with a restart."""

    _keys: Keys

    def keys(self) -> Keys:
        """Those that were given."""
        return self._keys


class KeyFile:
    """In a file that its owner alone can read; looked at each second, for a rotation."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._looked = clock.monotonic()
        self._stamp = _stamp(path)
        self._keys = read_keys(path, clock.now())

    def keys(self) -> Keys:
        """Those of now. A file that went away or is broken changes nothing."""
        now = self._clock.monotonic()
        if now - self._looked >= LOOK_EVERY_SECONDS:
            self._looked = now
            self._look()
        return self._keys

    def _look(self) -> None:
        try:
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            self._keys = read_keys(self._path, self._clock.now())
        except (OSError, ValueError) as error:
            log.error("the keys cannot be read: those of before stay", reason=str(error))
            return
        self._stamp = stamp
        log.info("the keys that sign tokens were rotated")


class NotYet(Exception):
    """A key that would go still verifies tokens that have not expired."""


def given(settings: Jwt) -> GivenKeys:
    """The keys of the settings."""
    return GivenKeys(Keys(settings.secret, settings.previous))


def keyring(settings: Settings, data: Path, clock: Clock) -> Keyring:
    """The settings' keys; else the data folder's, made where there is none.

    Production brings its own: ``load`` refused it otherwise.
    """
    if settings.jwt.secret:
        return given(settings.jwt)
    path = key_file(data)
    data.mkdir(mode=0o711, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        keep_secret(path)  # 24 random bytes as 32 characters
    return KeyFile(path, clock)


def key_file(data: Path) -> Path:
    """Where the keys of a gateway without a setting are."""
    return data / "gateway" / "jwt"


def read_keys(path: Path, now: datetime) -> Keys:
    """The key, and on a second line the one before with the time until which it verifies.

    Raises OSError, ValueError.
    """
    lines = path.read_text("ascii").splitlines()
    current = lines[0].strip() if lines else ""
    if not current:
        raise ValueError("the file is empty")
    hide(current)
    if len(lines) < 2:
        return Keys(current)
    previous, _, text = lines[1].partition(" ")
    hide(previous)
    until = datetime.fromisoformat(text).astimezone(UTC)
    return Keys(current, previous, until) if now < until else Keys(current)


def rotate(path: Path, now: datetime, lifetime: timedelta, *, force: bool = False) -> Keys:
    """A new key signs from now on; the one of now verifies for ``lifetime``.

    NotYet: the one before it still verifies, and is given up only with ``force``.
    """
    kept = read_keys(path, now)
    if kept.previous and not force:
        raise NotYet(f"{kept.until:%Y-%m-%d %H:%M} UTC")
    fresh = Keys(fresh_secret(), kept.current, now + lifetime)
    stat = path.stat()
    lines = f"{fresh.current}\n{fresh.previous} {now + lifetime:%Y-%m-%dT%H:%M:%S+00:00}\n"
    write_private(path, lines, (stat.st_uid, stat.st_gid))
    return fresh


def _stamp(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
