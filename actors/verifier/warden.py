"""Who lied too often gets no strangers' work any more: read from the record, said as a word."""

from datetime import datetime
from uuid import UUID

from actors.ports import Store
from sql.audit import Act
from sql.reputation import Record, Reputation
from sql.work import Standing

ACTOR = "verifier"


async def reputation_of(store: Store, node: UUID, device_class: str) -> Reputation:
    """What is known of its work with a class of machine. Raises Unavailable."""
    found = [one for one in await store.records([node]) if one.device_class == device_class]
    return found[0].reputation if found else Reputation()


async def quarantined(store: Store, node: UUID, now: datetime) -> Standing | None:
    """Put a node into quarantine whose record says so; its standing then. None: it stays as it is.

    Raises Unavailable.
    """
    bad = [one for one in await store.records([node]) if one.reputation.is_to_be_quarantined]
    if not bad:
        return None
    act = Act(now, None, ACTOR, "node.quarantine", f"node:{node}", why(bad[0]))
    return await store.quarantine(node, act)


def why(record: Record) -> str:
    """What its operator is told."""
    count, machine = record.reputation.mismatches, record.device_class or "no class told"
    return (
        f"{count} of its results or checks ({machine}) were wrong;"
        " 'rendertrust nodes checks' shows which and why. An admin releases it."
    )
