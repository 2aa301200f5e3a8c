"""Is the ledger sound? What the audits say, each invariant in words, with the time of its check."""

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
    "I1": "All entries sum up to 0, and those of each transfer do",
    "I2": "Each balance is the sum of its entries, what is held that of its open holds",
    "I3": "Each hold is open with live work, or was settled or released once",
    "I4": "What was completed is charged once and within its hold, what failed is not",
    "I5": "Under one reference money moved at most once",
    "I6": "What was acknowledged is there after a crash",
    "I7": "Each entry is one leaf of the log, and each leaf recomputes from its entry",
    "I8": "Each checkpoint is signed, and follows on all before it",
    "I9": "Nothing is there of attempts that were overtaken",
    "I10": "Each verified result is in the store as it was recorded",
    "I11": "Each event, refund and dispute of Stripe's counts once",
    "I12": "The chain has no other log than this",
}
# What the audits of a running gateway do not look at, or not wholly.
ELSEWHERE: Final[Mapping[str, str]] = {
    "I6": "shown by tests that kill gateways; not looked at here",
    "I10": "not looked at here",
    "I12": "by what the database knows; the Anchor asks the chain",
}
NO_CHAIN: Final = "there is none that it could be compared with"


@attrs.frozen
class InvariantRow:
    """One invariant, looked at last ``at``. ``findings`` None: this gateway never did."""

    name: str
    says: str
    findings: int | None
    at: datetime | None
    elsewhere: str = ""
    unseen: str = "not looked at"

    @property
    def state(self) -> str:
        if self.findings is None:
            return self.unseen
        return "broken" if self.findings else "holds"


@attrs.frozen
class LedgerHealth:
    """``state``: sound, broken or unknown. ``at`` and ``whole`` are when was looked."""

    state: Literal["sound", "broken", "unknown"]
    lines: Sequence[InvariantRow]
    at: datetime | None = None
    whole: datetime | None = None
    said: Sequence[str] = ()


async def soundness_of(gateway: Gateway) -> LedgerHealth:
    """As this gateway's Auditor knows it, or said last; and as the chain's halt says."""
    known = gateway.console.audit
    with suppress(AskFailed, LookupError):  # it may be at work
        known.last = await gateway.registry.ref(Auditor).ask(LastAudit(), within=ASK_SECONDS)
    return judged(known.last, await gateway.halts.now(), chain=bool(gateway.settings.chain.url))


def judged(audit: Audit | None, halt: Halt | None, *, chain: bool) -> LedgerHealth:
    """What follows from both. ``chain``: one is configured."""
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
    """Of I12 the audits find what the database knows; a halt is what the chain said.

    Without a chain nothing was compared: that holds no more than it is broken.
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
