"""The console's state in memory, which is lost when the gateway stops."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs
import orjson

import rendertrust
from actors.auditor.messages import Audit
from actors.ports import Clock
from rendertrust.money import CreditPrice
from sql.overview import FarmFigures
from supervisors.snapshot import Snapshot
from web.console.money_history import MoneyHistory
from web.console.setup.offer import SetupOffer
from web.http.converter import uuid_of
from web.process.loop_lag import LagHistory

KEPT: Final = 300  # readings that are kept: ten minutes
RATE_READINGS: Final = 6  # readings over which a rate is computed
GONE_SECONDS: Final = 15.0  # a gateway that was not heard for so long is gone
GATEWAYS_MOST: Final = 1_000
TEXT_MAX: Final = 200


@attrs.frozen
class ActorReading:
    """A reading of one actor, or of all children of a dynamic supervisor.

    ``at`` is wall-clock time.
    """

    at: float
    depth: int
    handled: int
    busy: float


class ActorHistory:
    """The readings of one tree, by the names of its parts."""

    def __init__(self, snapshot: Callable[[], Snapshot], clock: Clock) -> None:
        self._snapshot, self._clock = snapshot, clock
        self._readings: dict[str, deque[ActorReading]] = {}

    def sample(self) -> None:
        """Take a reading of every part; parts that left the tree are dropped."""
        at = self._clock.now().timestamp()
        found = dict(readings_of(self._snapshot(), at))
        self._readings = {name: self._readings.get(name, deque(maxlen=KEPT)) for name in found}
        for name, reading in found.items():
            self._readings[name].append(reading)

    def of(self, name: str) -> Sequence[ActorReading]:
        """Return the readings of one part of the tree, oldest first."""
        return tuple(self._readings.get(name, ()))

    def rate(self, name: str) -> float | None:
        """Return the messages per second that ``name`` lately handled; None below two readings."""
        known = self.of(name)
        if len(known) < 2:
            return None
        first, last = known[-min(len(known), RATE_READINGS)], known[-1]
        passed = last.at - first.at
        return max(0, last.handled - first.handled) / passed if passed > 0 else None


def readings_of(part: Snapshot, at: float) -> Iterator[tuple[str, ActorReading]]:
    """Yield a reading for each actor of the tree; names are unique in it."""
    if part.statistics is not None:
        figures = part.statistics
        yield (
            part.name,
            ActorReading(at, figures.depth, figures.handled, figures.handle_seconds),
        )
    elif part.totals is not None:
        yield part.name, ActorReading(at, part.totals.depth, part.totals.handled, part.totals.busy)
    for child in part.children:
        yield from readings_of(child, at)


@attrs.frozen
class PeerGateway:
    """A gateway according to its last announcement. ``since``: when that gateway started."""

    id: UUID
    url: str
    version: str
    since: datetime
    heard_at: float  # monotonic time


class Gateways:
    """All gateways that were heard recently, this one first."""

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
        """Record an announcement; ignore a malformed one, or one above GATEWAYS_MOST."""
        try:
            said = orjson.loads(payload)
            id_, since = uuid_of(said["id"]), datetime.fromisoformat(said["since"])
            url, version = str(said["url"])[:TEXT_MAX], str(said["version"])[:TEXT_MAX]
        except (ValueError, KeyError, TypeError):
            return
        if id_ is not None and (id_ in self._heard or len(self._heard) < GATEWAYS_MOST):
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


@attrs.define
class KnownAudit:
    """The Auditor's last report, for use while it audits and does not answer."""

    last: Audit | None = None


@attrs.define
class KnownFarm:
    """The farm's public figures as last read, so that the first page needs no query."""

    figures: FarmFigures | None = None
    read_at: datetime | None = None

    def note(self, figures: FarmFigures | None, at: datetime) -> None:
        """Record a reading."""
        self.figures, self.read_at = figures, at


@attrs.define
class KnownPrices:
    """The prices of job types and of credits as last read, so that their page needs no query.

    ``by_type``: units of money for a job or frame; None: nothing was read yet. ``of_credits``: None
    if none are for sale.
    """

    by_type: Mapping[str, int] | None = None
    of_credits: CreditPrice | None = None

    def note(self, by_type: Mapping[str, int], of_credits: CreditPrice | None) -> None:
        """Record a reading."""
        self.by_type, self.of_credits = by_type, of_credits


@attrs.frozen
class ConsoleState:
    """Recent figures of actors, gateways, loop lag, money, prices and the farm, the last audit's
    findings, and the offer to set up the farm.
    """

    history: ActorHistory
    gateways: Gateways
    lag: LagHistory
    setup: SetupOffer
    audit: KnownAudit = attrs.field(factory=KnownAudit)
    farm: KnownFarm = attrs.field(factory=KnownFarm)
    prices: KnownPrices = attrs.field(factory=KnownPrices)
    money: MoneyHistory = attrs.field(factory=MoneyHistory)

    @classmethod
    def of(cls, id_: UUID, snapshot: Callable[[], Snapshot], clock: Clock) -> "ConsoleState":
        """Return a new, empty state. ``id_`` identifies this gateway among the others."""
        gateways, lag = Gateways(id_, clock), LagHistory(clock)
        return cls(ActorHistory(snapshot, clock), gateways, lag, SetupOffer(clock))
