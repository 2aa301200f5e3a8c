"""Tests of the checks: whatever the API lacks, changes or shows twice is reported."""

from typing import Any

import attrs
import pytest

from tests.kills.checks_of_people import Found, judge
from tests.kills.creator import PARKED
from tests.kills.journal import Json, Record
from tests.kills.memory import OF_A_PERSON, Memory

EMAIL = "jane@example.org"
ASKED: Json = {"job_type": "render", "payload_ref": "s3://elsewhere/scene"}
WAITS: Json = {"job_type": PARKED, "payload_ref": "s3://elsewhere/scene"}
PAYOUT: Json = {"id": "p1", "to": "credits", "amount": "7.0000", "state": "paid"}
SHARE: Json = {"id": "s1", "amount": "7.0000", "state": "paid"}


def entry(number: int, amount: str, after: str, reference: str) -> Json:
    direction = "DEBIT" if amount.startswith("-") else "CREDIT"
    return {
        "id": f"e{number}",
        "amount": amount.removeprefix("-"),
        "direction": direction,
        "balance_after": after,
        "reference_id": reference,
    }


DEDUCTED = entry(2, "-1.5000", "98.5000", "mine")
ENTRIES = [
    entry(6, "10.0000", "205.5000", "job:j1:0"),
    entry(5, "7.0000", "195.5000", "payout:p1"),
    entry(4, "100.0000", "188.5000", "cs_1"),
    entry(3, "-10.0000", "88.5000", "job:j1:0"),
    DEDUCTED,
    entry(1, "100.0000", "100.0000", "starter:u1"),
]
DONE: Json = {**ASKED, "id": "j1", "status": "COMPLETED", "price": "10.0000", "charged": "10.0000"}
QUEUED: Json = {**WAITS, "id": "j2", "status": "QUEUED", "price": "2.0000", "charged": "0.0000"}


@pytest.fixture
def memory() -> Memory:
    """Return the memory of a user who deducted, bought, rendered, disputed and was paid out."""
    memory = Memory("100.0000")
    account = memory.account(EMAIL)
    for act, asked, answer in (
        ("deduct", {}, DEDUCTED),
        ("dispatch", {"body": ASKED}, {"job_id": "j1"}),
        ("dispatch", {"body": WAITS}, {"job_id": "j2"}),
        ("job", {}, {"id": "j1", "status": "COMPLETED"}),
        ("paid", {"url": "http://127.0.0.1/pay/cs_1"}, {}),
        ("payout", {}, PAYOUT),
        ("earnings", {}, {"earnings": [SHARE]}),
        ("dispute", {}, {"id": "d1"}),
        ("key", {}, {"id": "k1"}),
        ("key", {}, {"id": "k2"}),
        ("unkey", {"path": "/auth/keys/k2"}, {}),
    ):
        OF_A_PERSON[act](memory, account, Record(act, EMAIL, asked, answer))
    memory.decided["d1"] = {"id": "d1", "job_id": "j1", "state": "upheld"}
    return memory


FOUND = Found(
    balance={"user_id": "u1", "balance": "205.5000", "held": "2.0000"},
    entries=ENTRIES,
    jobs={"j1": DONE, "j2": QUEUED},
    payouts={"p1": PAYOUT},
    shares={"s1": SHARE},
    disputes={"d1": {"id": "d1"}},
    keys={"k1"},
)


def test_all_is_there(memory: Memory) -> None:
    assert list(judge(memory.account(EMAIL), FOUND, memory)) == []
    assert memory.contradictions == []


def without(number: int) -> list[Json]:
    return [found for found in ENTRIES if found["id"] != f"e{number}"]


def with_another(amount: str, reference: str) -> list[Json]:
    return [entry(7, amount, "0.0000", reference), *ENTRIES]


def jobs(**more: Any) -> dict[str, Json]:
    return {"j1": DONE, "j2": QUEUED, **more}


BROKEN: dict[str, tuple[Json, str]] = {
    "an entry is missing": ({"entries": without(2)}, "lost: of"),
    "an entry is another": ({"entries": [{**e, "amount": "9.0000"} for e in ENTRIES]}, "changed"),
    "an entry is there twice": ({"entries": [ENTRIES[0], *ENTRIES]}, "double"),
    "no starter": ({"entries": without(1)}, "lost"),
    "a charge is missing": ({"entries": without(3)}, "lost"),
    "a purchase is missing": ({"entries": without(4)}, "lost"),
    "a payout's credits are missing": ({"entries": without(5)}, "lost"),
    "what was upheld is not given back": ({"entries": without(6)}, "lost"),
    "charged twice": ({"entries": with_another("-10.0000", "job:j1:0")}, "double"),
    "bought twice": ({"entries": with_another("100.0000", "cs_1")}, "double"),
    "deducted, and nobody asked": ({"entries": with_another("-1.5000", "other")}, "double"),
    "another balance": ({"balance": {**FOUND.balance, "balance": "1.0000"}}, "wrong"),
    "more is held": ({"balance": {**FOUND.balance, "held": "9.0000"}}, "wrong"),
    "a job is missing": ({"jobs": {"j1": DONE}}, "lost"),
    "a job that nobody asked for": ({"jobs": jobs(j3={**QUEUED, "id": "j3"})}, "double"),
    "a job is another": ({"jobs": jobs(j2={**QUEUED, "payload_ref": "s3://a/b"})}, "changed"),
    "a finished job is not": ({"jobs": jobs(j1={**DONE, "status": "RUNNING"})}, "lost"),
    "a payout is missing": ({"payouts": {}}, "lost"),
    "a payout was undone": ({"payouts": {"p1": {**PAYOUT, "state": "requested"}}}, "lost"),
    "a payout too many": ({"payouts": {"p1": PAYOUT, "p2": {**PAYOUT, "id": "p2"}}}, "double"),
    "a share is missing": ({"shares": {}}, "lost"),
    "a dispute is missing": ({"disputes": {}}, "lost"),
    "a key is missing": ({"keys": set[str]()}, "lost"),
    "a revoked key is back": ({"keys": {"k1", "k2"}}, "lost"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_it_is_told_that(memory: Memory, what: str) -> None:
    broken, word = BROKEN[what]
    told = list(judge(memory.account(EMAIL), attrs.evolve(FOUND, **broken), memory))
    assert [fault for fault in told if fault.startswith(word)], told


def test_an_answer_that_contradicts_an_earlier_one_is_told(memory: Memory) -> None:
    account = memory.account(EMAIL)
    history = {"entries": [{**DEDUCTED, "balance_after": "1.0000"}]}
    OF_A_PERSON["history"](memory, account, Record("history", EMAIL, {}, history))
    OF_A_PERSON["job"](memory, account, Record("job", EMAIL, {}, {"id": "j1", "status": "QUEUED"}))
    assert len(memory.contradictions) == 2
