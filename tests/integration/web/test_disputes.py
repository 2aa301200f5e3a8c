"""Disputes at the HTTP API, over the real Ledger and PostgreSQL."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from actors.ledger.effects import (
    DisputeDecide,
    DisputeOpen,
    EarningMature,
    UnitComplete,
    UnitDeliver,
    UnitVerdict,
)
from actors.ledger.messages import GuardFailed, Posted, RowState
from rendertrust.relay_frames import SHEET_BYTES_MAX
from sql.account_names import operator_account
from sql.earnings import GivenComparison
from sql.gateway_totals import read_totals
from sql.store import SqlStore
from sql.units import result_key, sheet_key
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import dispatch
from tests.integration.web.accounts import Person, register, with_role
from tests.integration.web.earners import OVER, Earner, do, earner, verified_node, work
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_with, with_ledger
from web.money.ledger_client import commit

EARNINGS, DISPUTES = "/api/v1/operators/me/earnings", "/api/v1/disputes"
ADMIN, AUDIT = "/api/v1/admin/disputes", "/api/v1/admin/audit"
BLACK = {"reason": "it is black"}


face = face_with(with_ledger, audited=True)


@pytest.fixture
async def otto(face: Face) -> Earner:
    """Register Otto, an operator with a node."""
    return await earner(face)


def path_of(job: UUID, unit: int | str = 0) -> str:
    return f"/api/v1/jobs/{job}/units/{unit}/dispute"


async def dispute(person: Person, job: UUID, **body: Any) -> tuple[int, Any]:
    status, answer = await person.ask("POST", path_of(job), body or BLACK)
    return status, answer


async def decide(admin: Person, id_: str, verb: str) -> tuple[int, Any]:
    status, answer = await admin.ask("POST", f"{ADMIN}/{id_}/{verb}", {"reason": "looked at it"})
    return status, answer


async def share_of(otto: Earner) -> dict[str, Any]:
    [share] = (await otto.person.ask("GET", EARNINGS))[1]["earnings"]
    return dict(share)


async def test_a_dispute_is_upheld_and_everything_goes_back(
    otto: Earner, jane: Person, admin: Person
) -> None:
    job = await otto.earn(jane)
    assert await jane.balance() == "90.0000"
    status, opened = await dispute(jane, job)
    assert status == 201
    assert (opened["state"], opened["charge"], opened["unit"]) == ("open", "10.0000", 0)
    share = await share_of(otto)
    assert (share["state"], share["disputed"]) == ("pending", True)
    [seen] = (await admin.ask("GET", ADMIN + "?state=open"))[1]["disputes"]
    assert (seen["share"], seen["operator_id"]) == ("7.0000", otto.person.id)
    assert (seen["user_id"], seen["reason"]) == (jane.id, "it is black")
    status, decided = await decide(admin, opened["id"], "uphold")
    assert (status, decided["state"], decided["decision"]) == (200, "upheld", "looked at it")
    assert await jane.balance() == "100.0000"
    share = await share_of(otto)
    assert (share["state"], share["disputed"]) == ("reversed", False)
    assert share["why"] == "a dispute by its creator was upheld"
    entry = (await jane.ask("GET", "/api/v1/credits/history"))[1]["entries"][0]
    assert (entry["source"], entry["direction"], entry["amount"]) == ("REFUND", "CREDIT", "10.0000")
    assert entry["reference_id"] == f"job:{job}:0"
    [mine] = (await jane.ask("GET", DISPUTES))[1]["disputes"]
    assert (mine["state"], mine["decision"]) == ("upheld", "looked at it")
    assert await do(otto.face, EarningMature(job, 0)) == GuardFailed(
        "EarningMature", RowState.REVERSED
    )


async def test_a_jobs_charge_is_less_every_refund(
    otto: Earner, jane: Person, admin: Person
) -> None:
    """A refund by an admin counts as one after an upheld dispute does, wherever the API shows the
    charge.
    """
    job, other = await otto.earn(jane), await otto.earn(jane)

    async def charges() -> set[str]:
        jobs = [
            (await jane.ask("GET", f"/api/v1/jobs/{job}"))[1],
            *(await jane.ask("GET", "/api/v1/jobs"))[1]["jobs"],
            *(await jane.ask("GET", "/api/v1/jobs?status=COMPLETED"))[1]["jobs"],
            *(await admin.ask("GET", "/api/v1/admin/jobs"))[1]["jobs"],
        ]
        [unit] = (await jane.ask("GET", f"/api/v1/jobs/{job}/units"))[1]["units"]
        assert {one["charged"] for one in jobs if one["id"] == str(other)} == {"10.0000"}
        return {unit["charged"]} | {one["charged"] for one in jobs if one["id"] == str(job)}

    assert await charges() == {"10.0000"}
    refund = {"job_id": str(job), "amount": "4", "reason": "it came late"}
    assert (await admin.ask("POST", "/api/v1/admin/credits/refund", refund))[0] == 200
    assert await charges() == {"6.0000"}
    _, opened = await dispute(jane, job)
    assert (await decide(admin, opened["id"], "uphold"))[0] == 200
    assert await charges() == {"0.0000"}
    assert await jane.balance() == "90.0000"


async def test_a_rejected_dispute_lets_the_share_go(
    otto: Earner, jane: Person, admin: Person
) -> None:
    job = await otto.earn(jane)
    _, opened = await dispute(jane, job)
    status, decided = await decide(admin, opened["id"], "reject")
    assert (status, decided["state"]) == (200, "rejected")
    share = await share_of(otto)
    # the dispute window is still open
    assert (share["state"], share["disputed"]) == ("pending", False)
    assert await jane.balance() == "90.0000"
    assert (await dispute(jane, job, reason="still black"))[0] == 409


async def test_what_was_decided_is_decided(otto: Earner, jane: Person, admin: Person) -> None:
    job = await otto.earn(jane)
    _, opened = await dispute(jane, job)
    first = await decide(admin, opened["id"], "uphold")
    assert await decide(admin, opened["id"], "uphold") == first
    status, problem = await decide(admin, opened["id"], "reject")
    assert (status, problem["detail"]) == (409, "The dispute was already decided: it is upheld")
    assert await jane.balance() == "100.0000"
    records = (await admin.ask("GET", f"{AUDIT}?target=dispute:{opened['id']}"))[1]["records"]
    [record] = records  # the repeated decision left no second record
    assert (record["act"], record["actor"]) == ("dispute.uphold", "ann@example.org")
    assert record["reason"] == "looked at it"
    assert record["details"] == {"job": str(job), "unit": 0, "charge": "10.0000"}


async def test_a_unit_is_disputed_once_and_the_same_words_are_the_same_dispute(
    otto: Earner, jane: Person
) -> None:
    job = await otto.earn(jane)
    answers = await asyncio.gather(*(dispute(jane, job) for _ in range(6)))
    assert sorted(status for status, _ in answers) == [200] * 5 + [201]
    assert len({answer["id"] for _, answer in answers}) == 1
    status, problem = await dispute(jane, job, reason="it is white")
    assert (status, problem["detail"][:26]) == (409, "The unit is already disput")


async def test_a_unit_is_not_disputed_after_its_window(otto: Earner, jane: Person) -> None:
    job = await otto.earn(jane, window=OVER)
    status, problem = await dispute(jane, job)
    assert (status, problem["detail"][:18]) == (409, "The dispute window")
    assert isinstance(await do(otto.face, EarningMature(job, 0)), Posted)
    assert (await dispute(jane, job))[0] == 409


async def test_what_is_not_there_or_not_ones_own_is_not_disputed(
    otto: Earner, jane: Person
) -> None:
    job = await otto.earn(jane)
    for person, where in (
        (otto.person, path_of(job)),
        (jane, path_of(job, 1)),
        (jane, path_of(uuid4())),
        (jane, path_of(job, "x")),
        (jane, path_of(job, "00")),
        (jane, path_of(job, "9" * 12)),
    ):
        status, problem = await person.ask("POST", where, BLACK)
        assert (status, problem["detail"]) == (404, "Unit not found"), where
    for body in ({}, {"reason": ""}, {"reason": "x" * 501}):
        assert (await jane.ask("POST", path_of(job), body))[0] == 422


async def test_work_that_cost_nothing_is_not_disputed(otto: Earner, jane: Person) -> None:
    free = await otto.earn(jane, price=0)
    status, problem = await dispute(jane, free)
    assert (status, problem["detail"][:22]) == (409, "The unit cost nothing,")


async def test_an_admin_does_not_decide_on_his_own_matter(
    face: Face, otto: Earner, admin: Person
) -> None:
    job = await otto.earn(admin)
    _, opened = await dispute(admin, job)
    status, problem = await decide(admin, opened["id"], "uphold")
    assert (status, problem["detail"][-17:]) == (409, "ask another admin")
    mine = await verified_node(face, UUID(admin.id))
    jane = await register(face, "joan@example.org")
    own = await work(face, mine, UUID(admin.id), jane)
    _, opened = await dispute(jane, own)
    assert (await decide(admin, opened["id"], "reject"))[0] == 409


async def test_only_admins_decide(
    face: Face, database: PostgresEndpoint, otto: Earner, jane: Person
) -> None:
    _, opened = await dispute(jane, await otto.earn(jane))
    auditor = await with_role(face, database.owner_dsn, "auditor", "aud@example.org")
    for person in (jane, otto.person, auditor):
        for verb in ("uphold", "reject"):
            assert (await decide(person, opened["id"], verb))[0] == 403
    assert (await auditor.ask("GET", ADMIN))[0] == 200
    assert (await jane.ask("GET", ADMIN))[0] == 403
    status, problem = await decide(
        await with_role(face, database.owner_dsn, "admin"), str(uuid4()), "uphold"
    )
    assert (status, problem["detail"]) == (404, "Dispute not found")


# ── shares that the gateway withholds ────────────────────────────────────────────────────────────


async def withhold(otto: Earner, jane: Person, dsn: str, *, days: int) -> tuple[UUID, str]:
    """Create a unit whose share the gateway has withheld for ``days`` days; return the job and the
    dispute's id.
    """
    job, dispute = await otto.earn(jane), uuid4()
    reason = "the gateway: another result of its operator was invalid"
    of = (dispute, job, 0, UUID(jane.id))
    opened = DisputeOpen(*of, reason, timedelta(0), by_gateway=True)
    assert isinstance(await do(otto.face, opened), Posted)
    before = f"UPDATE disputes SET opened_at = now() - interval '{days} days'"
    await execute(dsn, f"{before} WHERE id = '{dispute}'")
    return job, str(dispute)


@pytest.mark.parametrize("days", [29, 31])
@pytest.mark.parametrize(
    ("verb", "state", "spent"),
    [("reject", "payable", "90.0000"), ("uphold", "reversed", "100.0000")],
    ids=["paid", "cancelled"],
)
async def test_an_admin_pays_or_cancels_a_withheld_share(
    otto: Earner,
    jane: Person,
    admin: Person,
    database: PostgresEndpoint,
    *,
    days: int,
    verb: str,
    state: str,
    spent: str,
) -> None:
    """An alert asks for a decision after 30 days; an admin may decide before, and the audit records
    it.
    """
    job, id_ = await withhold(otto, jane, database.owner_dsn, days=days)
    own = await otto.earn(jane)
    await dispute(jane, own)
    figures = (await read_totals(otto.face.gateway.database)).checks
    assert figures.withheld == int(days > 30)
    due = await otto.face.gateway.tables.disputes.withheld()
    assert (due.number, due.due) == (1, int(days > 30))
    over = "UPDATE earnings SET payable_at = now() - interval '1 day'"
    await execute(database.owner_dsn, f"{over} WHERE job_id = '{job}'")
    assert await do(otto.face, EarningMature(job, 0)) == GuardFailed(
        "EarningMature", RowState.PENDING
    )
    status, page = await admin.ask("GET", ADMIN + "?state=open&by_gateway=true")
    assert (status, page["count"]) == (200, 1)
    [seen] = page["disputes"]
    assert (seen["id"], seen["by_gateway"], seen["share"]) == (id_, True, "7.0000")
    until = datetime.fromisoformat(seen["withheld_until"])
    assert (until < datetime.now(UTC)) is (days > 30)
    [other] = (await admin.ask("GET", ADMIN + "?by_gateway=false"))[1]["disputes"]
    assert (other["job_id"], other["withheld_until"]) == (str(own), None)
    status, decided = await decide(admin, id_, verb)
    assert (status, decided["withheld_until"], decided["by_gateway"]) == (200, None, True)
    shares = (await otto.person.ask("GET", EARNINGS))[1]["earnings"]
    assert {one["job_id"]: one["state"] for one in shares}[str(job)] == state
    assert await jane.balance() == f"{float(spent) - 10:.4f}"
    [record] = (await admin.ask("GET", f"{AUDIT}?target=dispute:{id_}"))[1]["records"]
    assert (record["act"], record["reason"]) == (f"dispute.{verb}", "looked at it")
    assert (await read_totals(otto.face.gateway.database)).checks.withheld == 0


async def test_creators_see_that_the_gateway_opened_a_dispute(
    otto: Earner, jane: Person, database: PostgresEndpoint
) -> None:
    await withhold(otto, jane, database.owner_dsn, days=1)
    [mine] = (await jane.ask("GET", DISPUTES))[1]["disputes"]
    assert mine["by_gateway"] is True
    assert "withheld_until" not in mine


# ── disputes with a comparison ───────────────────────────────────────────────────────────────────

SHOWN = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
COMPARED: dict[str, Any] = {
    "verdict": "different",
    "reason": "12 regions: at most 0.9 times the noise",
    "places": [{"x": 0.25, "y": 0.5}],
    "picture": base64.b64encode(SHOWN).decode(),
}


async def deliver(otto: Earner, jane: Person, *, is_settled: bool = True) -> UUID:
    """Book a delivered unit that a verifier opened but did not compare, or one whose verdict is
    pending.
    """
    job, operator = uuid4(), operator_account(UUID(otto.person.id))
    order = dispatch(UUID(jane.id), job, 100_000, 1, otto.node)
    assert isinstance(await commit(otto.face.gateway, order), Posted)
    of = (job, 0, 1)
    result = UnitComplete(*of, otto.node, "x", b"s" * 32, 9, verified=True, operator=operator)
    for effect in (
        UnitDeliver(result, "cpu"),
        *((UnitVerdict(*of, "sampled-out", operator=operator),) if is_settled else ()),
    ):
        assert isinstance(await do(otto.face, effect), Posted)
    return job


async def picture_of(person: Person, job: UUID) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {person.access}"}
    async with person.face.client.get(f"{path_of(job)}/picture", headers=headers) as answer:
        return answer.status, await answer.read()


async def test_a_dispute_carries_a_comparison_that_a_verifier_is_to_repeat(
    otto: Earner, jane: Person
) -> None:
    """Creator and operator see the comparison's picture; a repeated request sends the picture again
    but opens no second dispute.
    """
    job, other = await deliver(otto, jane), await deliver(otto, jane)
    store = SqlStore(otto.face.gateway.database)
    for status in (201, 200):
        found = await dispute(jane, job, **BLACK, comparison=COMPARED)
        assert found[0] == status, found
    assert (await dispute(jane, other))[0] == 201
    [waiting] = await store.pending_checks(10)
    assert (waiting.row.job, waiting.is_again) == (job, True)
    assert waiting.disputed == ((0.25, 0.5),)
    stranger = await register(otto.face, "eve@example.org")
    assert await picture_of(jane, job) == (200, SHOWN)
    assert await picture_of(otto.person, job) == (200, SHOWN)
    for person, of in ((stranger, job), (jane, other)):
        assert (await picture_of(person, of))[0] == 404
    decided = DisputeDecide(job, 0, UUID(jane.id), False, "a check found that the result is exact")
    assert isinstance(await do(otto.face, decided), Posted)
    assert await store.pending_checks(10) == []
    assert (await picture_of(otto.person, job))[0] == 200, "shown after the decision, too"


async def sheet_of(person: Person, job: UUID) -> tuple[int, bytes | None]:
    """Return the status of the request for the verifier's picture, and the downloaded picture."""
    status, found = await person.ask("GET", f"{path_of(job)}/check/picture")
    if status != 200:
        return status, None
    objects: Any = person.face.gateway.ports.objects
    answer = await objects.request("GET", found["download_url"], {})
    assert (answer.status, found["size"]) == (200, len(answer.body))
    return status, answer.body


