"""Checks of results in the in-memory database."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

import attrs

from sql.audit_log import Act
from sql.books import Changes, Keys, UnitId, UnitRow
from sql.checks import (
    CheckId,
    CheckRow,
    Pending,
    Place,
    SceneReport,
)
from sql.database import Mismatch, Refused
from sql.earnings import UncheckedEarning
from sql.nodes import QUARANTINED, REVOKED, StandingChange, StandingRecord
from sql.reputation_rules import HISTORY, LIES, RELEASED_BY, TRIED_MOST, Record, begins_anew
from sql.units import unit_kind

if TYPE_CHECKING:
    from tests.twins.store import NodeTwin, StoreTwin

MINUTE: Final = timedelta(minutes=1)
VALID: Final = ("exact", "consistent")
Told: TypeAlias = tuple[datetime, UUID, int, str, int]  # time, job, unit, ``_letter``, share


def find_checks(store: "StoreTwin", keys: Keys) -> dict[CheckId, CheckRow]:
    """Return the checks of ``keys``, and of its units with two attempts of which one has
    delivered.
    """
    units = {key for key in keys.units & store.units.keys() if store.units[key].is_delivered_beside}
    wanted = keys.checks | units
    return {name: row for name, row in store.checks.items() if name[:2] in wanted}


def keep_checks(store: "StoreTwin", changes: Changes) -> None:
    """Store checks; a new check must not exist, and a decided check must have been pending."""
    for row in changes.checks:
        before = store.checks.get(row.id)
        if row.id in changes.new_checks and before is not None:
            raise Refused("checks_pkey")
        is_open = before is not None and (before.state == "PENDING" or row.verdict == "invalid")
        if row.id not in changes.new_checks and not is_open:
            raise Mismatch("books_checks_decide")
        if row.id in changes.new_checks and _is_own_work(store, row):
            store.own_work.add(row.id)
        store.checks[row.id] = row


def _is_own_work(store: "StoreTwin", row: CheckRow) -> bool:
    """Return whether the node's owner is the work's creator or in an organisation with
    the creator.
    """
    user, node = store.jobs[row.job].user_id, store.nodes.get(row.node)
    owner = None if node is None else node.owner
    return owner is not None and (user == owner or owner in _fellow_members(store, user))


def _took(unit: UnitRow, row: CheckRow) -> float:
    began = unit.started_at or unit.assigned_at or row.opened_at
    return max((row.opened_at - began).total_seconds(), 0.0)


def pending_checks(store: "StoreTwin", limit: int, after: Place | None) -> list[Pending]:
    """Return the pending checks that have waited longest."""
    found: list[Pending] = []
    for name, row in store.checks.items():
        if row.job not in store.jobs or name[:2] not in store.units:
            continue
        dispute = store.disputes.get(name[:2])
        newest = store.units[name[:2]].attempt == row.attempt
        waits = row.state == "PENDING" and row is _first_delivered(store, name[:2])
        if dispute is not None and dispute.state == "OPEN" and newest:
            disputed, is_found = store.comparisons.get(dispute.id), dispute.id in store.findings
            if (dispute.by_gateway or disputed is not None) and not is_found:
                since = dispute.opened_at
                found.append(_pending(store, row, since, is_again=True, disputed=disputed))
        elif waits:
            found.append(_pending(store, row, row.opened_at))
    found.sort(key=lambda one: one.place)
    return [one for one in found if after is None or one.place > after][:limit]


def _pending(
    store: "StoreTwin",
    row: CheckRow,
    since: datetime,
    *,
    is_again: bool = False,
    disputed: tuple[tuple[float, float], ...] | None = None,
) -> Pending:
    """Return a pending check that has waited since ``since``."""
    unit, job = store.units[row.id[:2]], store.jobs[row.job]
    node = store.nodes.get(row.node)
    return Pending(
        row=attrs.evolve(row, opened_at=since),
        plan=store.plan_of(job),
        user=job.user_id,
        frames=unit.frames,
        price=unit.price,
        failures=unit.failures,
        faults=unit.faults,
        unsent=unit.unsent,
        owner=None if node is None else node.owner,
        agreeing=_owners_of_equal_results(store, row),
        tile=unit.tile,
        parts=store.parts_of(unit),
        took=_took(unit, row),
        is_again=is_again,
        disputed=disputed,
        may_release=row in _release_frames(store, row.node)[:TRIED_MOST],
        is_uncut=_scene(store, row) in store.uncut_scenes,
        is_loose=any(
            one.loose and one.verdict == "invalid" and _scene(store, one) == _scene(store, row)
            for one in store.checks.values()
        ),
        waited=(store.clock.now() - since).total_seconds(),
    )


def _scene(store: "StoreTwin", row: CheckRow) -> tuple[UUID, str] | None:
    """Return the owner and the reference of the scene of a check's job."""
    new = store.new_jobs.get(row.job)
    return None if new is None else (store.jobs[row.job].user_id, new.payload_ref)


