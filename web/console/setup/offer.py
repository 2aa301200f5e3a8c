"""The offer to set up a new farm: a token that its terminal shows, and the answers so far."""

import asyncio
import hmac
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from actors.ports import Clock
from config.settings import Settings
from sql.link_tokens import digest_of

if TYPE_CHECKING:  # the answers' forms use the routes, which use the gateway, which has the offer
    from web.console.setup.answers import SetupAnswers

LASTS: Final = timedelta(hours=1)
TOKEN_BYTES: Final = 16
PATH: Final = "/setup"


@attrs.frozen
class SetupPlace:
    """The process that is set up.

    ``file``: its settings file, which is never overwritten; None: the set-up writes one into
    ``folder``. ``load`` reads a settings file as the process does at its start. ``unverifiable``:
    why this machine cannot verify results, or ''. ``restart`` starts the process again.
    """

    folder: Path
    file: Path | None
    port: int
    load: Callable[[Path], Settings]
    unverifiable: str
    restart: Callable[[], None]


@attrs.define
class OpenOffer:
    """An offer that was made and may have ended; ``ends``: on the monotonic clock."""

    sha256: bytes = attrs.field(repr=False)
    ends: float
    place: SetupPlace
    answers: "SetupAnswers"
    lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)


class SetupOffer:
    """The offer of one gateway, in memory; there is none until ``open`` is called.

    Whoever uses the offer must also check that no admin exists, who may be made elsewhere.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: OpenOffer | None = None

    def open(self, token: str, answers: "SetupAnswers", place: SetupPlace) -> None:
        """Offer the set-up to anybody who has the token, for an hour."""
        ends = self._clock.monotonic() + LASTS.total_seconds()
        self._open = OpenOffer(digest_of(token), ends, place, answers)

    def close(self) -> None:
        """End the offer, and forget the answers."""
        self._open = None

    def of(self, token: str) -> OpenOffer | None:
        """Return the offer if the token opens it."""
        found = self._open
        if found is None:
            return None
        if self._clock.monotonic() >= found.ends:
            self.close()
            return None
        return found if hmac.compare_digest(digest_of(token), found.sha256) else None


def link_of(url: str, token: str) -> str:
    """Return the address that the terminal shows."""
    return f"{url.rstrip('/')}{PATH}?token={token}"
