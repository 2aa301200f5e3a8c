"""Dishonest nodes at a whole gateway with verification: no node is paid, and each pays the penalty.

Tests of the check itself (``tests/integration/node/test_check.py``) find false pictures; here
verifiers just report findings. ``docs/VERIFICATION.md`` lists all lies.
"""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import attrs
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.node_session.sampling import Sampling
from actors.paymaster.actor import PaymasterSettings
from actors.scheduler.settings import SchedulerSettings
from actors.verifier.settings import VerifierSettings
from config.settings import Earnings
from rendertrust.node_key import generate_key
from rendertrust.protocol import Ack, Evidence, Hello, JobDispatch, JobResult
from rendertrust.receipt_check import read_picture, verify_receipt
from rendertrust.testing import FakeNode
from sql.fsck import run_fsck
from sql.nodes import StandingChange
from sql.reputation_rules import STRIKES_MOST
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.attempts import attempt_of
from tests.support.databases import connected
from tests.support.http_gateway import settings_for_tests
from tests.support.proof_readers import Person
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole
from tests.twins.objects import TwinObjects

CLASS, CONTENT, PROOF, WITHIN = "cpu/avx2/5.2", b"a picture", b"its evidence", 60.0
VERIFIERS = 2
VERIFIER = """
INSERT INTO nodes (id, name, public_key, capabilities, verified_at)
VALUES ($1, 'v', $2, '{check}', now())"""
HUGE = 1 << 20  # bytes, the most that the farm allows
EXACT = {"crops": [{"equal": True}] * 3, "finish": {"equal": True}}
OFF: dict[str, Any] = {"crops": [{"equal": False, "off": 0.9}] * 3, "finish": {"equal": True}}
SHA256 = hashlib.sha256(CONTENT).hexdigest()
EVIDENCE = Evidence(sha256=hashlib.sha256(PROOF).hexdigest(), size=len(PROOF))
Lie = Callable[["Farm", FakeNode, JobDispatch], Awaitable[None]]


@attrs.define
class Farm:
    """A gateway, its creator Jane, and the operators named so far."""

    gateway: Whole
    http: aiohttp.ClientSession
    jane: Person
    owner: "asyncpg.Connection[asyncpg.Record]"
    stack: AsyncExitStack
    operators: dict[str, Person] = attrs.Factory(dict[str, Person])
    # keys of the gateway's verifiers
    keys: list[Ed25519PrivateKey] = attrs.Factory(list[Ed25519PrivateKey])

    async def operator(self, name: str) -> Person:
        if name not in self.operators:
            self.operators[name] = Person(self.http, self.gateway.url)
            await self.operators[name].register()
        return self.operators[name]

    async def node(
        self,
        operator: str,
        behave: Any,
        *capabilities: str,
        key: Ed25519PrivateKey | None = None,
        device_class: str = CLASS,
    ) -> FakeNode:
        """Connect a node of an operator until the end of the test."""
        token = (await self.operator(operator)).headers["Authorization"].removeprefix("Bearer ")
        node = FakeNode(
            self.gateway.url,
            name=f"{operator}-{len(capabilities)}",
            capabilities=capabilities,
            user_token=token,
            behave=behave,
            greet=False,
            key=key,
        )
        await self.stack.enter_async_context(node)
        hello = Hello(version="1", slots=4, device_class=device_class, capabilities=capabilities)
        await node.send(hello)
        return node

    async def verifier(self, report: Any) -> FakeNode:
        """Connect one of the gateway's verifiers, which gives this report on all comparisons."""

        async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
            work = report | {"whole": True} if dispatch.params.get("whole") else report
            await node.send(told(dispatch, work=work, result_ref="none:check"))

        return await self.node("the gateway's", behave, "check", key=self.keys.pop())

    async def liar(self, lie: Lie, device_class: str = CLASS) -> FakeNode:
        async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
            await lie(self, node, dispatch)

        return await self.node("eve", behave, "render", device_class=device_class)

    async def place(self) -> str:
        body = {"job_type": "render", "payload_ref": "s3://bucket/k.blend", "params": {"frame": 3}}
        status, placed = await self.jane.call("POST", "/jobs/dispatch", body)
        assert status == 200, placed
        return str(placed["job_id"])

    async def unit(self, job: str) -> Any:
        _, found = await self.jane.answered("GET", f"/jobs/{job}/units")
        return found["units"][0]

    async def blamed(self, job: str) -> Any:
        """Wait until the unit's first attempt counts as the node's failure, and return the unit."""

        async def look() -> Any:
            unit = await self.unit(job)
            return unit if unit["error_class"] == "node" else None

        return await until(look, within=WITHIN)

    async def ends(self, job: str) -> Any:
        async def look() -> Any:
            unit = await self.unit(job)
            return unit if unit["ended_at"] else None

        return await until(look, within=WITHIN)

    async def earned(self, operator: str = "eve") -> int:
        _, found = await self.operators[operator].answered("GET", "/operators/earnings")
        rows = await self.owner.fetch("SELECT coalesce(sum(amount), 0) AS sum FROM earnings")
        assert found is not None
        return int(rows[0]["sum"])

    async def sound(self) -> None:
        assert await run_fsck(self.owner) == []

    async def put(
        self, dispatch: JobDispatch, content: bytes = CONTENT, proof: bytes = PROOF
    ) -> None:
        """Put the unit's result and its evidence into the store."""
        assert dispatch.output is not None
        assert dispatch.evidence is not None
        objects = self.gateway.gateway.ports.objects
        await objects.put(dispatch.output.key, content)
        await objects.put(dispatch.evidence.key, proof)