@pytest.mark.parametrize("upheld", [True, False])
async def test_both_sides_get_the_picture_that_the_verifier_made(
    otto: Earner, jane: Person, admin: Person, database: PostgresEndpoint, *, upheld: bool
) -> None:
    """It comes from the object store, as results do; without an upload there is none."""
    job, other = await deliver(otto, jane), await deliver(otto, jane)
    stranger = await register(otto.face, "eve@example.org")
    auditor = await with_role(otto.face, database.owner_dsn, "auditor", "aud@example.org")
    for one in (job, other):
        assert (await dispute(jane, one, **BLACK, comparison=COMPARED))[0] == 201
        decided = DisputeDecide(one, 0, UUID(jane.id), upheld, "a check found it")
        assert isinstance(await do(otto.face, decided), Posted)
    objects, key = otto.face.gateway.ports.objects, result_key(UUID(jane.id), job, 0, 1)
    await objects.put(sheet_key(key), SHOWN)
    for person in (jane, otto.person, admin, auditor):
        assert await sheet_of(person, job) == (200, SHOWN)
        assert (await sheet_of(person, other))[0] == 404
    assert (await sheet_of(stranger, job))[0] == 404
    await objects.put(sheet_key(key), SHOWN[:8] + bytes(SHEET_BYTES_MAX))
    assert (await sheet_of(jane, job))[0] == 404, "no verifier's agent uploads so much"
    await objects.put(sheet_key(key), SHOWN)
    gone = "INSERT INTO expired_results (job_id, unit, expired_at) VALUES"
    await execute(database.owner_dsn, f"{gone} ('{job}', 0, now())")
    assert (await sheet_of(jane, job))[0] == 404


