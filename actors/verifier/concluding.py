"""What is asked of the Ledger once a case has its verdict, and what follows from its answer."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Final

from actors.kernel import handles
from actors.ledger.messages import BooksAway, Commit, Decided, Posted
from actors.notifier.messages import UnitsMoved
from actors.ports import Objects, ObjectsUnavailable
from actors.scheduler.messages import UnitsChanged
from actors.verifier.case import Case, CaseId
from actors.verifier.choice import glance
from actors.verifier.issuing import issued
from actors.verifier.losing import Losing
from actors.verifier.messages import UnitVerdict, earns
from actors.verifier.recall import Doubted, Recall, Recalled, decision_on
from actors.verifier.scenes import Scenes
from actors.verifier.second import SecondLooks
from actors.verifier.settings import Peers, VerifierSettings
from actors.verifier.warden import Warden
from sql import sampling
from sql.checks import Pending
from sql.tries import wait_seconds
from sql.work import ANY, evidence_key, result_key

STORE_SECONDS: Final = 5.0  # for the store's word on what was delivered; then it is asked again
log = logging.getLogger(__name__)


class Concluding(Losing, partial=True):
    """The last step of a case."""

    _cases: dict[CaseId, Case]
    _warden: Warden
    _recall: Recall
    _scenes: Scenes
    _second: SecondLooks

    async def _conclude(self, case: Case) -> None:
        """Ask the Ledger, once the object was looked at again; and again until it answers."""
        now = self._peers.clock.monotonic()
        if case.asked_at is not None and now - case.asked_at < self._settings.answer_seconds:
            return
        if case.verdict != "mismatch":
            try:
                async with asyncio.timeout(STORE_SECONDS):
                    same = await is_same(case, self._peers.objects)
            except (ObjectsUnavailable, TimeoutError):
                return
            if not same:
                case.swap()
        decide = decision_on if case.is_again else verdict_on
        effect = decide(case, self._peers, self._settings)
        if self._peers.ledger.tell(Commit(effects=(effect,), observer=self.ref, tag=case)):
            case.asked_at = now

    @handles(Decided)
    async def decided(self, message: Decided) -> None:
        case, outcome = message.tag, message.outcome
        if isinstance(case, Recalled):
            self._recall.hear(outcome)
            return
        if isinstance(case, Doubted):
            if isinstance(outcome, BooksAway):
                self._second.again(case.case)
            return
        assert isinstance(case, Case), "every commit of ours is about a case"
        if isinstance(outcome, BooksAway):
            case.asked_at = None
            return
        if isinstance(outcome, Posted):
            log.info("unit %s:%d:%d is %s %s", *case.id, case.verdict, case.said)
            if case.verdict == "mismatch":
                self._warden.suspect(case.pending.row.node_id)
                self._recall.again()
            elif case.verdict in ("exact", "match", "consistent"):
                self._warden.refute(*case.id[:2])
            self._make_trial(case)
        units = getattr(outcome, "units", ())
        if units:
            self._peers.scheduler.tell(UnitsChanged(units))
            self._peers.notifier.tell(UnitsMoved(units))
        if self._cases.get(case.id) is case:
            del self._cases[case.id]

    def _make_trial(self, case: Case) -> None:
        """Of a check that found all well: what the gateway's own says of it with other samples."""
        unit = sampling.unit_name(*case.id)
        is_able = case.kind == "frame" and not case.is_uncut
        if case.verdict not in ("exact", "match") or case.pool != ANY or not is_able:
            return
        able = self._checkers.able(case, self._peers.clock.monotonic(), own=True)
        chosen = glance(able, case.subject)
        if chosen is not None and self._trials.is_wanted(case.subject.device_class, unit):
            check = self._peers.random.uuid()
            self._ask(None, chosen, self._trials.begin(case.pending, check, self._scenes.of(case)))


def verdict_on(case: Case, peers: Peers, settings: VerifierSettings) -> UnitVerdict:
    """The effect: all that follows from the verdict, and whom it pays."""
    assert case.verdict is not None, "there is something to conclude"
    pending, row, now = case.pending, case.pending.row, peers.clock.now()
    # Who says of itself that it is what nobody can check is not paid until it was checked often
    # enough.
    pays = settings.pays_unverifiable and case.is_known
    price = pending.price if earns(row, case.verdict, pays=pays) else 0
    return UnitVerdict(
        job=row.job_id,
        unit=row.unit,
        attempt=row.attempt,
        verdict=case.verdict,
        said=case.said,
        verifier=case.verifier,
        operator=row.operator,
        pays=pays,
        receipt=issued(pending, case.verdict, price, peers.signer, now),
        retry_at=None if case.is_over else _retry_at(pending, now),
        withdrawn=case.withdrawn,
        checked=case.checked,
        check_percent=settings.check_percent,
    )


def _retry_at(pending: Pending, now: datetime) -> datetime | None:
    """As after any failure of a node."""
    wait = wait_seconds(
        failures=pending.failures, faults=pending.faults, tried=pending.tries, is_nodes=True
    )
    return None if wait is None else now + timedelta(seconds=wait)


async def is_same(case: Case, objects: Objects) -> bool:
    """Whether the store has just what was delivered. Raises ObjectsUnavailable.

    One that was swapped, or is gone, since it was delivered is a mismatch.
    """
    row = case.pending.row
    same = await _holds(objects, case.place(result_key), row.sha256, row.size)
    if same and row.evidence_size is not None:
        key = case.place(evidence_key)
        same = await _holds(objects, key, row.evidence_sha256, row.evidence_size)
    return same


async def _holds(objects: Objects, key: str, sha256: bytes | None, size: int | None) -> bool:
    found = await objects.head(key)
    return found is not None and found.size == size and found.sha256 in (None, sha256)