class Silent:
    """A node that keeps its units and answers nothing."""

    async def __call__(self, node: FakeNode, dispatch: JobDispatch) -> None:
        """Do nothing."""


def told(dispatch: JobDispatch, **given: Any) -> JobResult:
    named: dict[str, Any] = {"result_ref": dispatch.output and dispatch.output.key, **given}
    return JobResult(
        **attempt_of(dispatch),
        status="completed",
        **named,
    )


def honest(node: FakeNode, dispatch: JobDispatch, **changed: Any) -> JobResult:
    given = {"sha256": SHA256, "size": len(CONTENT), "evidence": EVIDENCE, **changed}
    return node.signed(dispatch, told(dispatch, **given))


@pytest.fixture
async def farm(database: PostgresEndpoint) -> AsyncGenerator[Farm]:
    keys = {UUID(int=900 + number): generate_key() for number in range(VERIFIERS)}
    async with connected(database.owner_dsn) as owner:
        for node, key in keys.items():
            await owner.execute(VERIFIER, node, key.public_key().public_bytes_raw())
        checks = {"enabled": "true", "own_nodes": ",".join(map(str, keys))}
        settings = settings_for_tests(credits={"starter": "100"}, verification=checks)
        verifying = VerifierSettings(look_seconds=0.2, own=frozenset(keys))
        running = whole(
            database,
            settings,
            verifying=verifying,
            scheduler=SchedulerSettings(ours=frozenset(keys)),
            paymaster=PaymasterSettings(Earnings(sweep_seconds=0.2)),
            require_object=True,
            verified_types=frozenset({"render"}),
            result_bytes_most=HUGE,
        )
        async with running as gateway, aiohttp.ClientSession() as http, AsyncExitStack() as stack:
            jane = Person(http, gateway.url)
            await jane.register()
            yield Farm(gateway, http, jane, owner, stack, keys=[*keys.values()])


