"""The NightAuditor actor: audits all rows of the books once a night, however long that takes.

It is separate from the Auditor, which continues to audit new rows at the same time.
"""

import logging
from datetime import UTC, datetime, time, timedelta

from actors.auditor.messages import Audited, Auditor
from actors.kernel import Actor, Ref, handles
from actors.night_auditor.messages import LookAtClock, NightAuditor, RunWhole
from actors.ports import Ports
from config.settings import DEFAULTS, Audit
from sql.database import Conflict, Unavailable

log = logging.getLogger("auditor")


class NightAuditorActor(Actor[NightAuditor]):
    """Runs every invariant over all rows, each night and when the Auditor asks.

    The leading gateway does the nightly audit; the others audit only on request. An audit that
    fails because the database is down is retried at the next tick.
    """

    def __init__(
        self,
        ports: Ports,
        auditor: Ref[Auditor],
        settings: Audit = DEFAULTS.audit,
    ) -> None:
        self._leadership = ports.leadership
        self._auditor = auditor
        self._store = ports.store
        self._clock = ports.clock
        self._settings = settings
        self._begun: datetime | None = None

    async def started(self) -> None:
        # The Auditor's first run requests an audit of everything, so the clock is first looked at
        # after that: otherwise there could be two such audits at the start.
        self.after(2 * self._settings.every_seconds, LookAtClock(), jitter=0.1)

    @handles(RunWhole)
    async def run(self, _: RunWhole) -> None:
        await self._run()

    @handles(LookAtClock)
    async def look(self, _: LookAtClock) -> None:
        if is_due(self._clock.now(), self._begun, self._settings.time()) and await self._leads():
            await self._run()
        self.after(self._settings.every_seconds, LookAtClock(), jitter=0.1)

    async def _leads(self) -> bool:
        try:
            return await self._leadership.leads("auditor")
        except Unavailable as error:
            log.warning("the audit of everything is postponed: %s", error)
            return False

    async def _run(self) -> None:
        begun, from_ = self._clock.monotonic(), self._clock.now()
        self._begun = None
        try:
            findings = await self._store.audit()
        except (Unavailable, Conflict) as error:
            log.warning("the audit of everything failed: %s", error)
            return
        self._begun = from_
        self._auditor.tell(Audited(from_, tuple(findings), self._clock.monotonic() - begun))


def is_due(now: datetime, last: datetime | None, night: time) -> bool:
    """Return True if the time of day ``night`` has passed since the last audit of everything
    began.
    """
    if last is None:
        return True
    today = datetime.combine(now.astimezone(UTC).date(), night, UTC)
    newest = today if today <= now else today - timedelta(days=1)
    return last < newest
