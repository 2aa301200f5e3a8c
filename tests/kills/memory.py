"""Model of the data that the gateway must have, built from the journals in their order."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import attrs
import orjson

from tests.kills.journal import Json, Record

ENDED: Final = frozenset({"COMPLETED", "CANCELLED", "FAILED"})


@attrs.define
class Account:
    """All that was acknowledged to one person.

    ``entries`` by id are as first answered; ``moves`` has the ids of entries that answered a
    request of the person or an admin. ``ended`` has the last status of jobs that were seen to have
    ended. ``perhaps`` has jobs that a try without an answer may have cancelled.
    """

    email: str
    entries: dict[str, Json] = attrs.field(factory=dict[str, Json])
    moves: set[str] = attrs.field(factory=set[str])
    jobs: dict[str, Json] = attrs.field(factory=dict[str, Json])
    cancelled: set[str] = attrs.field(factory=set[str])
    perhaps: set[str] = attrs.field(factory=set[str])
    ended: dict[str, str] = attrs.field(factory=dict[str, str])
    sessions: set[str] = attrs.field(factory=set[str])
    payouts: dict[str, Json] = attrs.field(factory=dict[str, Json])
    shares: dict[str, Json] = attrs.field(factory=dict[str, Json])
    disputes: dict[str, Json] = attrs.field(factory=dict[str, Json])
    uploads: dict[str, Json] = attrs.field(factory=dict[str, Json])
    keys: set[str] = attrs.field(factory=set[str])
    revoked: set[str] = attrs.field(factory=set[str])
    logged_out: list[str] = attrs.field(factory=list[str], repr=False)


@attrs.define
class Memory:
    """All that was acknowledged to anybody.

    ``contradictions`` are answers that conflict with earlier answers. ``acknowledged`` counts
    answers by act.
    """

    starter: str
    accounts: dict[str, Account] = attrs.field(factory=dict[str, Account])
    decided: dict[str, Json] = attrs.field(factory=dict[str, Json])
    approved: set[str] = attrs.field(factory=set[str])
    sent: set[str] = attrs.field(factory=set[str])
    rejected: set[str] = attrs.field(factory=set[str])
    prices: dict[int, Json] = attrs.field(factory=dict[int, Json])
    standings: dict[str, str] = attrs.field(factory=dict[str, str])
    acts: set[str] = attrs.field(factory=set[str])
    checkpoints: list[Json] = attrs.field(factory=list[Json])
    contradictions: list[str] = attrs.field(factory=list[str])
    acknowledged: Counter[str] = attrs.field(factory=Counter[str])
    _read: dict[Path, int] = attrs.field(factory=dict[Path, int])

    def read(self, journals: Iterable[Path]) -> None:
        """Read the lines that the journals have gained since the last call."""
        for path in journals:
            with path.open("rb") as lines:
                lines.seek(self._read.get(path, 0))
                for line in lines:
                    self._take(Record(**orjson.loads(line)))
                self._read[path] = lines.tell()

    def account(self, email: str) -> Account:
        return self.accounts.setdefault(email, Account(email))

    @property
    def upheld(self) -> set[str]:
        """Jobs whose charge was returned by the decision of a dispute."""
        return {row["job_id"] for row in self.decided.values() if row["state"] == "upheld"}

    def _take(self, record: Record) -> None:
        if record.counts:
            self.acknowledged[record.act] += 1
        if record.act in OF_A_PERSON:
            OF_A_PERSON[record.act](self, self.account(record.who), record)
        else:
            OF_ALL[record.act](self, record)

    def see(self, account: Account, entry: Json) -> None:
        """Remember an entry; a later answer that shows the entry otherwise is a contradiction."""
        before = account.entries.setdefault(entry["id"], entry)
        if before != entry:
            self.contradictions.append(f"changed: {before} is shown as {entry}")


def _moved(memory: Memory, account: Account, record: Record) -> None:
    memory.see(account, record.answer)
    account.moves.add(record.answer["id"])
    if record.act in ("grant", "adjust"):
        memory.acts.add(record.answer["reference_id"])


def _nothing(memory: Memory, account: Account, record: Record) -> None:
    """Do nothing: the answer proves only that the account exists."""


def _dispatched(memory: Memory, account: Account, record: Record) -> None:
    account.jobs[record.answer["job_id"]] = record.asked["body"]


def _cancelled(memory: Memory, account: Account, record: Record) -> None:
    account.cancelled.add(record.answer["id"])


def _perhaps(memory: Memory, account: Account, record: Record) -> None:
    account.perhaps.add(record.asked["job"])


def _job(memory: Memory, account: Account, record: Record) -> None:
    job, status = record.answer["id"], record.answer["status"]
    before = account.ended.get(job, status)
    if before != status:
        memory.contradictions.append(f"changed: job {job} was {before}, and is {status}")
    if status in ENDED:
        account.ended[job] = status


def _history(memory: Memory, account: Account, record: Record) -> None:
    for entry in record.answer["entries"]:
        memory.see(account, entry)


def _paid(memory: Memory, account: Account, record: Record) -> None:
    account.sessions.add(record.asked["url"].rpartition("/")[2])


def _payout(memory: Memory, account: Account, record: Record) -> None:
    account.payouts[record.answer["id"]] = record.answer


def _earnings(memory: Memory, account: Account, record: Record) -> None:
    account.shares |= {share["id"]: share for share in record.answer["earnings"]}


def _complained(memory: Memory, account: Account, record: Record) -> None:
    account.disputes[record.answer["id"]] = record.answer


def _uploaded(memory: Memory, account: Account, record: Record) -> None:
    account.uploads[record.answer["id"]] = record.answer


def _key(memory: Memory, account: Account, record: Record) -> None:
    account.keys.add(record.answer["id"])


def _unkey(memory: Memory, account: Account, record: Record) -> None:
    account.revoked.add(record.asked["path"].rpartition("/")[2])


def _logged_out(memory: Memory, account: Account, record: Record) -> None:
    account.logged_out.append(record.asked["token"])


OF_A_PERSON: Final[Mapping[str, Callable[[Memory, Account, Record], None]]] = {
    **dict.fromkeys(("deduct", "grant", "adjust", "refund"), _moved),
    **dict.fromkeys(("register", "login", "announce", "checkout"), _nothing),
    "dispatch": _dispatched,
    "cancel": _cancelled,
    "perhaps": _perhaps,
    "job": _job,
    "history": _history,
    "paid": _paid,
    "payout": _payout,
    "earnings": _earnings,
    "dispute": _complained,
    "upload": _uploaded,
    "key": _key,
    "unkey": _unkey,
    "logout": _logged_out,
}


def _decided(memory: Memory, record: Record) -> None:
    memory.decided[record.answer["id"]] = record.answer


def _approved(memory: Memory, record: Record) -> None:
    memory.approved |= {payout["id"] for payout in record.answer["payouts"]}


def _rejected(memory: Memory, record: Record) -> None:
    memory.rejected.add(record.answer["id"])


def _sent(memory: Memory, record: Record) -> None:
    memory.sent |= {p["id"] for p in record.answer["payouts"] if p["state"] == "paid"}


def _priced(memory: Memory, record: Record) -> None:
    memory.prices[record.answer["number"]] = record.answer


def _spoken(memory: Memory, record: Record) -> None:
    memory.standings[record.answer["id"]] = record.answer["standing"]


def _of_a_node(memory: Memory, record: Record) -> None:
    """Do nothing: nodes themselves check that no acknowledged unit is dispatched again."""


def _checkpoint(memory: Memory, record: Record) -> None:
    memory.checkpoints.append(record.answer)


OF_ALL: Final[Mapping[str, Callable[[Memory, Record], None]]] = {
    "decide": _decided,
    "approve": _approved,
    "reject": _rejected,
    "sent": _sent,
    "price": _priced,
    "word": _spoken,
    "ack": _of_a_node,
    "checkpoint": _checkpoint,
}
