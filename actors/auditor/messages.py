"""What the Auditor is asked, and what the NightAuditor tells it."""

from datetime import datetime
from typing import Final

import attrs

from actors.kernel import Fatal, Message
from sql.fsck import Finding as Finding  # noqa: PLC0414 - part of what this module offers

BROKEN_EXIT_CODE: Final = 3  # starting again does not mend the books


class Auditor:
    """Marker: the address of the auditor actor."""


class NightAuditor:
    """Marker: the address of the one that goes over everything."""


class BooksBroken(Fatal):
    """The books say so themselves: nothing more may be posted on them."""

    exit_code = BROKEN_EXIT_CODE


@attrs.frozen
class Audit:
    """What is known to be wrong with the books, and when they were looked at last.

    ``at`` is of what was new then, or of everything; ``whole`` is of everything.
    """

    at: datetime
    findings: tuple[Finding, ...]
    whole: datetime | None = None


@attrs.frozen
class RunAudit(Message[Auditor, None]):
    """The Auditor's own timer."""


@attrs.frozen
class LastAudit(Message[Auditor, "Audit | None"]):
    """From the web: what the audits so far say."""


@attrs.frozen
class Audited(Message[Auditor, None]):
    """From the NightAuditor: all that is wrong with the books, as they were at ``begun``."""

    begun: datetime
    findings: tuple[Finding, ...]


@attrs.frozen
class RunWhole(Message[NightAuditor, None]):
    """From an Auditor that begins: what was written before its first mark is yet to be seen.

    From the web, too: an admin wants to know now.
    """


@attrs.frozen
class LookAtClock(Message[NightAuditor, None]):
    """The NightAuditor's own timer."""
