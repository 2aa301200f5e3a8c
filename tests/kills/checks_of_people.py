"""Checks of one person's account: it has all that was acknowledged, once, and nothing else."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import attrs

from tests.kills.creator import PARKED
from tests.kills.inspector import Inspector
from tests.kills.journal import Json
from tests.kills.memory import Account, Memory
from tests.support.until import until

OPEN: Final = ("DISPATCHED", "RUNNING")
STILL_SECONDS: Final = 600.0
CREDITS_OF_A_SKU: Final = "100.0000"


@attrs.frozen
class Found:
    """All that the API shows of one person."""

    balance: Json
    entries: Sequence[Json]
    jobs: dict[str, Json]
    payouts: dict[str, Json]
    shares: dict[str, Json]
    disputes: dict[str, Json]
    keys: set[str]


async def wait_until_still(inspector: Inspector, account: Account) -> list[str]:
    """Wait until the person's jobs and payments have ended; return faults if they do not."""

    async def all_done() -> bool:
        for status in OPEN:
            if (await inspector.get(f"/jobs?status={status}&limit=1"))["count"]:
                return False
        waiting = await inspector.all("/jobs?status=QUEUED", "jobs")
        return all(job["job_type"] == PARKED for job in waiting)

    async def all_bought() -> bool:
        entries = await inspector.all("/credits/history", "entries")
        return account.sessions <= {entry["reference_id"] for entry in entries}

    late: list[str] = []
    for name, wanted in (("a job", all_done), ("a payment", all_bought)):
        try:
            await until(wanted, within=STILL_SECONDS)
        except AssertionError:
            late.append(f"lost: {name} of {account.email} does not come to an end")
    return late


async def found_of(inspector: Inspector) -> Found:
    return Found(
        balance=await inspector.get("/credits/balance"),
        entries=await inspector.all("/credits/history", "entries"),
        jobs=by_id(await inspector.all("/jobs", "jobs")),
        payouts=by_id(await inspector.all("/operators/me/payouts", "payouts")),
        shares=by_id(await inspector.all("/operators/me/earnings", "earnings")),
        disputes=by_id(await inspector.all("/disputes", "disputes")),
        keys={key["id"] for key in (await inspector.get("/auth/keys?limit=100"))["keys"]},
    )


def by_id(rows: Sequence[Json]) -> dict[str, Json]:
    return {row["id"]: row for row in rows}


def judge(account: Account, found: Found, memory: Memory) -> Iterator[str]:
    """Yield all differences from what was acknowledged, and remember what the API shows now."""
    yield from _sums(account, found)
    yield from _entries(account, found, memory)
    yield from _jobs(account, found, memory)
    yield from _reasons(account, found, memory)
    yield from _earnings(account, found, memory)
    for entry in found.entries:
        memory.see(account, entry)
    account.shares |= found.shares
    yield from sorted(f"lost: key {key}" for key in account.keys - account.revoked - found.keys)
    yield from sorted(f"lost: that {key} was revoked" for key in account.revoked & found.keys)
    for id_ in account.disputes.keys() - found.disputes.keys():
        yield f"lost: dispute {id_} of {account.email}"


def _sums(account: Account, found: Found) -> Iterator[str]:
    """Check that the entries add up to the balance, and that the holds match the waiting jobs."""
    at = Decimal(0)
    for entry in reversed(found.entries):
        at += signed(entry)
        if Decimal(entry["balance_after"]) != at:
            yield f"wrong: {account.email} had {at} at {entry}"
    if Decimal(found.balance["balance"]) != at:
        yield f"wrong: {account.email} has {found.balance}, and his entries make {at}"
    waiting = (job for job in found.jobs.values() if job["status"] == "QUEUED")
    held = sum((Decimal(job["price"]) for job in waiting), Decimal(0))
    if Decimal(found.balance["held"]) != held:
        yield f"wrong: {account.email} has {found.balance}, and jobs for {held} wait"


def signed(entry: Json) -> Decimal:
    amount = Decimal(entry["amount"])
    return amount if entry["direction"] == "CREDIT" else -amount


