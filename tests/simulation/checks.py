"""Invariants that must hold at the end of a simulation."""

import math
from collections import Counter
from collections.abc import Sequence

from actors.ledger.commands.checks import OVERTAKEN
from sql.account_names import user_account, work_reference
from tests.simulation.customer import Customer
from tests.simulation.node import SimulatedNode
from tests.twins.store import StoreTwin

ENDED = ("COMPLETED", "FAILED", "CANCELLED")
DEVIATIONS = 5  # standard deviations; chance exceeds them in one of two million worlds


def violations(
    store: StoreTwin, customers: Sequence[Customer], nodes: Sequence[SimulatedNode]
) -> list[str]:
    """Return all violations, one line each."""
    return [
        *broken_promises(store, customers),
        *unended_units(store),
        *settlement_faults(store),
        *attempt_faults(store, nodes),
        *log_faults(store),
    ]


def broken_promises(store: StoreTwin, customers: Sequence[Customer]) -> list[str]:
    """Return acknowledged jobs that do not exist, and keys that made several jobs."""
    wrong: list[str] = []
    for customer in customers:
        for key, job in customer.acknowledged.items():
            if job not in store.jobs:
                wrong.append(f"{key} of {customer.user}: {job} was promised and is not there")
        if customer.newest not in customer.acknowledged:
            wrong.append(f"{customer.newest} of {customer.user}: refused, on a calm day")
    made = Counter(job.user_id for job in store.jobs.values())
    kept = Counter(user for user, _ in store.answers)
    wrong += [
        f"{user}: {made[user]} jobs for {kept[user]} keys"
        for user in made
        if made[user] != kept[user]
    ]
    return wrong


def unended_units(store: StoreTwin) -> list[str]:
    """Return the units that have not ended."""
    open_ones = [unit for unit in store.units.values() if unit.state not in ENDED]
    return [f"{unit.job_id}: still {unit.state}, attempt {unit.attempt}" for unit in open_ones]


def settlement_faults(store: StoreTwin) -> list[str]:
    """Return units with a wrong settlement: completed units are charged once, others released."""
    wrong: list[str] = []
    charges = Counter(
        (transfer.debit, transfer.reference)
        for transfer in store.transfers.values()
        if transfer.kind == "USAGE"
    )
    for unit in store.units.values():
        reference = work_reference(unit.job_id, unit.number)
        hold = store.holds.get(reference)
        charged = charges[user_account(store.jobs[unit.job_id].user_id), reference]
        expected = 1 if unit.state == "COMPLETED" and unit.price else 0
        if charged != expected:
            wrong.append(f"{reference}: {unit.state}, charged {charged} times")
        state = "SETTLED" if unit.state == "COMPLETED" else "RELEASED"
        if unit.price and (hold is None or hold.state != state):
            wrong.append(f"{reference}: {unit.state}, its hold is {hold and hold.state}")
        if hold is not None and hold.settled != (unit.price if expected else 0):
            wrong.append(f"{reference}: {hold.settled} of {unit.price} were settled")
    return wrong


def attempt_faults(store: StoreTwin, nodes: Sequence[SimulatedNode]) -> list[str]:
    """Return completed units whose node never finished the attempt that counts.

    A plain node names no attempt in its result, so the node may have finished any of the unit's
    attempts.
    """
    by_id = {node.identity.id: node for node in nodes}
    wrong: list[str] = []
    for unit in store.units.values():
        node = None if unit.node_id is None else by_id.get(unit.node_id)
        if unit.state != "COMPLETED" or node is None:
            continue
        attempts = range(1, unit.attempt + 1) if node.plain else (unit.attempt,)
        if not any((unit.job_id, unit.number, n) in node.produced for n in attempts):
            wrong.append(
                f"{unit.job_id}: attempt {unit.attempt} is complete, its node never finished it"
            )
    return wrong


def log_faults(store: StoreTwin) -> list[str]:
    """Return transfers without a leaf, or without a checkpoint; the audit checks their contents."""
    leaves = Counter(leaf.transfer for leaf in store.log_tables.leaves.values())
    transfers = Counter(transfer.id for transfer in store.transfers.values())
    wrong = [f"transfer {number} has {leaves[number]} leaves" for number in transfers - leaves]
    newest = max(store.log_tables.checkpoints, default=0)
    return wrong if newest == transfers.total() else [*wrong, f"only {newest} leaves are checked"]


def sampling_faults(store: StoreTwin, least: float) -> list[str]:
    """Return results that were drawn against their odds, or compared without being drawn."""
    rows = [row for row in store.checks.values() if row.job in store.jobs]
    drawn = sum(row.drawn is True for row in rows)
    odds = [least if row.odds is None else row.odds for row in rows]
    expected, variance = sum(odds), sum(one * (1 - one) for one in odds)
    wrong = [
        f"{row.id}: drawn is {row.drawn}, and its verdict {row.verdict} {row.said}"
        for row in rows
        if row.verdict is not None and row.said != OVERTAKEN
        if row.drawn != (row.verdict != "sampled-out")
    ]
    if abs(drawn - expected) > DEVIATIONS * math.sqrt(variance):
        wrong.append(f"{drawn} of {len(rows)} results were drawn, not {expected:.1f}")
    if min(odds, default=least) < least:
        wrong.append(f"a result was drawn at odds of {min(odds)}, below {least}")
    return wrong