async def delivers(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    await farm.put(dispatch)
    await node.send(honest(node, dispatch))


async def test_an_honest_node_is_paid_for_what_a_verifier_found_right(farm: Farm) -> None:
    node = await farm.liar(delivers)
    job = await farm.place()
    await node.next(Ack, within=WITHIN)
    assert (await farm.unit(job))["state"] == "VERIFYING"
    assert (await farm.jane.answered("GET", f"/jobs/{job}"))[1]["charged"] == "0.0000"
    await farm.verifier(EXACT)
    unit = await farm.ends(job)
    assert (unit["state"], unit["verified"], unit["charged"]) == ("COMPLETED", True, "10.0000")
    _, document = await farm.jane.answered("GET", f"/jobs/{job}/receipt")
    assert verify_receipt(document).holds
    assert document["receipt"]["verdict"] == "exact"
    work = document["receipt"]["work"]
    assert work["object"] == {"sha256": SHA256, "size": len(CONTENT)}
    assert work["measured"]["evidence"] == {"sha256": EVIDENCE.sha256, "size": len(PROOF)}
    assert await farm.earned() == 70_000
    await farm.sound()
    eve = farm.operators["eve"]
    [share] = (await eve.answered("GET", "/operators/me/earnings"))[1]["earnings"]
    path = share["receipt_path"].removeprefix("/api/v1")
    status, seen = await eve.answered("GET", path)
    assert (status, seen["receipt"]) == (200, document["receipt"])
    assert verify_receipt(seen).holds
    assert (await (await farm.operator("olga")).answered("GET", path))[0] == 404


async def test_the_result_is_the_picture_and_evidence_has_an_address_of_its_own(
    farm: Farm,
) -> None:
    await farm.liar(delivers)
    await farm.verifier(EXACT)
    job = await farm.place()
    await farm.ends(job)
    _, result = await farm.jane.answered("GET", f"/jobs/{job}/result")
    assert (result["sha256"], result["size"]) == (SHA256, len(CONTENT))
    status, evidence = await farm.jane.answered("GET", f"/jobs/{job}/units/0/evidence")
    assert (status, evidence["sha256"], evidence["size"]) == (200, EVIDENCE.sha256, len(PROOF))
    assert f"{job}/0/1/evidence" in evidence["download_url"]
    await farm.operator("otto")
    for path in (f"/jobs/{job}/units/1/evidence", f"/jobs/{UUID(int=5)}/units/0/evidence"):
        assert (await farm.jane.answered("GET", path))[0] == 404
    other = await farm.operators["otto"].answered("GET", f"/jobs/{job}/units/0/evidence")
    assert other[0] == 404
    _, unit = await farm.jane.answered("GET", f"/jobs/{job}/units")
    assert unit["units"][0]["sha256"] == SHA256


async def test_a_lie_is_not_paid_and_a_strike_that_its_operator_sees(farm: Farm) -> None:
    """Both the drawn regions and the whole frame differ."""
    node = await farm.liar(delivers)
    verifier = await farm.verifier(OFF)
    job = await farm.place()
    unit = await farm.blamed(job)
    assert (unit["charged"], await farm.earned()) == ("0.0000", 0)
    _, seen = await farm.operators["eve"].answered("GET", f"/nodes/{node.node_id}/checks")
    [found] = seen["checks"]
    assert (found["verdict"], found["strike"]) == ("invalid", True)
    assert "of the whole frame 0.9 times the noise" in found["said"]
    asked = [one for one in verifier.received if isinstance(one, JobDispatch)]
    assert [bool(one.params.get("whole")) for one in asked] == [False, True]
    await farm.sound()


async def test_a_refusal_by_another_kind_of_device_costs_its_node_the_unit_and_no_more(
    farm: Farm,
) -> None:
    """A processor checks a graphics card's frame by comparing it with renders of other seeds."""
    node = await farm.liar(delivers, "optix/x86_64/5.2")
    looks = [[{"reasons": ["softened"]}]] * 2
    refused = {"crops": OFF["crops"], "across": {"outcome": "refused", "looks": looks}}
    verifier = await farm.verifier(refused)
    job = await farm.place()
    unit = await farm.blamed(job)
    assert (unit["charged"], await farm.earned()) == ("0.0000", 0)
    assert "other-device: softened" in unit["error_message"]
    _, seen = await farm.operators["eve"].answered("GET", f"/nodes/{node.node_id}/checks")
    [found] = seen["checks"]
    assert (found["verdict"], found["strike"]) == ("invalid", False)
    asked = next(one for one in verifier.received if isinstance(one, JobDispatch))
    assert len(asked.params["across"]) == 3
    await farm.sound()


async def test_nobody_but_the_gateways_verifiers_is_asked(farm: Farm) -> None:
    """The other nodes with ``check`` are the liar's own and a stranger's."""
    node = await farm.liar(delivers)
    others = [await farm.node(who, Silent(), "check") for who in ("eve", "olga")]
    job = await farm.place()
    await node.next(Ack, within=WITHIN)
    await farm.verifier(EXACT)
    assert (await farm.ends(job))["state"] == "COMPLETED"
    for one in others:
        assert not any(isinstance(frame, JobDispatch) for frame in one.received)
    await farm.sound()


async def wrong_hash(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    await farm.put(dispatch)
    await node.send(attrs.evolve(honest(node, dispatch), sha256="11" * 32))


async def no_object(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    await node.send(honest(node, dispatch))


async def a_huge_object(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    huge = bytes(HUGE + 1)
    await farm.put(dispatch, huge)
    sha256 = hashlib.sha256(huge).hexdigest()
    await node.send(
        node.signed(dispatch, told(dispatch, sha256=sha256, size=len(huge), evidence=EVIDENCE))
    )


async def signed_for_another(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    await farm.put(dispatch)
    other = node.signed(attrs.evolve(dispatch, unit=1), honest(node, dispatch))
    await node.send(attrs.evolve(other, unit=0))


async def signed_for_another_build(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    """Deliver a result signed for another Blender build, which no verifier has."""
    await farm.put(dispatch)
    node.device_class = "cpu/avx2/nobody-has-it"  # the node's hello named another class
    await node.send(honest(node, dispatch))


async def other_evidence(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    await farm.put(dispatch, proof=b"of an old one")
    await node.send(honest(node, dispatch))


async def signed_for_other_evidence(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    await farm.put(dispatch, proof=b"OF ANOTHER..")
    other = Evidence(sha256=hashlib.sha256(b"OF ANOTHER..").hexdigest(), size=12)
    await node.send(attrs.evolve(honest(node, dispatch), evidence=other))


async def huge_evidence(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    huge = bytes(HUGE + 1)
    await farm.put(dispatch, proof=huge)
    evidence = Evidence(sha256=hashlib.sha256(huge).hexdigest(), size=len(huge))
    await node.send(honest(node, dispatch, evidence=evidence))


async def late_evidence(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    assert dispatch.output is not None
    await farm.gateway.gateway.ports.objects.put(dispatch.output.key, CONTENT)
    await node.send(honest(node, dispatch))
    await node.next(Ack, within=WITHIN)
    await farm.put(dispatch)


LIES: dict[str, Lie] = {
    "a wrong hash": wrong_hash,
    "no object": no_object,
    "a signature for another unit": signed_for_another,
    "a signature for another build": signed_for_another_build,
    "other evidence": other_evidence,
    "a signature for other evidence": signed_for_other_evidence,
    "a huge object": a_huge_object,
    "huge evidence": huge_evidence,
    "evidence that comes late": late_evidence,
}
BY_DAY = (
    *("a wrong hash", "no object", "other evidence"),
    *("a signature for another unit", "a signature for another build"),
)
# A failed upload is a failure that says nothing about the node's honesty.
NO_LIES = (
    *("no object", "evidence that comes late"),
    "a signature for another build",  # the node may have updated Blender meanwhile
)


@pytest.mark.parametrize(
    "name",
    [name if name in BY_DAY else pytest.param(name, marks=pytest.mark.nightly) for name in LIES],
)
async def test_what_the_gateway_sees_itself_needs_no_check(farm: Farm, name: str) -> None:
    await farm.verifier(EXACT)
    await farm.liar(LIES[name])
    unit = await farm.blamed(await farm.place())
    assert (unit["charged"], await farm.earned()) == ("0.0000", 0)
    rows = await farm.owner.fetch("SELECT verdict, verifier_id, said FROM checks WHERE attempt = 1")
    found = [(row["verdict"], row["verifier_id"], bool(row["said"])) for row in rows]
    assert found == ([] if name in NO_LIES else [("invalid", None, True)])
    await farm.sound()


async def test_the_third_lie_puts_its_node_into_quarantine(farm: Farm) -> None:
    """The operator sees the reason; the node gets only its owner's work, and has two strikes after
    release.
    """
    node = await farm.liar(wrong_hash)
    for _ in range(STRIKES_MOST):
        job = await farm.place()
        await farm.blamed(job)
        status, answer = await farm.jane.call("POST", f"/jobs/{job}/stop")
        assert status == 200, answer
    eve = farm.operators["eve"]

    async def quarantined() -> Any:
        _, found = await eve.answered("GET", f"/nodes/{node.node_id}")
        return found if found["standing"] == "QUARANTINED" else None

    found = await until(quarantined, within=WITHIN)
    assert "3 of its results" in found["standing_reason"]
    [known] = found["reputation"]
    assert (known["invalid"], known["strikes"], known["valid"]) == (3, 3, 0)
    _, told_of = await eve.answered("GET", f"/nodes/{node.node_id}/checks")
    assert {one["verdict"] for one in told_of["checks"]} == {"invalid"}
    assert all("SHA-256 differs" in one["said"] for one in told_of["checks"])
    asked = len([frame for frame in node.received if isinstance(frame, JobDispatch)])
    other = await farm.node("olga", Silent(), "render")
    job = await farm.place()
    await other.next(JobDispatch, within=WITHIN)
    assert (await farm.unit(job))["node_id"] == str(other.node_id)
    assert asked == len([frame for frame in node.received if isinstance(frame, JobDispatch)])
    nodes, row = farm.gateway.gateway.tables.nodes, UUID(str(node.node_id))
    said = StandingChange(row, 1, "ACTIVE", "it was a broken disk")
    assert await nodes.stand(said, None) is not None
    [record] = await nodes.records([row])
    assert (record.released, record.before, record.since) == (True, "mmm", "")
    assert record.reputation.strikes == STRIKES_MOST - 1
    await farm.sound()


async def test_an_object_that_is_swapped_after_the_verdict_is_not_the_one_of_the_receipt(
    farm: Farm, tmp_path: Path
) -> None:
    """The node can write while its URL is valid, but the receipt's SHA-256 reveals the swap."""
    placed: list[JobDispatch] = []

    async def later(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
        placed.append(dispatch)
        await delivers(farm, node, dispatch)

    await farm.liar(later)
    await farm.verifier(EXACT)
    job = await farm.place()
    unit = await farm.ends(job)
    await farm.put(placed[0], b"another picture, and no evidence")
    assert unit["sha256"] == SHA256
    _, document = await farm.jane.answered("GET", f"/jobs/{job}/receipt")
    assert document["receipt"]["work"]["object"]["sha256"] == SHA256
    (tmp_path / "frame.zip").write_bytes(b"another picture, and no evidence")
    assert not verify_receipt(document, picture=read_picture(tmp_path / "frame.zip")).holds
    (tmp_path / "frame.zip").write_bytes(CONTENT)
    assert verify_receipt(document, picture=read_picture(tmp_path / "frame.zip")).holds


async def test_nothing_can_be_put_in_the_place_of_what_was_delivered(farm: Farm) -> None:
    """The URL allows a single upload, so a node that knows of a draw cannot replace its result."""
    swaps: list[int] = []

    async def swaps_it(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
        objects, output = farm.gateway.gateway.ports.objects, dispatch.output
        assert isinstance(objects, TwinObjects)
        assert output is not None
        await delivers(farm, node, dispatch)
        await node.next(Ack, within=WITHIN)
        swaps.append((await objects.request("PUT", output.url, output.headers, b"other")).status)

    await farm.liar(swaps_it)
    job = await farm.place()
    await until(lambda: bool(swaps), within=WITHIN)
    await farm.verifier(OFF)
    assert (await farm.blamed(job))["charged"] == "0.0000"
    assert (swaps[0], await farm.earned()) == (412, 0)


async def test_a_node_that_leaves_after_its_lie_has_its_strike_all_the_same(farm: Farm) -> None:
    node = await farm.liar(delivers)
    job = await farm.place()
    await node.next(Ack, within=WITHIN)
    await node.disconnect()
    await farm.verifier(OFF)
    assert (await farm.blamed(job))["charged"] == "0.0000"
    _, seen = await farm.operators["eve"].answered("GET", f"/nodes/{node.node_id}/checks")
    [found] = seen["checks"]
    assert (found["verdict"], found["strike"], await farm.earned()) == ("invalid", True, 0)
    await farm.sound()


@pytest.mark.parametrize(
    ("said", "state", "charged", "earned"),
    [(EXACT, "COMPLETED", "10.0000", 70_000), (OFF, "CANCELLED", "0.0000", 0)],
)
async def test_what_was_delivered_before_its_job_is_stopped_is_paid_if_it_is_right(
    farm: Farm, said: Any, state: str, charged: str, earned: int
) -> None:
    node = await farm.liar(delivers)
    job = await farm.place()
    await node.next(Ack, within=WITHIN)
    for _ in range(2):
        status, answer = await farm.jane.call("POST", f"/jobs/{job}/stop")
        assert status == 200, answer
        assert (answer["status"], answer["paused"]) == ("PAUSED", "stopped")
    for wish in ("pause", "resume"):
        status, refused = await farm.jane.call("POST", f"/jobs/{job}/{wish}")
        assert (status, refused["detail"]) == (
            409,
            "Job was stopped; it ends once its last results are verified",
        )
    await farm.verifier(said)
    unit = await farm.ends(job)
    assert (unit["state"], unit["attempt"]) == (state, 1)
    assert (unit["charged"], await farm.earned()) == (charged, earned)
    assert (await farm.jane.answered("GET", f"/jobs/{job}"))[1]["status"] == state
    await farm.sound()


async def test_a_result_after_the_job_was_stopped_is_not_paid(farm: Farm) -> None:
    async def late(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
        status, answer = await farm.jane.call("POST", f"/jobs/{dispatch.job_id}/stop")
        assert (status, answer["status"]) == (200, "CANCELLED")
        await delivers(farm, node, dispatch)

    node = await farm.liar(late)
    await farm.verifier(EXACT)
    unit = await farm.ends(await farm.place())
    await node.next(Ack, within=WITHIN)
    assert (unit["state"], unit["charged"], await farm.earned()) == ("CANCELLED", "0.0000", 0)
    await farm.sound()


async def test_what_was_pending_at_the_draw_pays_the_fine_whatever_comes_between(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dispute windows end, and an accomplice disputes one of the earnings, before the
    verdict.
    """

    async def draw(*_: Any) -> tuple[float, float]:
        return 0.0, 0.5

    monkeypatch.setattr(Sampling, "draw", draw)
    node, verifier = await farm.liar(delivers), await farm.verifier(EXACT)
    jobs = [await farm.place() for _ in range(2)]
    for job in jobs:
        await farm.ends(job)
        await node.next(Ack, within=WITHIN)
    await verifier.disconnect()
    lie = await farm.place()
    await node.next(Ack, within=WITHIN)
    assert (await farm.unit(lie))["state"] == "VERIFYING"
    path = f"/jobs/{jobs[0]}/units/0/dispute"
    assert (await farm.jane.call("POST", path, {"reason": "black"}))[0] == 201
    await farm.owner.execute("UPDATE earnings SET payable_at = now()")

    def looks() -> int:
        parts = {part.name: part.statistics for part in farm.gateway.tree.vital()}
        figures = parts["paymaster"]
        assert figures is not None
        return figures.handled

    before = looks()
    await until(lambda: looks() >= before + 3, within=WITHIN)
    eve = farm.operators["eve"]
    assert (await eve.call("POST", "/operators/me/payouts", {"to": "credits"}))[0] == 409
    await farm.verifier(OFF)
    await farm.blamed(lie)
    _, found = await eve.answered("GET", "/operators/me/earnings")
    assert [share["state"] for share in found["earnings"]] == ["forfeited"] * 2
    assert {share["why"] for share in found["earnings"]} == {
        "a fine: another result of this operator's nodes was invalid"
    }
    month = f"{datetime.now(UTC):%Y-%m}"
    _, told = await eve.answered("GET", f"/operators/me/statement?month={month}")
    assert (told["earned"], told["fined"], told["closing"]) == ("14.0000", "-14.0000", "0.0000")
    assert told["lines"][-1]["job_id"] == lie
    await farm.sound()
