"""What the Verifier is made with: how often and how long it looks, and whom it talks to."""

from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.ledger.messages import Ledger
from actors.node_session.messages import RunCheck
from actors.notifier.messages import Notifier
from actors.ports import Clock, Objects, Random, ReceiptSigner, Store
from actors.scheduler.messages import Scheduler
from actors.verifier.verdict import DEFAULTS, Thresholds


@attrs.frozen
class VerifierSettings:
    """``enabled`` False: nothing is delivered to wait any more, and what waits yet is `unchecked`.

    ``least_odds``: of so many results of whoever is known one is checked at least. ``own``: the
    gateway's own verifier nodes. ``pays_unverifiable``: the share of what nobody could check.
    ``check_percent``: of a unit's price, what each check by another's node is paid.
    ``own_odds``: of what strangers could check, so many are checked by the gateway's own.
    ``trial_odds``: of so many checks by a verifier one has an answer that is known (``trials.py``).
    """

    enabled: bool = True
    least_odds: float = 0.05
    wait_seconds: float = 3600.0  # then it is unverifiable
    check_seconds: float = 900.0  # of one check; then another is asked
    whole_seconds: float = 900.0  # of a whole frame; then what its crops show is doubtful
    again_seconds: float = 120.0  # then who came to nothing may be asked again, if nobody else is
    grace_seconds: float = 35.0  # after a start, for the gateway's own to come back
    look_seconds: float = 1.0
    answer_seconds: float = 10.0  # for the Ledger's answer; then it is asked again
    at_once: int = 256
    claim_seconds: float = 30.0  # then another gateway may have what this one was checking
    pays_unverifiable: bool = True
    check_percent: int = 5
    own_odds: float = 0.2
    trial_odds: float = 0.05
    own: frozenset[UUID] = frozenset()
    thresholds: Thresholds = DEFAULTS

    def seconds_of(self, order: RunCheck) -> float:
        """How long it may take, beside the time that the unit took its node."""
        return self.whole_seconds if order.whole else self.check_seconds


@attrs.frozen
class Peers:
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
