"""What metrics tell of audits."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from prometheus_client import Gauge

FINDINGS: Final = Gauge(
    "rendertrust_audit_findings", "Violations that are known, by invariant.", ["invariant"]
)
LAST: Final = Gauge(
    "rendertrust_audit_last_timestamp_seconds",
    "When the last complete audit of an invariant began, in seconds since 1970.",
    ["invariant", "run"],
)
SECONDS: Final = Gauge("rendertrust_audit_seconds", "How long the last audit took.", ["run"])


def forget() -> None:
    """Another gateway audits from now on: what stands still here would alarm people."""
    for figure in (FINDINGS, LAST, SECONDS):
        figure.clear()


def audited(run: str, invariants: Iterable[str], at: datetime, seconds: float) -> None:
    """One run is over: of what is new (``since``), or of everything (``whole``)."""
    for invariant in invariants:
        LAST.labels(invariant, run).set(at.timestamp())
    SECONDS.labels(run).set(seconds)
