"""The Auditor actor: checks new entries every minute and reports violations."""

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import attrs
from prometheus_client import Gauge

from actors.auditor.messages import (
    Audit,
    Audited,
    Auditor,
    BooksBroken,
    LastAudit,
    RunAudit,
)
from actors.kernel import Actor, Ref, handles
from actors.night_auditor.messages import NightAuditor, RunWhole
from actors.ports import Ports
from config.settings import DEFAULTS
from config.settings import Audit as AuditSettings
from sql.database import Conflict, Unavailable
from sql.fsck import BOOKS_BROKEN, INVARIANTS, OF_WHAT_IS_NEW, AuditMark, Finding

SHOWN_MAX: Final = 20  # findings in the log of one run
KEPT_MAX: Final = 1000  # findings that are stored for other gateways
FINDINGS: Final = Gauge(
    "rendertrust_audit_findings", "Known violations, by invariant.", ["invariant"]
)
LAST: Final = Gauge(
    "rendertrust_audit_last_timestamp_seconds",
    "When the last complete audit of an invariant began, in seconds since 1970.",
    ["invariant", "run"],
)
SECONDS: Final = Gauge("rendertrust_audit_seconds", "How long the last audit took.", ["run"])
log = logging.getLogger("auditor")


@attrs.frozen
class _Kept:
    finding: Finding
    seen: datetime


class AuditorActor(Actor[Auditor]):
    """Checks the invariants on new rows; a violation that breaks the books ends the process.

    Of several gateways only the leader audits. The other gateways read the leader's findings, and
    end, too, if a finding breaks the books.

    The position up to which rows were audited is kept in memory, so everything is audited once
    when the gateway becomes the leader. A finding is kept until a later audit of everything no
    longer finds it.
    """

    def __init__(
        self,
        ports: Ports,
        night: Ref[NightAuditor],
        settings: AuditSettings = DEFAULTS.audit,
    ) -> None:
        self._night = night
        self._leadership = ports.leadership
        self._leads = False
        self._since: datetime | None = None  # start of this actor, by the database's clock
        self._store = ports.store
        self._clock = ports.clock
        self._settings = settings
        self._mark: AuditMark | None = None  # position up to which rows were audited
        self._at: datetime | None = None  # beginning of the last audit of any kind
        self._whole: datetime | None = None  # beginning of the last audit of everything
        self._kept: dict[tuple[str, str], _Kept] = {}

    async def started(self) -> None:
        self.after(self._settings.every_seconds, RunAudit(), jitter=0.1)

    @handles(RunAudit)
    async def run(self, _: RunAudit) -> None:
        try:
            self._since = self._since or await self._store.now()
            if await self._is_leader():
                await self._audit()
            else:
                await self._read(self._since)
        except (Unavailable, Conflict) as error:
            log.warning("audit skipped: %s", error)
        self.after(self._settings.every_seconds, RunAudit(), jitter=0.1)

    async def _is_leader(self) -> bool:
        led, self._leads = self._leads, await self._leadership.leads("auditor")
        if led and not self._leads:
            self._mark, self._at, self._whole = None, None, None
            self._kept.clear()
            _forget()
        return self._leads

    async def _audit(self) -> None:
        begun, from_ = self._clock.monotonic(), self._clock.now()
        increment = await self._store.audit_since(self._mark)
        first, self._mark = self._mark is None, increment.mark
        if first:
            self._night.tell(RunWhole())
            return
        _audited("since", OF_WHAT_IS_NEW, from_, self._clock.monotonic() - begun)
        await self._take(increment.findings, from_)

    async def _read(self, since: datetime) -> None:
        """Read the leader's findings, if they are newer than ``since``. Raises BooksBroken."""
        noted = await self._store.last_audit()
        if noted is None or noted.noted_at <= since:
            return
        self._at, self._whole = noted.at, noted.whole
        self._kept = {(f.invariant, f.subject): _Kept(f, noted.at) for f in noted.findings}
        self._end_where_broken()

    @handles(Audited)
    async def take_whole(self, whole: Audited) -> None:
        for key in [key for key, kept in self._kept.items() if kept.seen < whole.begun]:
            del self._kept[key]
        self._whole = whole.begun
        _audited("whole", INVARIANTS, whole.begun, whole.took)
        await self._take(whole.findings, whole.begun)

    @handles(LastAudit)
    async def last(self, _: LastAudit) -> Audit | None:
        if self._at is None:
            return None
        found = tuple(kept.finding for kept in self._kept.values())
        return Audit(self._at, found, self._whole)

    async def _take(self, findings: Sequence[Finding], at: datetime) -> None:
        """Record findings, and log the new ones. Raises BooksBroken."""
        self._at = max(at, self._at or at)
        known = {(kept.finding.invariant, kept.finding.subject) for kept in self._kept.values()}
        fresh = [f for f in findings if (f.invariant, f.subject) not in known]
        self._kept.update({(f.invariant, f.subject): _Kept(f, at) for f in findings})
        _tell(fresh)
        names = [invariant for invariant, _ in self._kept]
        for invariant in INVARIANTS:
            FINDINGS.labels(invariant).set(names.count(invariant))
        found = sorted((kept.finding for kept in self._kept.values()), key=_worst_first)
        with suppress(Unavailable, Conflict):  # retried with the next audit
            await self._store.note_audit(self._at, self._whole, found[:KEPT_MAX])
        self._end_where_broken()

    def _end_where_broken(self) -> None:
        """Raise BooksBroken if a known finding means that the books are inconsistent."""
        names = [invariant for invariant, _ in self._kept]
        broken = sorted(BOOKS_BROKEN.intersection(names))
        if broken:
            raise BooksBroken(f"the books are broken: {', '.join(broken)}; run fsck")


def _worst_first(finding: Finding) -> bool:
    return finding.invariant not in BOOKS_BROKEN


def _tell(findings: Iterable[Finding]) -> None:
    findings = list(findings)
    for finding in findings[:SHOWN_MAX]:
        log.error("%s %s: %s", finding.invariant, finding.subject, finding.found)
    if len(findings) > SHOWN_MAX:
        log.error("%d more findings; run fsck", len(findings) - SHOWN_MAX)


def _forget() -> None:
    """Clear the audit's metrics when another gateway leads, so that stale values raise no alarm."""
    for figure in (FINDINGS, LAST, SECONDS):
        figure.clear()


def _audited(run: str, invariants: Iterable[str], at: datetime, seconds: float) -> None:
    """Set the metrics of a finished audit: of new rows (``since``) or of everything (``whole``)."""
    for invariant in invariants:
        LAST.labels(invariant, run).set(at.timestamp())
    SECONDS.labels(run).set(seconds)
