"""The gateways of one installation; each announces itself periodically."""

from datetime import datetime
from typing import Final
from uuid import UUID

import attrs
import orjson

import rendertrust
from actors.ports import Clock
from web.http.converter import uuid_of

GONE_SECONDS: Final = 15.0
MOST: Final = 1_000
TEXT_MAX: Final = 200


@attrs.frozen
class PeerGateway:
    """A gateway as last heard. ``since`` is when it started."""

    id: UUID
    url: str
    version: str
    since: datetime
    heard_at: float  # monotonic


class Gateways:
    """All gateways heard recently, this one first."""

    def __init__(self, id_: UUID, clock: Clock) -> None:
        self.id = id_
        self._clock = clock
        self._since = clock.now()
        self._heard: dict[UUID, PeerGateway] = {}

    def hello(self, url: str) -> bytes:
        """Return this gateway's announcement."""
        return orjson.dumps(
            {
                "id": str(self.id),
                "url": url,
                "version": rendertrust.__version__,
                "since": self._since.isoformat(),
            }
        )

    def hear(self, payload: bytes) -> None:
        """Record an announcement; ones of an unknown version are ignored."""
        try:
            said = orjson.loads(payload)
            id_, since = uuid_of(said["id"]), datetime.fromisoformat(said["since"])
            url, version = str(said["url"])[:TEXT_MAX], str(said["version"])[:TEXT_MAX]
        except (ValueError, KeyError, TypeError):
            return
        if id_ is not None and (id_ in self._heard or len(self._heard) < MOST):
            now = self._clock.monotonic()
            self._heard[id_] = PeerGateway(id_, url, version, since, now)

    def living(self, url: str) -> list[PeerGateway]:
        """Return the running gateways, this one always included and first."""
        now = self._clock.monotonic()
        own = PeerGateway(self.id, url, rendertrust.__version__, self._since, now)
        self._heard = {
            id_: each for id_, each in self._heard.items() if now - each.heard_at < GONE_SECONDS
        }
        others = [each for id_, each in self._heard.items() if id_ != self.id]
        return [own, *sorted(others, key=lambda each: each.since)]
