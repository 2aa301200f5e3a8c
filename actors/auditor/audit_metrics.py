"""Metrics of audits."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from prometheus_client import Gauge

FINDINGS: Final = Gauge(
    "rendertrust_audit_findings", "Known violations, by invariant.", ["invariant"]
)
LAST: Final = Gauge(
    "rendertrust_audit_last_timestamp_seconds",
    "When the last complete audit of an invariant began, in seconds since 1970.",
    ["invariant", "run"],
)
SECONDS: Final = Gauge("rendertrust_audit_seconds", "How long the last audit took.", ["run"])


def forget() -> None:
    """Remove the figures when another gateway takes over, so that stale values raise no alarm."""
    for figure in (FINDINGS, LAST, SECONDS):
        figure.clear()


def audited(run: str, invariants: Iterable[str], at: datetime, seconds: float) -> None:
    """Record a finished run: of new rows (``since``) or of everything (``whole``)."""
    for invariant in invariants:
        LAST.labels(invariant, run).set(at.timestamp())
    SECONDS.labels(run).set(seconds)
