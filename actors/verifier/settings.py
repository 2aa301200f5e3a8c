"""What the Verifier is made with: how often and how long it looks, and whom it talks to."""

from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.ledger.messages import Ledger
from actors.notifier.messages import Notifier
from actors.ports import Clock, Objects, Random, ReceiptSigner, Store
from actors.scheduler.messages import Scheduler
from actors.verifier.case import Case
from actors.verifier.verdict import DEFAULTS, Thresholds
from rendertrust.receipt import OFF


@attrs.frozen
class VerifierSettings:
    """``enabled`` False: what waits is settled as ``unverified``. ``own``: the gateway's verifiers.

    ``unverified_why``: the reason for that, a code of receipts. ``require_evidence`` False: a
    frame without evidence is ``unverified``, not ``invalid``. ``pays_unverified``: whether nodes
    are paid for what is ``unverified``. ``least_odds``: of so many results of a node that is known
    one is compared at least.
    """

    enabled: bool = True
    unverified_why: str = OFF
    require_evidence: bool = True
    pays_unverified: bool = True
    least_odds: float = 0.05
    wait_seconds: float = 300.0  # for a verifier that has its build; then it is unverifiable
    check_seconds: float = 900.0  # of one check, beside the time that its unit took
    again_seconds: float = 30.0  # after a check that came to nothing
    failures_most: int = 3  # such checks; then nobody can tell
    look_seconds: float = 1.0
    answer_seconds: float = 10.0  # for the Ledger's answer; then it is asked again
    at_once: int = 256
    claim_seconds: float = 30.0  # then another gateway may have what this one was checking
    own: frozenset[UUID] = frozenset()
    thresholds: Thresholds = DEFAULTS

    def seconds_of(self, case: Case) -> float:
        """Return how long its next check may take: what is long to render is long to check."""
        return self.check_seconds + min(case.pending.took, TOOK_MOST)


TOOK_MOST = 3600.0  # a node alone says how long it took


@attrs.frozen
class VerifierPeers:
    """Whom it talks to. ``signer`` None: no receipts are given. ``gateway`` names this one to the
    others.
    """

    ledger: Ref[Ledger]
    scheduler: Ref[Scheduler]
    notifier: Ref[Notifier]
    store: Store
    objects: Objects
    clock: Clock
    random: Random
    gateway: UUID
    signer: ReceiptSigner | None = None
