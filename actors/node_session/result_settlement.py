"""Settlement of results: turns a node's result into the effect that the Ledger commits.

A completed result is first inspected in the object store, and judged. The session repeats its
request to the Ledger until the Ledger has decided it, and only then acknowledges the result.
"""

import logging
from collections.abc import Callable
from typing import Final
from uuid import UUID

import attrs
from prometheus_client import Counter

from actors.ledger.effects import UnitComplete, UnitDeliver, UnitRequeue
from actors.ledger.messages import Outcome, units_of
from actors.node_session import result_validation, unit_failures
from actors.node_session.ledger_requests import UnitCommits
from actors.node_session.messages import AlternativesFound, ResultInspected
from actors.node_session.result_objects import Found, PartsLost, ResultObjects
from actors.node_session.result_validation import (
    DeliveredEvidence,
    ForeignObject,
    InspectedResult,
    OwnObject,
    ResultRefused,
    SignedWork,
)
from actors.node_session.sampling import Sampling
from actors.node_session.session_state import ActorContext, HeldUnit, SessionState
from actors.node_session.unit_failures import OPENGL, SCENE, Failure
from actors.node_session.unit_reports import UnitReports
from actors.ports import ObjectsUnavailable, ReceiptSigner
from actors.scheduler.messages import Assignment
from rendertrust.protocol import JobResult
from rendertrust.receipt import IssuedReceipt, canonical
from rendertrust.unit_error_code import GIVEN_BACK, REPORTED
from sql.database import Conflict, Unavailable
from sql.unit_retry_policy import HELD_NODES
from sql.units import unit_kind

log = logging.getLogger("node-session")
UNSENDABLE: Final = Counter(
    "rendertrust_units_unsendable",
    "Failed tries to send a unit that could not be sent to three or more nodes.",
)
HELD: Final = Counter(
    "rendertrust_units_held",
    "Attempts at units that three or more nodes lost or could not do.",
)
# Failure class with which a node returns a unit: it drains, stops, or cannot reach the gateway.
DECLINES: Final = "network"


