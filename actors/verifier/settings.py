"""Settings of the Verifier, and the parts of the gateway that it uses."""

from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.ledger.messages import Ledger
from actors.notifier.messages import Notifier
from actors.ports import Clock, Objects, Random, ReceiptSigner, Store
from actors.scheduler.messages import Scheduler
from actors.verifier.case import Case
from actors.verifier.thresholds import DEFAULTS, Thresholds
from config.settings import DEFAULTS as GATEWAY_DEFAULTS
from config.settings import Verification
from rendertrust.receipt import OFF


@attrs.frozen
class VerifierSettings:
    """Settings of the Verifier.

    ``unverified_why`` is the code in receipts of results that become ``unverified`` because
    verification is not enabled. ``require_evidence`` False: a frame without evidence is
    ``unverified``, not ``invalid``. ``pays_unverified``: nodes are paid for ``unverified`` results.
    ``own``: the gateway's verifiers.
    """

    verification: Verification = GATEWAY_DEFAULTS.verification
    unverified_why: str = OFF
    require_evidence: bool = True
    pays_unverified: bool = True
    first_seconds: float = 120.0  # least time of a first check
    again_seconds: float = 30.0  # pause after a failed check
    failures_most: int = 3  # failed checks after which a result is unverifiable
    look_seconds: float = 1.0
    answer_seconds: float = 10.0  # for the Ledger's answer, which is then requested again
    at_once: int = 256
    claim_seconds: float = 30.0  # afterwards another gateway may take over a check
    own: frozenset[UUID] = frozenset()
    thresholds: Thresholds = DEFAULTS

    def seconds_of(self, case: Case) -> float:
        """Return the time limit of the next check: a slow render is slow to check.

        A first check has FIRST_FACTOR times the time of its unit, up to ``check_seconds``, so that
        a scene that is too large for the verifiers does not delay others for long. It is repeated
        with more time. Whatever its limit, a check gives way to others after ``wait_seconds``;
        that of an overdue result only after ``check_seconds``.
        """
        took, most = case.pending.took, self.verification.check_seconds
        if case.is_last or case.step in ("more", "whole"):
            return most + min(took, TOOK_MOST)
        return min(max(self.first_seconds, FIRST_FACTOR * took), most)


TOOK_MOST = 3600.0  # limit, as the figure is only the node's claim
PATIENCE_FACTOR = 12.0  # a result whose checks gave way is overdue after 12 * wait_seconds
FIRST_FACTOR = 10.0  # a verifier may have a tenth of a node's speed


@attrs.frozen
class VerifierPeers:
    """Parts of the gateway that the Verifier uses.

    ``signer`` None: no receipts. ``gateway``: this gateway's id.
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
