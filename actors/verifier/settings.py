"""Settings and peers of the Verifier."""

from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.ledger.messages import Ledger
from actors.notifier.messages import Notifier
from actors.ports import Clock, Objects, Random, ReceiptSigner, Store
from actors.scheduler.messages import Scheduler
from actors.verifier.case import Case
from actors.verifier.thresholds import DEFAULTS, Thresholds
from rendertrust.receipt import OFF


@attrs.frozen
class VerifierSettings:
    """Settings of the Verifier.

    ``enabled`` False: pending results become ``unverified``, for ``unverified_why``, a code of
    receipts. ``require_evidence`` False: a frame without evidence is ``unverified``, not
    ``invalid``. ``pays_unverified``: nodes are paid for ``unverified`` results. ``least_odds``: the
    least probability that a result of a known node is compared. ``own``: the gateway's verifiers.
    """

    enabled: bool = True
    unverified_why: str = OFF
    require_evidence: bool = True
    pays_unverified: bool = True
    least_odds: float = 0.05
    wait_seconds: float = 300.0  # for a verifier with its build; then it is unverifiable
    check_seconds: float = 900.0  # of one check, in addition to the time that its unit took
    again_seconds: float = 30.0  # after a failed check
    failures_most: int = 3  # failed checks, after which it is unverifiable
    look_seconds: float = 1.0
    answer_seconds: float = 10.0  # for the Ledger's answer; then it is asked again
    at_once: int = 256
    claim_seconds: float = 30.0  # then another gateway may take over a check
    own: frozenset[UUID] = frozenset()
    thresholds: Thresholds = DEFAULTS

    def seconds_of(self, case: Case) -> float:
        """Return the time limit of the next check: a slow render is slow to check."""
        return self.check_seconds + min(case.pending.took, TOOK_MOST)


TOOK_MOST = 3600.0  # the figure is only the node's claim


@attrs.frozen
class VerifierPeers:
    """The Verifier's peers. ``signer`` None: no receipts. ``gateway``: this gateway's id."""

    ledger: Ref[Ledger]
    scheduler: Ref[Scheduler]
    notifier: Ref[Notifier]
    store: Store
    objects: Objects
    clock: Clock
    random: Random
    gateway: UUID
    signer: ReceiptSigner | None = None
