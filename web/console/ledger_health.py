"""State of the ledger: the audits' findings by invariant, and when each invariant was last
checked.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, Literal

import attrs

from actors.auditor.messages import Audit, Auditor, LastAudit
from actors.kernel import AskFailed
from sql.fsck import INVARIANTS, OF_WHAT_IS_NEW
from sql.halts import Halt
from web.gateway import Gateway

ASK_SECONDS: Final = 0.5
ALL: Final[Mapping[str, str]] = {
    "I1": "Each transfer moves its amount from one account that exists to another",
    "I2": "Each balance is the sum of its entries; each held amount is the sum of its open holds",
    "I3": "Each hold is open with an open unit, or was settled or released once",
    "I4": "Each completed unit is charged once and within its hold; failed ones are not charged",
    "I5": "Each reference moved money at most once",
    "I6": "Everything acknowledged exists after a crash",
    "I7": "Each transfer is one leaf of the log, and each leaf can be recomputed from its transfer",
    "I8": "Each checkpoint is signed and consistent with all earlier ones",
    "I9": "Nothing is left of superseded attempts",
    "I10": "Each verified result is stored as recorded",
    "I11": "Each Stripe event, refund and dispute counts once",
    "I12": "The chain and this log agree",
}
# Invariants that the audits of a running gateway check only in part or not at all.
ELSEWHERE: Final[Mapping[str, str]] = {
    "I6": "shown by tests that kill gateways; not checked here",
    "I10": "not checked here",
    "I12": "from the database; the Anchor asks the chain",
}
NO_CHAIN: Final = "there is no chain to compare with"


@attrs.frozen
class InvariantRow:
    """An invariant, last checked ``at``. ``findings`` None: this gateway never checked the
    invariant.
    """

    name: str
    says: str
    findings: int | None
    at: datetime | None
    elsewhere: str = ""
    unseen: str = "not checked"

    @property
    def state(self) -> str:
        if self.findings is None:
            return self.unseen
        return "broken" if self.findings else "holds"


@attrs.frozen
class LedgerHealth:
    """The overall state: sound, broken or unknown.

    ``at`` and ``whole`` are the times of the last audit of any kind and of the last audit of
    everything.
    """

    state: Literal["sound", "broken", "unknown"]
    lines: Sequence[InvariantRow]
    at: datetime | None = None
    whole: datetime | None = None
    said: Sequence[str] = ()


async def soundness_of(gateway: Gateway) -> LedgerHealth:
    """Return the state, from the Auditor or its last report, and from the chain's halt."""
    known = gateway.console.audit
    with suppress(AskFailed, LookupError):  # the Auditor may be busy with an audit
        known.last = await gateway.registry.ref(Auditor).ask(LastAudit(), within=ASK_SECONDS)
    return judged(known.last, await gateway.halts.now(), chain=bool(gateway.settings.chain.url))


def judged(audit: Audit | None, halt: Halt | None, *, chain: bool) -> LedgerHealth:
    """Return the state that follows from audit and halt. ``chain``: a chain is configured."""
    halted = [] if halt is None else [halt.text]
    lines = [_line(name, audit, halt, chain=chain) for name in ALL]
    if audit is None:
        return LedgerHealth("broken" if halted else "unknown", lines, said=halted)
    said = [f"{each.invariant} {each.subject}: {each.found}" for each in audit.findings]
    if said or halted:
        return LedgerHealth("broken", lines, audit.at, audit.whole, [*halted, *said])
    state: Literal["sound", "unknown"] = "unknown" if audit.whole is None else "sound"
    return LedgerHealth(state, lines, audit.at, audit.whole)


def _line(name: str, audit: Audit | None, halt: Halt | None, *, chain: bool) -> InvariantRow:
    """Return an invariant's row.

    For I12 the audits check the database, and a halt is the result of comparing the database with
    the chain. Without a chain nothing was compared, so the result is neither good nor bad.
    """
    elsewhere = ELSEWHERE.get(name, "")
    names = [] if audit is None else [finding.invariant for finding in audit.findings]
    if name == "I12" and halt is not None:
        return InvariantRow(name, ALL[name], names.count(name) + 1, halt.found_at, elsewhere)
    if name == "I12" and not chain and name not in names:
        return InvariantRow(name, ALL[name], None, None, NO_CHAIN, "no chain")
    at = None if audit is None else audit.at if name in OF_WHAT_IS_NEW else audit.whole
    if at is None or name not in INVARIANTS:
        return InvariantRow(name, ALL[name], None, None, elsewhere)
    return InvariantRow(name, ALL[name], names.count(name), at, elsewhere)
