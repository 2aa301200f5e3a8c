"""Receipts at the HTTP API of a whole gateway, verified with the file alone."""

import hashlib
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import attrs
import pytest

from actors.ledger.effects import DisputeDecide
from actors.ledger.messages import Commit, Posted
from rendertrust.node_key import generate_key
from rendertrust.protocol import JobDispatch, JobResult
from rendertrust.receipt import Receipt, read_receipt, sign_work
from rendertrust.receipt_check import verify_receipt
from rendertrust.testing import Behaviour, FakeNode
from sql.audit_log import Act
from sql.fsck import run_fsck
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.attempts import attempt_of
from tests.support.databases import connected
from tests.support.http_gateway import settings_for_tests
from tests.support.proof_readers import Person
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole
from tests.twins.signer import TwinSigner
from web.money.credit_adjustments import REFUND, refund_of
from web.money.ledger_client import commit

CONTENT = b"a picture"
WITHIN = 60.0


@pytest.fixture
async def gateway(database: PostgresEndpoint) -> AsyncGenerator[Whole]:
    settings = settings_for_tests(credits={"starter": "100"})
    async with whole(database, settings, require_object=True) as running:
        yield running


@pytest.fixture
async def owner(
    database: PostgresEndpoint,
) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    async with connected(database.owner_dsn) as connection:
        yield connection


async def placed(creator: Person, job_type: str = "render") -> str:
    body = {"job_type": job_type, "payload_ref": "s3://bucket/k.blend", "params": {"frame": 3}}
    status, placed = await creator.call("POST", "/jobs/dispatch", body)
    assert status == 200, placed
    return str(placed["job_id"])


async def ended(creator: Person, job: str) -> str:
    async def status() -> str | None:
        _, found = await creator.answered("GET", f"/jobs/{job}")
        return found["status"] if found["completed_at"] else None

    return str(await until(status, within=WITHIN))


def delivering(gateway: Whole, change: Any = None) -> Behaviour:
    """Return a node's behaviour that stores a result and signs it; ``change`` alters the signed
    result.
    """

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        assert dispatch.output is not None
        await gateway.gateway.ports.objects.put(dispatch.output.key, CONTENT)
        told = JobResult(
            **attempt_of(dispatch),
            status="completed",
            result_ref=dispatch.output.key,
            sha256=hashlib.sha256(CONTENT).hexdigest(),
            size=len(CONTENT),
        )
        told = node.signed(dispatch, told)
        await node.send(told if change is None else change(node, told))

    return behave


