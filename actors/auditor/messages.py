"""What the Auditor is asked."""

from datetime import datetime

import attrs

from actors.kernel import Message


class Auditor:
    """Marker: the address of the auditor actor."""


@attrs.frozen
class Finding:
    """One violation of an invariant: where, and what was found."""

    invariant: str  # 'I1' …
    subject: str
    found: str


@attrs.frozen
class Audit:
    """What one run over the books found, and when."""

    at: datetime
    findings: tuple[Finding, ...]


@attrs.frozen
class RunAudit(Message[Auditor, None]):
    """A timer."""


@attrs.frozen
class LastAudit(Message[Auditor, "Audit | None"]):
    """From the web: the newest audit."""
