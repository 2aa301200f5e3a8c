"""How what a node says gets into the books: results, leases, and the Ledger's answers."""

import logging
from typing import Any, Final

import attrs
from prometheus_client import Counter

from actors.kernel import handles
from actors.ledger.messages import (
    Decided,
    GuardFailed,
    HoldClosed,
    IssuedReceipt,
    Posted,
    RenewLeases,
    Replayed,
    UnitComplete,
    UnitFail,
    UnitRequeue,
)
from actors.node_session import (
    dispatch_frames,
    leases,
    result_inspection,
    results,
    signed_work,
    unit_failures,
)
from actors.node_session.held_units import HeldUnit, Phase
from actors.node_session.messages import (
    AlternativesFound,
    PartsInspected,
    RenewDue,
    ResultInspected,
    TryAgain,
)
from actors.node_session.multipart_results import EVIDENCE, MultipartResult, PartsLost, is_bounded
from actors.node_session.progress_watchdog import ProgressWatchdog
from actors.node_session.result_inspection import InspectedResult
from actors.node_session.session_state import PendingCommit
from actors.node_session.unit_failures import OPENGL, SCENE
from actors.notifier.messages import UnitsMoved
from actors.ports import ObjectsUnavailable
from actors.scheduler.messages import Assignment, NodeDeclined, UnitsChanged
from actors.verifier.messages import LieDetected, UnitDeliver
from rendertrust.protocol import JobResult, PartsWanted, Urls
from rendertrust.receipt import canonical
from sql.database import Unavailable
from sql.retry_policy import HELD_NODES

log = logging.getLogger("node-session")
FINAL = (Posted, Replayed, GuardFailed, HoldClosed)  # anything else is to be asked again
UNSENDABLE: Final = Counter(
    "rendertrust_units_unsendable",
    "Tries to send a unit that could not be sent to three nodes or more.",
)
HELD: Final = Counter(
    "rendertrust_units_held",
    "Attempts that three nodes or more lost, or that were beyond all of them.",
)
# With this a node says that it cannot take any unit now: it drains, stops, or has no way to us.
DECLINES = "network"


