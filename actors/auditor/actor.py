"""The auditor actor: goes over the books again and again."""

import logging
import math
from typing import Final

from actors.auditor.messages import Audit, Auditor, LastAudit, RunAudit
from actors.kernel import Actor, Fatal, handles
from actors.ports import Clock, Store
from sql.database import Conflict, Unavailable
from sql.fsck import BOOKS_BROKEN

EVERY_SECONDS: Final = 60.0
WHOLE_SECONDS: Final = 86_400.0
SHOWN_MAX: Final = 20  # findings in the log of one run
log = logging.getLogger("auditor")


class AuditorActor(Actor[Auditor]):
    """Runs every invariant each minute. One that says the books are wrong stops the process.

    The log is gone on with where the last run ended, and once a day from its beginning.
    """

    def __init__(self, store: Store, clock: Clock, *, every: float = EVERY_SECONDS) -> None:
        self._store = store
        self._clock = clock
        self._every = every
        self._last: Audit | None = None
        self._whole_at = -math.inf

    async def started(self) -> None:
        self.after(self._every, RunAudit(), jitter=0.1)

    @handles(RunAudit)
    async def run(self, _: RunAudit) -> None:
        now = self._clock.monotonic()
        whole = now - self._whole_at >= WHOLE_SECONDS
        try:
            findings = tuple(await self._store.audit(whole=whole))
        except (Unavailable, Conflict) as error:
            log.warning("the books were not audited: %s", error)
        else:
            self._whole_at = now if whole else self._whole_at
            self._last = Audit(self._clock.now(), findings)
            for finding in findings[:SHOWN_MAX]:
                log.error("%s %s: %s", finding.invariant, finding.subject, finding.found)
            broken = sorted({f.invariant for f in findings} & BOOKS_BROKEN)
            if broken:
                raise Fatal(f"the books are broken: {', '.join(broken)}; run fsck")
        self.after(self._every, RunAudit(), jitter=0.1)

    @handles(LastAudit)
    async def last(self, _: LastAudit) -> Audit | None:
        return self._last