def _entries(account: Account, found: Found, memory: Memory) -> Iterator[str]:
    there = by_id(found.entries)
    if len(there) != len(found.entries):
        yield f"double: {account.email} has {len(found.entries) - len(there)} entries twice"
    for id_, entry in account.entries.items():
        if id_ not in there:
            yield f"lost: of {account.email} {entry}"
        elif there[id_] != entry:
            yield f"changed: of {account.email} {entry} to {there[id_]}"


def _jobs(account: Account, found: Found, memory: Memory) -> Iterator[str]:
    for id_ in found.jobs.keys() - account.jobs.keys():
        yield f"double: nobody asked for {found.jobs[id_]} of {account.email}"
    for id_, asked in account.jobs.items():
        job = found.jobs.get(id_)
        if job is None:
            yield f"lost: of {account.email} job {id_}: {asked}"
        elif any(job[name] != asked[name] for name in ("job_type", "payload_ref")):
            yield f"changed: of {account.email} {asked} to {job}"
        elif job["status"] not in _statuses(account, memory, job):
            yield f"lost: what was said of {job} of {account.email}"


def _statuses(account: Account, memory: Memory, job: Json) -> Sequence[str]:
    """Return the statuses that a job may have, given the acknowledged answers about it."""
    if job["id"] in account.ended:
        return (account.ended[job["id"]],)
    if job["id"] in account.cancelled:
        return ("CANCELLED",)
    done = "QUEUED" if job["job_type"] == PARKED else "COMPLETED"
    return (done, "CANCELLED") if job["id"] in account.perhaps else (done,)


def _reasons(account: Account, found: Found, memory: Memory) -> Iterator[str]:
    """Check that each entry has a cause, and each cause has one entry."""
    wanted = Counter(_wanted(account, found, memory))
    given = Counter(
        (entry["reference_id"], str(signed(entry)))
        for entry in found.entries
        if entry["id"] not in account.moves
    )
    for (reference, amount), times in (wanted - given).items():
        yield f"lost: {account.email} has {times} too few of {amount} for {reference}"
    for (reference, amount), times in (given - wanted).items():
        yield f"double: {account.email} has {times} too many of {amount} for {reference}"


def _wanted(account: Account, found: Found, memory: Memory) -> Iterator[tuple[str, str]]:
    """Yield reference and amount of each entry with a cause other than an acknowledged request."""
    yield f"starter:{found.balance['user_id']}", memory.starter
    by_hand = {reference_of(account, id_) for id_ in account.moves}
    for id_, job in found.jobs.items():
        work = f"job:{id_}:0"
        if job["status"] == "COMPLETED" and Decimal(job["price"]):
            # A refund reduces the amount that the job shows as charged.
            is_refunded = id_ in memory.upheld or work in by_hand
            charge = job["price"] if is_refunded else job["charged"]
            yield work, f"-{charge}"
            if id_ in memory.upheld and work not in by_hand:
                yield work, charge
    for session in account.sessions:
        yield session, CREDITS_OF_A_SKU
    for id_, payout in found.payouts.items():
        if payout["to"] == "credits":
            yield f"payout:{id_}", payout["amount"]


def reference_of(account: Account, entry: str) -> str:
    """Return the reference of an entry; a refund has the reference of the refunded work."""
    return str(account.entries[entry]["reference_id"])


def _earnings(account: Account, found: Found, memory: Memory) -> Iterator[str]:
    for id_, share in account.shares.items():
        there = found.shares.get(id_)
        if there is None or there["amount"] != share["amount"]:
            yield f"lost: of {account.email} {share}, found {there}"
    for id_ in found.payouts.keys() - account.payouts.keys():
        yield f"double: nobody asked for {found.payouts[id_]} of {account.email}"
    for id_, payout in account.payouts.items():
        there = found.payouts.get(id_)
        if there is None or there["amount"] != payout["amount"]:
            yield f"lost: of {account.email} {payout}, found {there}"
        elif there["state"] not in _payout_states(memory, payout):
            yield f"lost: what was said of {there} of {account.email}"


def _payout_states(memory: Memory, payout: Json) -> Sequence[str]:
    if payout["to"] == "credits" or payout["id"] in memory.sent:
        return ("paid",)
    if payout["id"] in memory.rejected:
        return ("rejected",)
    return ("approved",) if payout["id"] in memory.approved else ("requested",)
