"""How long a node may go on with a unit before others may have it."""

from collections.abc import Iterable
from uuid import UUID

from actors.ledger.messages import Lease
from actors.node_session.held_units import HeldUnit, Phase


def word_of(held: HeldUnit, now: float) -> float | None:
    """When the unit was last vouched for: by its node once it is out, until then by the session.

    A unit that waits for a slot, and a result that is on its way into the books, are in our hands.
    """
    return held.heard_at if held.phase in (Phase.SENT, Phase.RUNNING) else now


def renewals(work: Iterable[HeldUnit], node: UUID, now: float, seconds: float) -> tuple[Lease, ...]:
    """The leases to renew: of units that somebody vouched for since the last time. Notes it."""
    leases: list[Lease] = []
    for held in work:
        word = word_of(held, now)
        if word is None or (held.vouched_at is not None and word <= held.vouched_at):
            continue
        held.vouched_at = word
        unit, left = held.assignment, seconds - (now - word)
        leases.append(Lease(unit.job, unit.unit, unit.attempt, node, left))
    return tuple(leases)


def overdue(work: Iterable[HeldUnit], now: float, seconds: float) -> tuple[HeldUnit, ...]:
    """The units that are out for longer than an attempt may take."""
    return tuple(
        held
        for held in work
        if held.phase in (Phase.SENT, Phase.RUNNING)
        and held.begun_at is not None
        and now - held.begun_at > seconds
    )