def unchecked_earnings(store: "StoreTwin", limit: int) -> list[UncheckedEarning]:
    """Return at most ``limit`` pending earnings from uncompared results of owners with an invalid
    result, the newest first.

    If no strike is the cause, only while fewer than ``limit`` earnings are withheld.
    """
    waiting = [
        one
        for one in store.disputes.values()
        if one.state == "OPEN" and one.by_gateway and one.id not in store.findings
    ]
    caught: dict[UUID, datetime] = {}
    for row in store.checks.values():
        counts = row.strike or (row.verifier_id is not None and len(waiting) < limit)
        if row.verdict != "invalid" or not counts:
            continue
        if not any(one.withdrawn for one in _of_unit(store, row)):
            assert row.decided_at is not None, "an invalid result has a verdict"
            for node in _nodes_of_owner(store, row.node):
                caught[node] = max(row.decided_at, caught.get(node, row.decided_at))
    found = [
        share
        for key, share in store.earnings.items()
        if share.state == "PENDING" and not _has_decisive_dispute(store, key)
        if (made := store.checks.get((*key, store.units[key].attempt))) is not None
        if share.node_id in caught and made.opened_at < caught[share.node_id] + MINUTE
        if _is_uncompared(store, made)
    ]
    found.sort(key=lambda share: str(share.id))
    found.sort(key=lambda share: share.earned_at, reverse=True)
    found = found[:limit]
    return [UncheckedEarning(s.job_id, s.unit, store.jobs[s.job_id].user_id) for s in found]


def _has_decisive_dispute(store: "StoreTwin", unit: UnitId) -> bool:
    """Return whether the unit has an open dispute, or a dispute of a kind that checks decide.

    Checks decide disputes that the gateway opened, and those with a creator's comparison.
    """
    found = store.disputes.get(unit)
    return found is not None and (
        found.state == "OPEN" or found.by_gateway or found.id in store.comparisons
    )


def _nodes_of_owner(store: "StoreTwin", node: UUID) -> list[UUID]:
    """Return the node and all other nodes of its owner."""
    owner = store.nodes[node].owner if node in store.nodes else None
    if owner is None:
        return [node]
    return [one for one, row in store.nodes.items() if row.owner == owner]


def _is_uncompared(store: "StoreTwin", row: CheckRow) -> bool:
    if row.verdict not in VALID:
        return row.verdict == "sampled-out"
    job, unit = store.jobs[row.job], store.units[row.id[:2]]
    return unit_kind(job.job_type, store.plan_of(job).params_of(unit.frames, unit.tile)) == "chunk"


def _first_delivered(store: "StoreTwin", key: tuple[UUID, int]) -> CheckRow | None:
    """Return the check that comes first among the unit's attempts that wait for a verdict."""
    unit = store.units[key]
    waits = {unit.attempt} if unit.state == "VERIFYING" else set[int]()
    waits |= {unit.copy_attempt} if unit.copy_delivered_at is not None else set()
    rows = [store.checks[*key, attempt] for attempt in waits]
    return min(rows, key=lambda row: (row.opened_at, row.attempt), default=None)


def _fellow_members(store: "StoreTwin", user: UUID) -> frozenset[UUID]:
    """Return the users who share an organisation with the user."""
    mine = store.ties.of_user(user)
    return frozenset(one for one, theirs in store.ties.organisations.items() if theirs & mine)


def _owners_of_equal_results(store: "StoreTwin", of: CheckRow) -> frozenset[UUID]:
    """Return owners of drawn results that were found invalid with the same picture of this unit."""
    found = [
        store.nodes[row.node].owner
        for row in _of_unit(store, of)
        if row.verdict == "invalid" and row.drawn and row.compared is not None
        if row.picture is not None and row.picture == of.picture
    ]
    return frozenset(owner for owner in found if owner is not None)


def _of_unit(store: "StoreTwin", of: CheckRow) -> list[CheckRow]:
    checks = store.checks.values()
    return [row for row in checks if row.job == of.job and row.unit == of.unit]


def scene_reports(store: "StoreTwin", job: UUID, unit: int) -> list[SceneReport]:
    """Return the nodes that blamed a unit's scene, with their owners."""
    nodes = {word.node_id for word in store.words if (word.job_id, word.unit) == (job, unit)}
    return [SceneReport(node, store.nodes[node].owner) for node in sorted(nodes)]


def _refuted_reports(store: "StoreTwin", nodes: Sequence[UUID]) -> Iterator[tuple[UUID, str, Told]]:
    """Yield reports by these nodes that blame a scene which another owner rendered validly."""
    for word in store.words:
        node = word.node_id
        for row in list(store.checks.values()):
            valid = row.verdict in VALID and row.decided_at is not None and not row.loose
            others = store.nodes[row.node].owner != store.nodes[node].owner
            if valid and others and node in nodes and row.id[:2] == word.id[:2]:
                assert row.decided_at is not None, "a valid check has a verdict"
                yield node, word.device_class, (row.decided_at, *word.id[:2], "m", 0)


