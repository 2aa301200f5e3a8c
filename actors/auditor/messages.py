"""Messages of the Auditor."""

from datetime import datetime
from typing import Final

import attrs

from actors.kernel import Fatal, Message
from sql.fsck import Finding as Finding  # noqa: PLC0414 - part of what this module offers

BROKEN_EXIT_CODE: Final = 3  # a restart cannot repair the books


class Auditor:
    """Marker type for the address of the auditor actor."""


class BooksBroken(Fatal):
    """The books are inconsistent; nothing more may be posted."""

    exit_code = BROKEN_EXIT_CODE


@attrs.frozen
class Audit:
    """Known violations, and when the books were last audited.

    ``at``: the last audit of any kind. ``whole``: the last audit of everything.
    """

    at: datetime
    findings: tuple[Finding, ...]
    whole: datetime | None = None


@attrs.frozen
class RunAudit(Message[Auditor, None]):
    """From the Auditor's own timer: audit new rows."""


@attrs.frozen
class LastAudit(Message[Auditor, "Audit | None"]):
    """From the web: return the result of the audits so far."""


@attrs.frozen
class Audited(Message[Auditor, None]):
    """From the NightAuditor: all violations in the books as they were at ``begun``.

    ``took``: the seconds of the audit.
    """

    begun: datetime
    findings: tuple[Finding, ...]
    took: float
