"""Requests of a session to the Ledger: start and end of its units, and renewal of their leases."""

from collections.abc import Iterable
from uuid import UUID

import attrs

from actors.kernel import Ref, Timer
from actors.ledger.effects import Effect, UnitStart
from actors.ledger.messages import Commit, Lease, Ledger, RenewLeases
from actors.node_session import unit_failures
from actors.node_session.messages import AlternativesFound, RenewDue, TryAgain
from actors.node_session.session_state import ActorContext, HeldUnit, Phase, SessionState
from actors.node_session.unit_failures import Failure
from actors.scheduler.messages import FindAlternatives, NodeDeclined, Scheduler


@attrs.frozen
class PendingCommit:
    """Tag of a commit to the Ledger: the unit, and whether the commit ends the unit in this
    session.
    """

    held: HeldUnit
    ends: bool


class UnitCommits:
    """Commits to the Ledger about single units.

    The session repeats a commit that ends a unit until the Ledger has decided it.
    """

    def __init__(
        self,
        state: SessionState,
        ledger: Ref[Ledger],
        scheduler: Ref[Scheduler],
        actor: ActorContext,
    ) -> None:
        self._state = state
        self._ledger = ledger
        self._scheduler = scheduler
        self._actor = actor

    def start(self, held: HeldUnit) -> None:
        """Commit that the node runs the unit."""
        self._commit(held, UnitStart(*held.id, self._state.node.id), ends=False)

    def end(self, held: HeldUnit, effect: Effect) -> None:
        """Commit the end of the unit in this session.

        The session holds the unit until the end is booked.
        """
        held.phase, held.effect = Phase.ENDING, effect
        self._commit(held, effect, ends=True)

    def fail(
        self, held: HeldUnit, failure: Failure, *, others: AlternativesFound | None = None
    ) -> None:
        """Commit that the attempt failed.

        If an outside node (``SessionState.is_outsider``) reports a failure that would end the unit,
        the Scheduler is first asked which other nodes (``others``) could do the unit.
        """
        unit, node, now = held.assignment, self._state.node.id, self._state.clock.now()
        is_certain = failure.final or (failure.is_of_scene and failure.confirmed)
        is_doubtful = not is_certain and self._state.is_outsider(unit)
        effect = unit_failures.failed(unit, node, failure, now)
        if is_doubtful and others is None and effect.retry_at is None:
            held.phase, held.doubted = Phase.ENDING, (failure, now)
            self.find_alternatives(held)
        elif is_doubtful:
            self.end(held, unit_failures.failed(unit, node, failure, now, others=others))
        else:
            self.end(held, effect)

    def fail_doubted(self, held: HeldUnit, others: AlternativesFound) -> None:
        """Commit the ``doubted`` failure, now that the Scheduler has described the other nodes
        (``others``).
        """
        assert held.doubted is not None, "the failure waited for the Scheduler's answer"
        (failure, at), held.doubted = held.doubted, None
        unit, node = held.assignment, self._state.node.id
        self.end(held, unit_failures.failed(unit, node, failure, at, others=others))

    def find_alternatives(self, held: HeldUnit) -> None:
        """Ask the Scheduler which other nodes could do the unit; repeat until it answers."""
        lacks = None if held.result is None else held.result.lacks
        given = self._state.given(held.assignment, lacks)
        self._scheduler.tell(
            FindAlternatives(
                *(*held.id, self._state.node.id, self._actor.ref),
                memory=given + 1 if lacks == unit_failures.MEMORY else 0,
                opengl=lacks == unit_failures.OPENGL,
                vram=given + 1 if lacks == unit_failures.VRAM else 0,
                scripts=lacks == unit_failures.SCRIPTS,
            )
        )
        self.retry(held)

    def decline(self) -> None:
        """Tell the Scheduler that the node takes no units now."""
        self._scheduler.tell(NodeDeclined(self._state.node.id, self._actor.ref))

    def may_ask(self, held: HeldUnit) -> bool:
        """Return whether the Ledger may be asked about the unit: no answer about it is pending, or
        the answer is overdue.
        """
        seconds = self._state.settings.answer_seconds
        return held.asked_at is None or self._state.now - held.asked_at > seconds

    def retry(self, held: HeldUnit) -> None:
        """Send ``TryAgain`` for the unit after a pause, which doubles each time up to a limit."""
        settings = self._state.settings
        held.tries += 1
        wait = min(settings.retry_seconds * 2.0 ** (held.tries - 1), settings.retry_seconds_most)
        self._actor.after(wait, TryAgain(*held.id), jitter=0.2)

    def _commit(self, held: HeldUnit, effect: Effect, *, ends: bool) -> None:
        held.asked_at = self._state.now
        tag = PendingCommit(held, ends)
        if not self._ledger.tell(Commit(effects=(effect,), observer=self._actor.ref, tag=tag)):
            held.asked_at = None
            self.retry(held)


class LeaseRenewal:
    """Timer for the renewal of leases: soon after the units change, and periodically."""

    def __init__(self, state: SessionState, ledger: Ref[Ledger], actor: ActorContext) -> None:
        self._state = state
        self._ledger = ledger
        self._actor = actor
        self._next: tuple[float, Timer] | None = None

    def soon(self) -> None:
        """Renew the leases soon, so that other gateways see which node has the units."""
        self._renew_within(self._state.settings.first_lease_seconds)

    def begin(self) -> float:
        """Note that the timer has fired; return the time."""
        self._next = None
        return self._state.now

    def renew(self, now: float) -> None:
        """Renew the leases as of ``now``, and start the timer again while there are units."""
        units, settings = self._state.units, self._state.settings
        leases = renewals(units, self._state.node.id, now, settings.leases.seconds)
        if leases:
            self._ledger.tell(RenewLeases(leases))
        if len(units):
            self._renew_within(settings.leases.renew_seconds)

    def _renew_within(self, seconds: float) -> None:
        due = self._state.now + seconds
        if self._next is not None:
            if self._next[0] <= due:
                return
            self._next[1].cancel()
        self._next = (due, self._actor.after(seconds, RenewDue()))


def vouched_at(held: HeldUnit, now: float) -> float | None:
    """Return the time from which the unit's lease runs; None if its node has not reported on it.

    While the node has the unit, that is when the node last reported on it, or was sent it. Units
    that wait for a slot, and results that are being settled, are in the session, so their lease
    runs from ``now``.
    """
    return held.heard_at if held.phase in (Phase.SENT, Phase.RUNNING) else now


def renewals(
    units: Iterable[HeldUnit], node: UUID, now: float, seconds: float
) -> tuple[Lease, ...]:
    """Return leases for the units that were vouched for since their last lease.

    The time from which the new lease runs is recorded in the unit's ``vouched_at``.
    """
    leases: list[Lease] = []
    for held in units:
        vouched = vouched_at(held, now)
        if vouched is None or (held.vouched_at is not None and vouched <= held.vouched_at):
            continue
        held.vouched_at = vouched
        leases.append(Lease(*held.id, node, seconds - (now - vouched)))
    return tuple(leases)