def _letter(store: "StoreTwin", row: CheckRow) -> str | None:
    """Return a check's letter in its node's record: v valid, m strike, x invalid without a strike.

    None if the check does not count.
    """
    if row.verdict in VALID:
        return None if row.id in store.own_work else "v"
    if row.verifier_id is None:
        return "m" if row.strike else None
    is_cleared = row.verdict != "invalid" or any(one.withdrawn for one in _of_unit(store, row))
    return None if is_cleared else "m" if row.strike else "x"


def records(store: "StoreTwin", nodes: Sequence[UUID]) -> list[Record]:
    """Return the record of each node's verdicts, by device class."""
    told: dict[tuple[UUID, str], list[Told]] = {}
    for row in store.checks.values():
        if row.node in nodes and (letter := _letter(store, row)) is not None:
            assert row.decided_at is not None, "a check with a letter has a verdict"
            share = store.price_of(row) * row.share_percent // 100 if letter == "v" else 0
            found = (row.decided_at, row.job, row.unit, letter, share)
            told.setdefault((row.node, row.device_class), []).append(found)
    for node, device_class, found in _refuted_reports(store, nodes):
        told.setdefault((node, device_class), []).append(found)
    return [_record(store, *key, rows) for key, rows in sorted(told.items())]


def _record(store: "StoreTwin", node: UUID, device_class: str, rows: list[Told]) -> Record:
    at = store.nodes[node].released_at if node in store.nodes else None
    letters, work = ["", ""], 0
    for decided_at, _, _, letter, share in sorted(rows)[-HISTORY:]:
        is_since = at is None or decided_at >= at
        letters[is_since] += letter
        work = work + share if letter == "v" and is_since else 0
    return Record(node, device_class, at is not None, letters[0], letters[1], work, at)


def quarantine(
    store: "StoreTwin", node: UUID, released_at: datetime | None, act: Act
) -> StandingRecord | None:
    """Quarantine a node for lying, or return None if that changes nothing."""
    row, now = store.nodes[node], store.clock.now()
    given_up = row.standing.name == REVOKED
    if row.caught is not None or (given_up and row.quarantined_at is not None):
        return None
    if row.released_at != released_at:
        return None
    name = REVOKED if given_up else QUARANTINED
    row.standing, row.standing_at = StandingRecord(name, row.standing.version + 1, act.reason), now
    row.quarantined_at, row.caught = row.quarantined_at or now, LIES
    store.acts.append(act)
    return row.standing


def releasable_nodes(store: "StoreTwin") -> dict[UUID, int]:
    """Return the nodes whose quarantine valid results for their owner end, with the versions of
    their standings.
    """
    return {
        node.id: node.standing.version
        for node in store.nodes.values()
        if _valid_in_row(store, node) >= RELEASED_BY
    }


def _release_frames(store: "StoreTwin", node: UUID) -> list[CheckRow]:
    """Return the frames for its owner that a node delivered in a quarantine that results end."""
    found = store.nodes.get(node)
    if found is None or not found.ends_by_results:
        return []
    assert found.quarantined_at is not None, "it is in quarantine"
    own = [row for name, row in store.checks.items() if name in store.own_work]
    since = [row for row in own if row.node == node and row.opened_at > found.quarantined_at]
    frames = [row for row in since if row.evidence_sha256 is not None]
    return sorted(frames, key=lambda row: row.opened_at)


def _valid_in_row(store: "StoreTwin", node: "NodeTwin") -> int:
    """Count the different valid frames since the last strike or invalid result."""
    checks = [row for row in store.checks.values() if row.node == node.id]
    failed = [row.decided_at for row in checks if row.verdict == "invalid" and row.decided_at]
    failed += [at for _, _, (at, *_) in _refuted_reports(store, [node.id])]
    valid = [row for row in _release_frames(store, node.id) if row.verdict in VALID]
    return len({row.picture for row in valid if all(row.opened_at > at for at in failed)})


def stand(store: "StoreTwin", change: StandingChange, act: Act) -> StandingRecord | None:
    """Change a node's standing, or return None if it has changed since the given version."""
    row, now, name = store.nodes[change.node], store.clock.now(), change.standing
    if row.standing.version != change.version:
        return None
    leaves = change.is_release and row.standing.name == QUARANTINED
    if leaves and begins_anew(row.caught, records(store, [row.id])):
        row.released_at = now
    row.standing, row.standing_at = StandingRecord(name, change.version + 1, change.reason), now
    if change.is_release:
        row.caught = row.quarantined_at = None
    elif name == QUARANTINED:
        row.quarantined_at = row.quarantined_at or now
    store.acts.append(act)
    return row.standing