async def test_work_that_was_paid_for_has_a_receipt(
    gateway: Whole, creator: Person, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with FakeNode(gateway.url, behave=delivering(gateway)) as node:
        job = await placed(creator)
        assert await ended(creator, job) == "COMPLETED"
        status, document = await creator.answered("GET", f"/jobs/{job}/receipt")
        assert status == 200, document
        verdict = verify_receipt(document)
        assert verdict.holds, verdict
        assert document["proof"]["entry_id"] == document["entry_id"]
        read = read_receipt(document["receipt"])
        assert isinstance(read, Receipt)
        assert (read.work.job, read.work.node, read.price) == (job, node.node_id, 100_000)
        assert read.work.object == hashlib.sha256(CONTENT).digest()
        assert read.gateway == TwinSigner().receipts().public
        assert document["receipt"]["work"]["parameters"] == {"frame": 3}
        assert (await creator.answered("GET", f"/jobs/{job}/units/0/receipt"))[1] == document
    assert await run_fsck(owner) == []


@pytest.mark.parametrize("upheld", [True, False])
async def test_of_work_that_was_given_back_it_is_withdrawn_and_its_unit_says_so(
    gateway: Whole, creator: Person, owner: "asyncpg.Connection[asyncpg.Record]", upheld: bool
) -> None:
    async with FakeNode(gateway.url, behave=delivering(gateway)):
        job = await placed(creator)
        assert await ended(creator, job) == "COMPLETED"
    _, before = await creator.answered("GET", f"/jobs/{job}/receipt")
    assert "withdrawn" not in before
    status, _ = await creator.call(
        "POST", f"/jobs/{job}/units/0/dispute", {"reason": "it is black"}
    )
    assert status == 201
    [row] = await owner.fetch("SELECT job_id, unit, user_id FROM disputes")
    decided = DisputeDecide(row["job_id"], 0, row["user_id"], upheld, "looked at it")
    assert isinstance(await commit(gateway.gateway, Commit((), (decided,))), Posted)
    _, after = await creator.answered("GET", f"/jobs/{job}/receipt")
    [unit] = (await creator.answered("GET", f"/jobs/{job}/units"))[1]["units"]
    assert (await creator.answered("GET", f"/jobs/{job}"))[1]["given_back"] == int(upheld)
    if not upheld:
        assert (after, unit["given_back"]) == (before, None)
        return
    assert unit["given_back"] == "its dispute was upheld: looked at it"
    gone = after.pop("withdrawn")
    assert after == {**before, "proof": after["proof"]}, "what was signed has not changed"
    assert verify_receipt(after).holds
    assert not verify_receipt({**after, "withdrawn": gone}).holds
    _, history = await creator.answered("GET", "/credits/history")
    assert history["entries"][0]["source"] == "REFUND"
    [entry] = await owner.fetch(
        "SELECT e.entry_id FROM entries e JOIN transfers t ON t.id = e.transfer_id"
        " WHERE t.kind = 'REFUND' AND e.amount > 0"
    )
    assert gone["entry_id"] == entry["entry_id"]


async def test_a_refund_by_an_admin_without_a_dispute_leaves_the_receipt_valid(
    gateway: Whole, creator: Person
) -> None:
    async with FakeNode(gateway.url, behave=delivering(gateway)):
        job = await placed(creator)
        assert await ended(creator, job) == "COMPLETED"
    unit = await gateway.gateway.tables.credits.charged_unit(UUID(job), 0)
    assert unit is not None
    now = gateway.gateway.ports.clock.now()
    act = Act(now, None, "console", REFUND, f"user:{unit.user_id}", "as a courtesy")
    assert isinstance(await commit(gateway.gateway, refund_of(unit, unit.charged, "", act)), Posted)
    assert (await creator.call("GET", "/credits/history"))[1]["entries"][0]["source"] == "REFUND"
    _, document = await creator.call("GET", f"/jobs/{job}/receipt")
    assert "withdrawn" not in document
    assert verify_receipt(document).holds
    assert (await creator.call("GET", f"/jobs/{job}"))[1]["given_back"] == 0


async def test_work_that_cost_nothing_has_one_without_an_entry(
    gateway: Whole, creator: Person
) -> None:
    async with FakeNode(gateway.url, behave=delivering(gateway)):
        job = await placed(creator, "echo")
        assert await ended(creator, job) == "COMPLETED"
    _, document = await creator.answered("GET", f"/jobs/{job}/receipt")
    assert (document["entry_id"], document["proof"]) == (None, None)
    assert document["receipt"]["price"] == 0
    assert verify_receipt(document).holds


async def test_anothers_receipt_is_as_absent_as_none(
    gateway: Whole, http: aiohttp.ClientSession, creator: Person
) -> None:
    eve = Person(http, gateway.url)
    await eve.register()
    async with FakeNode(gateway.url, behave=delivering(gateway)):
        job = await placed(creator)
        assert await ended(creator, job) == "COMPLETED"
    assert (await eve.answered("GET", f"/jobs/{job}/receipt"))[0] == 404
    assert (await eve.answered("GET", f"/jobs/{job}/units/0/receipt"))[0] == 404
    assert (await creator.answered("GET", f"/jobs/{job}/units/1/receipt"))[0] == 404
    assert (await creator.answered("GET", f"/jobs/{uuid4()}/receipt"))[0] == 404


async def test_a_node_that_signs_nothing_is_paid_without_one(
    gateway: Whole, creator: Person
) -> None:
    async with FakeNode(gateway.url, behave=delivering(gateway), signs=False):
        job = await placed(creator)
        assert await ended(creator, job) == "COMPLETED"
    assert (await creator.answered("GET", f"/jobs/{job}/receipt"))[0] == 404


def another_signature(_: FakeNode, told: JobResult) -> JobResult:
    return attrs.evolve(told, signature="00" * 64)


def another_key(node: FakeNode, told: JobResult) -> JobResult:
    node.key = generate_key()
    return signed_anew(node, told, {})


def another_unit(node: FakeNode, told: JobResult) -> JobResult:
    return signed_anew(node, told, {"unit": 1})


def another_attempt(node: FakeNode, told: JobResult) -> JobResult:
    return signed_anew(node, told, {"attempt": 2})


def another_object(node: FakeNode, told: JobResult) -> JobResult:
    return signed_anew(node, told, {"object": {"sha256": "11" * 32, "size": len(CONTENT)}})


def other_inputs(node: FakeNode, told: JobResult) -> JobResult:
    return signed_anew(node, told, {"inputs": ["ab" * 32]})


def other_parameters(node: FakeNode, told: JobResult) -> JobResult:
    return signed_anew(node, told, {"parameters": {"frame": 777, "samples": 65536}})


def another_kind(node: FakeNode, told: JobResult) -> JobResult:
    return signed_anew(node, told, {"job_type": "brain_surgery"})


def begun_long_ago(node: FakeNode, told: JobResult) -> JobResult:
    return signed_anew(node, told, {"begun": "2001-01-01T00:00:00.000000Z"})


def not_ended_yet(node: FakeNode, told: JobResult) -> JobResult:
    return signed_anew(node, told, {"ended": "2091-01-01T00:00:00.000000Z"})


def no_work(node: FakeNode, told: JobResult) -> JobResult:
    return signed_anew(node, told, {"begun": "yesterday"})


def signed_anew(node: FakeNode, told: JobResult, change: dict[str, Any]) -> JobResult:
    work = {**(told.work or {}), **change}
    if not change:
        work["node"] = {**work["node"], "key": node.key.public_key().public_bytes_raw().hex()}
    return attrs.evolve(told, work=work, signature=sign_work(work, node.key))


@pytest.mark.parametrize(
    "change",
    [
        *(another_signature, another_key, another_unit, another_attempt, another_object, no_work),
        *(other_inputs, other_parameters, another_kind, begun_long_ago, not_ended_yet),
    ],
)
async def test_who_signs_what_is_not_so_is_not_paid(
    gateway: Whole, creator: Person, owner: "asyncpg.Connection[asyncpg.Record]", change: Any
) -> None:
    async with FakeNode(gateway.url, behave=delivering(gateway, change)):
        job = await placed(creator)

        async def failure() -> str | None:
            _, found = await creator.answered("GET", f"/jobs/{job}/units")
            said: str | None = found["units"][0]["error_class"]
            return said

        assert await until(failure, within=WITHIN) == "node"
        _, found = await creator.answered("GET", f"/jobs/{job}")
        assert found["charged"] == "0.0000"
    assert await run_fsck(owner) == []