class ResultSettlement(ProgressWatchdog, partial=True):
    """Asks for the effect of a result until the Ledger has decided; only then acknowledges it."""

    async def _finish(self, held: HeldUnit) -> None:
        """Turn a result into an effect, once the object was looked at, and ask for it."""
        result = held.result
        if held.doubted is not None:
            self._ask_elsewhere(held)
        elif held.effect is not None or result is None:
            assert held.effect is not None, "a unit ends by a result or by an effect"
            self._end(held, held.effect)
        elif result.status == "failed":
            await self._finish_failed(held, result)
        else:
            await self._complete(held, result)

    async def _finish_failed(self, held: HeldUnit, result: JobResult) -> None:
        is_word = result.failure == SCENE and self._is_strangers(held.assignment)
        if is_word or self._is_beyond_it(result):
            self._ask_elsewhere(held)
            return
        if result.failure == DECLINES:
            self._peers.scheduler.tell(NodeDeclined(self._node.id, self.ref))
        await self._keep_said(held)
        self._fail_as_said(held, result, confirmed=True)

    def _fail_as_said(
        self,
        held: HeldUnit,
        result: JobResult,
        *,
        confirmed: bool,
        others: AlternativesFound | None = None,
    ) -> None:
        """``confirmed``: that the scene is at fault ends the unit. A stranger's word does not, as
        long as another owner's node can be asked; nor do two, which may be friends'.
        """
        declines, is_scene = result.failure == DECLINES, result.failure == SCENE
        self._fail(
            held,
            result.failure or "node",
            result.error or "the node says it failed",
            # One that it never began it did not want, whoever says so.
            given_back=declines and (result.given_back is True or held.begun_at is None),
            confirmed=confirmed,
            accused=self._device_class if is_scene else None,
            others=others,
        )

    def _is_beyond_it(self, result: JobResult) -> bool:
        """Whether the unit needs what the node has not, and never said that it has."""
        has_opengl = self._hello is not None and self._hello.opengl is True
        return result.lacks is not None and not (result.lacks == OPENGL and has_opengl)

    @handles(AlternativesFound)
    async def elsewhere(self, message: AlternativesFound) -> None:
        held = self._work.exactly(message.job, message.unit, message.attempt)
        if held is None or held.effect is not None:
            return
        if held.doubted is not None:
            doubted, held.doubted = held.doubted, None
            self._end(held, doubted(message))
            return
        if held.result is None:
            return
        await self._keep_said(held)
        unit, result = held.assignment, held.result
        if result.lacks is None or not self._is_beyond_it(result):
            self._fail_as_said(held, result, confirmed=not message.is_other, others=message)
            return
        effect = unit_failures.beyond(
            unit,
            self._node.id,
            unit_failures.MissingCapability(
                result.lacks, self._given_bytes, result.error or "it cannot do it"
            ),
            message,
            is_word=not self._is_strangers(unit),
            now=self._peers.clock.now(),
        )
        held.is_stuck = unit_failures.is_stuck(unit, self._node.id, message)
        self._end(held, effect)

    async def _keep_said(self, held: HeldUnit, *, completed: bool = False) -> None:
        """Keep what was said last of an attempt that ended; where it cannot be, it is lost."""
        unit, said = held.assignment, held.said.take()
        if not said:
            return
        of, now = (unit.job, unit.unit, unit.attempt, self._node.id), self._peers.clock.now()
        try:
            await self._peers.store.keep_log(*of, said, at=now, completed=completed)
        except Unavailable as error:
            log.info("a unit's log is lost: %s", type(error).__name__)

    async def _complete(self, held: HeldUnit, result: JobResult) -> None:
        worth = results.named(result.result_ref, held.assignment, self._settings)
        if isinstance(worth, results.OwnObject):
            self._look(held, result)
        else:
            await self._settle(held, result, worth, InspectedResult(None))

    def _look(self, held: HeldUnit, result: JobResult) -> None:
        """Look at what lies in the store, in the background: leases and frames do not wait."""
        if held.is_looked_at:
            return
        held.is_looked_at = True
        unit, settings = held.assignment, self._settings
        pieces, of = self._pieces(unit), (unit.job, unit.unit, unit.attempt)
        is_checked = dispatch_frames.is_checked(unit, settings)
        waits = dispatch_frames.waits(unit, settings) and not results.is_bare(result, settings)

        async def look() -> ResultInspected:
            try:
                found = await result_inspection.look(
                    result, pieces, is_checked=is_checked, waits=waits
                )
            except (ObjectsUnavailable, Unavailable):
                found = None
            return ResultInspected(*of, found)

        self.background(look, within=settings.look_seconds, otherwise=ResultInspected(*of))

    @handles(ResultInspected)
    async def looked(self, message: ResultInspected) -> None:
        held = self._work.exactly(message.job, message.unit, message.attempt)
        if held is None or held.result is None or held.effect is not None:
            return
        held.is_looked_at = False
        seen: result_inspection.Found | None = message.found
        if seen is None:
            self._again(held)
        elif isinstance(seen, PartsLost):
            error = "parts of the result are not there any more"
            self._fail(held, "network", error, code="parts_gone")
        elif isinstance(seen, results.ResultRefused):
            self._refuse(held, seen)
        else:
            worth = results.checked(held.result, seen.found, self._settings)
            await self._settle(held, held.result, worth, seen)
        await self._pump()

    async def _settle(
        self, held: HeldUnit, result: JobResult, worth: results.Named, looked: InspectedResult
    ) -> None:
        unit, settings = held.assignment, self._settings
        is_bare = results.is_bare(result, settings) or results.is_absent(worth, settings)
        waits = dispatch_frames.waits(unit, settings) and not is_bare
        if waits and isinstance(worth, results.ForeignObject):
            worth = results.ResultRefused(
                "a result that waits for a verdict lies where it was offered"
            )
        if isinstance(worth, results.ResultRefused):
            self._refuse(held, worth)
            return
        work = signed_work.read(result, unit, self._node, looked, self._peers.clock.now())
        if work is None and self._node.key is not None and waits:
            work = results.ResultRefused(
                "a result that waits for a verdict is signed by its node's key"
            )
        if isinstance(work, results.ResultRefused):
            self._refuse(held, work)
            return
        effect = results.completion(
            unit, self._node, settings, worth=worth, found=looked.found, said=result.sha256
        )
        if not (waits or settings.pays_unverified):
            effect = attrs.evolve(effect, verified=False, operator=None)
        if isinstance(worth, results.OwnObject) and waits:
            await self._deliver(held, self._delivery(effect, work, looked.proof))
        else:
            self._end(held, attrs.evolve(effect, receipt=self._receipt(unit, work)))

    async def _deliver(self, held: HeldUnit, delivery: UnitDeliver) -> None:
        """Draw the delivery's number, and commit it together with the delivery."""
        sampling = self._peers.sampling
        if sampling is not None:
            try:
                number, odds = await sampling.draw(delivery)
            except Unavailable:
                self._again(held)
                return
            delivery = attrs.evolve(delivery, draw=number, odds=odds)
        self._end(held, delivery)

    def _refuse(self, held: HeldUnit, worth: results.ResultRefused) -> None:
        """It is the node's failure; a lie stands in its record, too."""
        self._fail(held, "node", worth.error, caught=self._device_class if worth.is_lie else None)

    def _pieces(self, unit: Assignment) -> MultipartResult:
        peers = self._peers
        return MultipartResult(
            unit, peers.objects, peers.store, peers.clock, self._settings, self._node.base
        )

    def _take_parts(self, held: HeldUnit, wanted: PartsWanted) -> None:
        """Give leave to put parts, once the store was asked in the background."""
        unit, settings = held.assignment, self._settings
        if held.phase is Phase.ENDING or (
            wanted.what == EVIDENCE and not dispatch_frames.is_checked(unit, settings)
        ):
            return
        if not is_bounded(wanted, settings):
            self._fail(held, "node", f"a result of {wanted.size} bytes does not come in parts")
            return
        self._move(held).fetch(
            ((wanted.what, part.number), min(settings.part_bytes, wanted.size))
            for part in wanted.parts
        )
        if wanted.what in held.asks_parts:
            held.asks_parts[wanted.what] = wanted
            return
        held.asks_parts[wanted.what] = None
        pieces, of = self._pieces(unit), (unit.job, unit.unit, unit.attempt, wanted.what)

        async def offer() -> PartsInspected:
            try:
                return PartsInspected(*of, await pieces.offer(wanted), is_known=True)
            except (ObjectsUnavailable, Unavailable) as fault:
                log.warning("no URLs for parts of a unit: %s", type(fault).__name__)
                return PartsInspected(*of)

        self.background(offer, within=settings.look_seconds, otherwise=PartsInspected(*of))

    @handles(PartsInspected)
    async def parts_looked(self, message: PartsInspected) -> None:
        held = self._work.exactly(message.job, message.unit, message.attempt)
        if held is None:
            return
        following = held.asks_parts.pop(message.what, None)
        if message.offered is not None:
            said, offered = held.running, message.offered
            await self._say(
                Urls(job_id=said.job_id, unit=said.unit, attempt=said.attempt, offered=offered)
            )
        elif message.is_known and held.phase is not Phase.ENDING:
            held.offers += 1
            if held.offers >= self._settings.begun_most:
                self._fail(held, "node", "its result is of another length each time")
        if following is not None:
            self._take_parts(held, following)

    def _delivery(
        self,
        made: UnitComplete,
        work: signed_work.SignedWork | None,
        proof: result_inspection.DeliveredEvidence | None,
    ) -> UnitDeliver:
        """What waits for its verdict, instead of being settled at once."""
        assert made.attempt is not None, "we assigned it"
        return UnitDeliver(
            job=made.job,
            unit=made.unit,
            attempt=made.attempt,
            node=made.node,
            device_class=self._device_class,
            result_ref=made.result_ref,
            sha256=made.sha256,
            size=made.size,
            work=None if work is None else canonical(work.work.document).decode(),
            node_signature=None if work is None else work.signature,
            evidence_sha256=None if proof is None else proof.sha256,
            evidence_size=None if proof is None else proof.size,
            verified=made.verified,
            operator=made.operator,
            share_percent=made.share_percent,
            dispute_window=made.dispute_window,
        )

    def _receipt(
        self, unit: Assignment, work: signed_work.SignedWork | None
    ) -> IssuedReceipt | None:
        signer = self._peers.signer
        if work is None or signer is None:
            return None
        now = self._peers.clock.now()
        why = dispatch_frames.why_unverified(unit, self._settings)
        return signed_work.issued(work, unit.price, why, signer.receipts(), now)

    @handles(Decided)
    async def decided(self, message: Decided) -> None:
        asked, outcome = message.tag, message.outcome
        assert isinstance(asked, PendingCommit), "every commit of a session is about a unit"
        held = asked.held
        held.asked_at = None
        if isinstance(outcome, FINAL):
            self._tell_units(outcome)
            if self._work.exactly(*held.key, held.attempt) is held:
                await self._settled(asked, outcome)
        elif asked.ends:
            self._again(held)

    def _tell_units(self, outcome: Any) -> None:
        units = getattr(outcome, "units", ())
        if units:
            self._peers.scheduler.tell(UnitsChanged(units))
            self._peers.notifier.tell(UnitsMoved(units))

    def _tell_admin(self, held: HeldUnit, outcome: Any) -> None:
        """Log units that came back from several nodes and did not fail: they wait."""
        if held.is_stuck:
            of, nodes = held.assignment, len(held.assignment.avoid | {self._node.id})
            HELD.inc()
            said = "unit %s of job %s waits: %d nodes lost it, or it is beyond them"
            log.error(said, of.unit, of.job, nodes)
        effect = held.effect
        if not isinstance(effect, UnitRequeue) or effect.unsendable_to is None:
            return
        for unit in getattr(outcome, "units", ()):
            if unit.unsendable_to >= HELD_NODES:
                UNSENDABLE.inc()
                said = "unit %s of job %s waits: it could not be sent to %d nodes"
                log.error(said, unit.unit, unit.job, unit.unsendable_to)

    async def _settled(self, asked: PendingCommit, outcome: Any) -> None:
        held = asked.held
        if asked.ends:
            failed = isinstance(held.effect, UnitFail)
            if failed:
                await self._keep_said(held)
            self._note_pace(held, outcome)
            self._work.remove(held)
            self._peers.moves.forget(held)
            self._tell_admin(held, outcome)
            self._tell_caught(held)
            if held.result is not None:
                await self._acknowledge(held.result)
            if not failed and not isinstance(outcome, GuardFailed):
                await self._keep_said(held, completed=True)
        elif not isinstance(outcome, GuardFailed):
            held.is_started = True
        elif held.phase is not Phase.ENDING:  # it was cancelled, or is another's by now
            await self._forget(held)
        await self._pump()

    def _note_pace(self, held: HeldUnit, outcome: Any) -> None:
        """How long it took for what was quoted: so it is known whether its node is a slow one."""
        share = self._share_of_quote(held, self._peers.clock.monotonic())
        is_done = isinstance(held.effect, UnitComplete | UnitDeliver)
        if share and is_done and isinstance(outcome, Posted | Replayed):
            self._peers.pacing.note(self._node.id, held.assignment.job, share)

    def _tell_caught(self, held: HeldUnit) -> None:
        verifier, effect = self._peers.verifier, held.effect
        if verifier is not None and isinstance(effect, UnitFail) and effect.caught is not None:
            verifier.tell(LieDetected(self._node.id))

    @property
    def _device_class(self) -> str:
        """Of the machine, as it said; nothing where it said nothing."""
        return (self._hello.device_class if self._hello is not None else None) or ""

    @handles(TryAgain)
    async def try_again(self, message: TryAgain) -> None:
        held = self._work.exactly(message.job, message.unit, message.attempt)
        if held is not None and held.phase is Phase.ENDING:
            if self._may_ask(held):
                await self._finish(held)
            elif held.effect is None:  # the answer that is awaited is about its start
                self._again(held)
        await self._pump()

    @handles(RenewDue)
    async def renew_due(self, message: RenewDue) -> None:
        self._renew = None
        settings, now = self._settings, self._peers.clock.monotonic()
        await self._look_at_moves()
        for held in self._work:
            if held.phase is Phase.ENDING and held.asked_at is not None and self._may_ask(held):
                await self._finish(held)
        renewed = leases.renewals(self._work, self._node.id, now, settings.lease_seconds)
        if renewed:
            self._peers.ledger.tell(RenewLeases(renewed))
        if len(self._work):
            self._renew_in(settings.renew_seconds)
