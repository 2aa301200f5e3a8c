"""What the Auditor is asked."""

from datetime import datetime

import attrs

from actors.kernel import Message
from sql.fsck import Finding as Finding  # noqa: PLC0414 - part of what this module offers


class Auditor:
    """Marker: the address of the auditor actor."""


@attrs.frozen
class Audit:
    """What one run over the books found, and when."""

    at: datetime
    findings: tuple[Finding, ...]


@attrs.frozen
class RunAudit(Message[Auditor, None]):
    """The Auditor's own timer."""


@attrs.frozen
class LastAudit(Message[Auditor, "Audit | None"]):
    """From the web: the newest audit."""