class ResultSettlement:
    """Settles the results of a session's units.

    ``objects_of`` returns the stored objects of a unit's result. ``sampling`` decides which
    deliveries are compared.
    """

    def __init__(
        self,
        state: SessionState,
        commits: UnitCommits,
        reports: UnitReports,
        objects_of: Callable[[Assignment], ResultObjects],
        actor: ActorContext,
        *,
        sampling: Sampling,
        signer: ReceiptSigner,
    ) -> None:
        self._state = state
        self._commits = commits
        self._reports = reports
        self._objects_of = objects_of
        self._actor = actor
        self._sampling = sampling
        self._signer = signer

    async def settle(self, held: HeldUnit) -> None:
        """Ask the Ledger to end a unit.

        If the effect that ends the unit is not decided yet, it follows from the unit's result.
        """
        result = held.result
        if held.doubted is not None:
            self._commits.find_alternatives(held)
        elif held.effect is not None:
            self._commits.end(held, held.effect)
        else:
            assert result is not None, "a unit ends with a result or an effect"
            if result.status == "failed":
                await self._settle_failed(held, result)
            else:
                await self._settle_completed(held, result)

    async def alternatives_found(self, held: HeldUnit, others: AlternativesFound) -> None:
        """Settle a failure, now that the Scheduler has described the other nodes (``others``) that
        could do the unit.
        """
        if held.effect is not None:
            return
        if held.doubted is not None:
            self._commits.fail_doubted(held, others)
            return
        if held.result is None:
            return
        await self._reports.keep_log(held)
        unit, result, state = held.assignment, held.result, self._state
        if result.lacks is None or not self._is_missing(result):
            self._fail_as_reported(held, result, confirmed=not others.is_other, others=others)
            return
        error = result.error or "the node cannot do this unit"
        effect = unit_failures.incapable(
            unit,
            state.node.id,
            unit_failures.MissingCapability(result.lacks, state.given(unit, result.lacks), error),
            others,
            is_trusted=not state.is_outsider(unit),
            now=state.clock.now(),
        )
        held.is_stuck = unit_failures.is_stuck(unit, state.node.id, others)
        self._commits.end(held, effect)

    async def inspected(self, held: HeldUnit, result: JobResult, found: Found | None) -> None:
        """Judge the result's stored objects; ``found`` is None if the store is unavailable or
        slow.
        """
        held.is_inspected = False
        if found is None:
            self._commits.retry(held)
        elif isinstance(found, PartsLost):
            error = "uploaded parts of the result are no longer in the object store"
            self._commits.fail(held, Failure("network", error, "parts_gone"))
        elif isinstance(found, ResultRefused):
            self._refuse(held, found)
        else:
            named = result_validation.checked(result, found.found, self._state.settings)
            await self._judge(held, result, named, found)

    # -- failed

    async def _settle_failed(self, held: HeldUnit, result: JobResult) -> None:
        is_doubtful = result.failure == SCENE and self._state.is_outsider(held.assignment)
        if is_doubtful or self._is_missing(result):
            self._commits.find_alternatives(held)
            return
        if result.failure == DECLINES:
            self._commits.decline()
        await self._reports.keep_log(held)
        self._fail_as_reported(held, result, confirmed=True)

    def _fail_as_reported(
        self,
        held: HeldUnit,
        result: JobResult,
        *,
        confirmed: bool,
        others: AlternativesFound | None = None,
    ) -> None:
        """Fail the attempt with the error that the node reported.

        ``confirmed``: a failure that the scene caused ends the unit. ``confirmed`` is False for an
        outside node's report as long as a node of another owner could try the unit.
        """
        # A node that declines a unit before it began the unit has returned it.
        is_returned = result.failure == DECLINES and (
            result.given_back is True or held.begun_at is None
        )
        failure = Failure(
            result.failure or "node",
            result.error or "the node reported a failure without a reason",
            GIVEN_BACK if is_returned else REPORTED,
            returned=is_returned,
            confirmed=confirmed,
            accused=self._state.class_for(held.assignment) if result.failure == SCENE else None,
        )
        self._commits.fail(held, failure, others=others)

    def _is_missing(self, result: JobResult) -> bool:
        """Return whether the failure is due to a capability that the node lacks.

        False if the node's hello claimed that capability.
        """
        hello = self._state.hello
        has_opengl = hello is not None and hello.opengl is True
        return result.lacks is not None and not (result.lacks == OPENGL and has_opengl)

    def _refuse(self, held: HeldUnit, refused: ResultRefused) -> None:
        """Fail the attempt as its node's failure; a lie also counts against the node's record."""
        caught = self._state.class_for(held.assignment) if refused.is_lie else None
        self._commits.fail(held, Failure("node", refused.error, caught=caught))

    # -- completed

    async def _settle_completed(self, held: HeldUnit, result: JobResult) -> None:
        named = result_validation.named(result.result_ref, held.assignment, self._state.settings)
        if isinstance(named, OwnObject):
            self._inspect(held, result)
        else:
            await self._judge(held, result, named, InspectedResult(None))

    def _inspect(self, held: HeldUnit, result: JobResult) -> None:
        """Inspect a result in the background, so that the session does not wait for the store."""
        if held.is_inspected:
            return
        held.is_inspected = True
        unit, settings = held.assignment, self._state.settings
        objects = self._objects_of(unit)
        is_checked = result_validation.is_checked(unit, settings)
        waits = result_validation.waits(unit, settings) and not result_validation.is_uncheckable(
            result, settings
        )

        async def inspect() -> ResultInspected:
            try:
                found = await objects.inspect(result, is_checked=is_checked, waits=waits)
            except (ObjectsUnavailable, Unavailable, Conflict):
                found = None
            return ResultInspected(*held.id, found)

        otherwise = ResultInspected(*held.id)
        self._actor.background(inspect, within=settings.look_seconds, otherwise=otherwise)

    async def _judge(
        self,
        held: HeldUnit,
        result: JobResult,
        named: result_validation.Named,
        seen: InspectedResult,
    ) -> None:
        """Commit a completed result, or refuse it.

        A result that waits for a verdict is committed as a delivery, and charged after the verdict.
        """
        unit, node, settings = held.assignment, self._state.node, self._state.settings
        is_uncheckable = result_validation.is_uncheckable(result, settings)
        is_uncheckable = is_uncheckable or result_validation.is_uncheckable_elsewhere(
            named, settings
        )
        waits = result_validation.waits(unit, settings) and not is_uncheckable
        if waits and isinstance(named, ForeignObject):
            words = "a result that waits for a verdict must be uploaded to the offered URL"
            named = ResultRefused(words)
        if isinstance(named, ResultRefused):
            self._refuse(held, named)
            return
        now = self._state.clock.now()
        device_class = self._state.class_for(unit, result_validation.signed_build(result))
        work = result_validation.read_signed_work(
            result, unit, node, seen, now, device_class=device_class
        )
        if work is None and node.key is not None and waits:
            words = "a result that waits for a verdict must be signed with its node's key"
            work = ResultRefused(words)
        if isinstance(work, ResultRefused):
            self._refuse(held, work)
            return
        effect = result_validation.completion(
            unit, node, settings, named=named, found=seen.found, said=result.sha256
        )
        if not self._state.is_outsider(unit):  # others could keep the job from all smaller cards
            effect = attrs.evolve(effect, vram_used=result.vram or 0)
        if not (waits or settings.pays_unverified):
            effect = attrs.evolve(effect, verified=False, operator=None)
        if isinstance(named, OwnObject) and waits:
            made = self._delivery(effect, work, seen.proof, device_class)
            await self._deliver(held, made)
        else:
            receipt = self._receipt(unit, work)
            self._commits.end(held, attrs.evolve(effect, receipt=receipt))

    async def _deliver(self, held: HeldUnit, delivery: UnitDeliver) -> None:
        """Commit the delivery, with the random number that decides whether it is compared."""
        unit = held.assignment
        kind = unit_kind(unit.job_type, unit.params)
        try:
            number, odds = await self._sampling.draw(delivery, unit.price, kind)
        except (Unavailable, Conflict):
            self._commits.retry(held)
            return
        self._commits.end(held, attrs.evolve(delivery, draw=number, odds=odds))

    def _delivery(
        self,
        made: UnitComplete,
        work: SignedWork | None,
        proof: DeliveredEvidence | None,
        device_class: str,
    ) -> UnitDeliver:
        """Return the effect of a result that waits for its verdict, instead of being settled."""
        return UnitDeliver(
            made,
            device_class,
            work=None if work is None else canonical(work.work.document).decode(),
            node_signature=None if work is None else work.signature,
            evidence_sha256=None if proof is None else proof.sha256,
            evidence_size=None if proof is None else proof.size,
            vram_used=made.vram_used,
        )

    def _receipt(self, unit: Assignment, work: SignedWork | None) -> IssuedReceipt | None:
        if work is None:
            return None
        key, now = self._signer.receipts(), self._state.clock.now()
        reason = result_validation.why_unverified(unit, self._state.settings)
        return result_validation.unverified_receipt(work, unit.price, reason, key, now)


def alert_admins(held: HeldUnit, node: UUID, outcome: Outcome) -> None:
    """Count and log a unit that waits because several nodes lost it, cannot do it, or could not
    receive it.
    """
    unit, effect = held.assignment, held.effect
    if held.is_stuck:
        HELD.inc()
        text = "unit %s of job %s waits: %d nodes lost it or lack what it needs"
        log.error(text, unit.number, unit.job, len(unit.avoid | {node}))
    if not isinstance(effect, UnitRequeue) or effect.unsendable_to is None:
        return
    for changed in units_of(outcome):
        if changed.unsendable_to >= HELD_NODES:
            UNSENDABLE.inc()
            text = "unit %s of job %s waits: it could not be sent to %d nodes"
            log.error(text, changed.unit, changed.job, changed.unsendable_to)