async def test_disputes_about_unchecked_units_hide_no_result_from_verifiers(
    otto: Earner, jane: Person
) -> None:
    store, kept = SqlStore(otto.face.gateway.database), otto.face.gateway.tables.disputes
    for _ in range(2):
        _, opened = await dispute(jane, await otto.earn(jane))
        await kept.keep_comparison(UUID(opened["id"]), GivenComparison("different", "x", [], None))
    job = await deliver(otto, jane, is_settled=False)
    assert [one.row.job for one in await store.pending_checks(2)] == [job]


async def test_a_comparison_of_a_unit_that_no_verifier_checks_is_for_an_admin(
    otto: Earner, jane: Person
) -> None:
    status, opened = await dispute(jane, await otto.earn(jane), **BLACK, comparison=COMPARED)
    assert (status, opened["state"]) == (201, "open")
    assert await SqlStore(otto.face.gateway.database).pending_checks(2) == []


async def test_a_creator_has_a_bounded_number_of_open_comparisons(
    otto: Earner, jane: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.routes.disputes.COMPARISONS_MOST", 1)
    first, second = await deliver(otto, jane), await deliver(otto, jane)
    assert (await dispute(jane, first, **BLACK, comparison=COMPARED))[0] == 201
    assert (await dispute(jane, first, **BLACK, comparison=COMPARED))[0] == 200
    status, problem = await dispute(jane, second, **BLACK, comparison=COMPARED)
    assert (status, "wait until one is decided" in problem["detail"]) == (409, True)
    decided = DisputeDecide(
        first, 0, UUID(jane.id), False, "a check found that the result is exact"
    )
    assert isinstance(await do(otto.face, decided), Posted)
    assert (await dispute(jane, second, **BLACK, comparison=COMPARED))[0] == 201


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"picture": "no base64"}, "comparison.picture"),
        ({"picture": base64.b64encode(b"<svg/>").decode()}, "comparison.picture"),
        (
            {"picture": base64.b64encode(SHOWN[:8] + bytes(512 << 10)).decode()},
            "comparison.picture",
        ),
        ({"places": [{"x": 1.1, "y": 0.5}]}, "comparison.places[0].x"),
        ({"places": [{"x": 0.1, "y": 0.1}] * 9}, "comparison.places"),
        ({"verdict": "black"}, "comparison.verdict"),
        ({"reason": ""}, "comparison.reason"),
    ],
)
async def test_what_is_no_comparison_is_refused_and_nothing_is_disputed(
    otto: Earner, jane: Person, wrong: dict[str, Any], field: str
) -> None:
    job = await deliver(otto, jane)
    status, problem = await dispute(jane, job, **BLACK, comparison={**COMPARED, **wrong})
    assert status == 422
    assert [fault["field"] for fault in problem["errors"]] == [field]
    assert (await jane.ask("GET", DISPUTES))[1]["count"] == 0
