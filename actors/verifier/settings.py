"""Settings of the Verifier, and the parts of the gateway that it uses."""

from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.ledger.messages import Ledger
from actors.notifier.messages import Notifier
from actors.ports import Ports
from actors.scheduler.messages import Scheduler
from actors.verifier.case import Case
from actors.verifier.thresholds import DEFAULTS, Thresholds
from config.settings import DEFAULTS as GATEWAY_DEFAULTS
from config.settings import Verification
from rendertrust.verdict_reason import OFF, VerdictReason


@attrs.frozen
class VerifierSettings:
    """Settings of the Verifier.

    ``unverified_why`` is the code in receipts of results that become ``unverified`` because
    verification is not enabled. Unless ``require_evidence`` is True, a frame without evidence is
    ``unverified``, not ``invalid``. ``pays_unverified``: nodes are paid for ``unverified`` results.
    ``own``: the gateway's verifiers.
    """

    verification: Verification = GATEWAY_DEFAULTS.verification
    unverified_why: VerdictReason = OFF
    require_evidence: bool = True
    pays_unverified: bool = True
    first_seconds: float = 120.0  # least time limit of a first check
    # pause after a failed check; base of the growing pauses after dropped or lost ones
    again_seconds: float = 30.0
    look_seconds: float = 1.0  # interval of reviews of the pending results
    at_once: int = 256  # pending results per page
    claim_seconds: float = 30.0  # time after which another gateway may take over a check
    own: frozenset[UUID] = frozenset()
    thresholds: Thresholds = DEFAULTS

    def seconds_of(self, case: Case) -> float:
        """Return the time limit of the next check, in seconds.

        A first check may take FIRST_FACTOR times as long as its unit took, up to ``check_seconds``.
        So a scene that is too large for the verifiers does not delay other scenes for long. Later
        checks of the same result may take ``check_seconds`` and the time of the unit, which counts
        as at least the measured time that its price pays for. A check may be dropped after
        ``wait_seconds``, or for an overdue result after ``check_seconds``, if results of other
        creators wait.
        """
        took, most = case.pending.took, self.verification.check_seconds
        if case.is_last or case.step in ("more", "whole"):
            return most + min(case.pending.seconds, TOOK_MOST)
        return min(max(self.first_seconds, FIRST_FACTOR * took), most)


TOOK_MOST = 3600.0  # most seconds that a unit's time adds, as its node can prolong that time
PATIENCE_FACTOR = 12.0  # a result with a dropped or failed check is overdue after 12 * wait_seconds
FIRST_FACTOR = 10.0  # a verifier may have a tenth of a node's speed


@attrs.frozen
class VerifierPeers:
    """Parts of the gateway that the Verifier uses. ``gateway``: this gateway's id."""

    ledger: Ref[Ledger]
    scheduler: Ref[Scheduler]
    notifier: Ref[Notifier]
    ports: Ports
    gateway: UUID
