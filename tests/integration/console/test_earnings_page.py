"""The earnings page: sums by day and node, when they become payable, and why results are unpaid."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import UUID

import pytest

from actors.ledger.effects import DisputeDecide
from actors.ledger.messages import Posted
from sql.units import result_key, sheet_key
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer, signed_in
from tests.integration.web.accounts import Person, register
from tests.integration.web.earners import (
    Earner,
    do,
    earner,
    set_usable_account,
    verified_node,
)
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_with, with_ledger

face = face_with(with_ledger)
PAGE = "/console/earnings"
UNPAID = "/api/v1/operators/me/earnings/unpaid"
PNG = b"\x89PNG\r\n\x1a\n"
SUMS = "/api/v1/operators/me/earnings/sums"


def plain(text: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?span[^>]*>", "", text))).split())


def rows_of(text: str, name: str) -> list[str]:
    """Return the rows of the table within the element of this id."""
    table = text.partition(f'id="{name}"')[2].partition("</table>")[0].partition("<tbody>")[2]
    return [plain(row) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.DOTALL)]


@pytest.fixture
async def creator(face: Face) -> Person:
    return await register(face, "jane@example.org")


@pytest.fixture
async def otto(face: Face) -> Earner:
    return await earner(face)


@pytest.fixture
async def visitor(face: Face, otto: Earner) -> Visitor:
    return await signed_in(face, "otto@example.org")


async def placed(
    dsn: str, job: UUID, start: datetime, end: datetime, frames: str | None = None
) -> None:
    """Say when a job's only unit was rendered, and which frames it has."""
    await execute(
        dsn,
        "UPDATE units SET assigned_at = $2, started_at = $2, ended_at = $3, frames = $4"
        " WHERE job_id = $1",
        *(job, start, end, frames),
    )
    await execute(dsn, "UPDATE earnings SET earned_at = $2 WHERE job_id = $1", job, end)


async def judged(
    dsn: str,
    job: UUID,
    verdict: str,
    said: str = "",
    reason: str | None = None,
    *,
    delivered: datetime | None = None,
) -> None:
    """Insert the check of a job's only unit, which was delivered then, or now."""
    await execute(
        dsn,
        "INSERT INTO checks (job_id, unit, attempt, node_id, device_class, verified,"
        " share_percent, window_seconds, opened_at, state, verdict, said, reason, decided_at)"
        " SELECT job_id, number, attempt, node_id, 'cpu', true, 70, 0, coalesce($5, now()),"
        " 'DECIDED', $2, $3, $4, now() FROM units WHERE job_id = $1",
        *(job, verdict, said, reason, delivered),
    )


async def test_a_day_that_is_none_is_answered_in_words(visitor: Visitor) -> None:
    for day in ("x", "31.3.2026", "2026-3-1"):
        status, text = await visitor.get(f"{PAGE}?from={day}")
        assert status == 422
        assert "The first day must be a day from 2000 to 2099, like 2026-03-31." in plain(text)
    assert "You get 70 % of what a creator pays" in plain((await visitor.get(PAGE))[1])


async def test_earnings_are_shown_by_day_and_by_node(
    face: Face, database: PostgresEndpoint, creator: Person, otto: Earner, visitor: Visitor
) -> None:
    dsn = database.owner_dsn
    second = Earner(otto.person, await verified_node(face, UUID(otto.person.id)))
    await execute(dsn, "UPDATE nodes SET name = 'idle', metadata = '{\"cores\": 8}'")
    await execute(dsn, f"UPDATE nodes SET name = 'studio' WHERE id = '{otto.node}'")
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    noon, hour = noon - timedelta(days=2), timedelta(hours=1)
    first = await otto.earn(creator)
    await placed(dsn, first, noon, noon + hour, "1-10")
    await judged(dsn, first, "exact")
    await placed(dsn, await otto.earn(creator), noon, noon + 2 * hour, "1-9x2,20")
    await placed(dsn, await second.earn(creator, price=50_000), noon, noon + hour)
    _, text = await visitor.get(PAGE)
    assert "Earned 17.5 cr" in plain(text.partition('id="earned">')[2])
    assert "17.5 credits were earned on" in plain(text)
    assert len(rows_of(text, "days")) == 1
    nodes = rows_of(text, "nodes")
    assert [row.split()[0] for row in nodes] == ["studio", "idle"]
    assert "14 cr" in nodes[0]
    assert "2 h" in nodes[0], "both units at once are two hours, not three"
    assert "7 cr" in nodes[0], "per hour"
    assert " 16 " in nodes[0], "frames a day"
    assert "none: this gateway verifies nothing" in nodes[0]
    assert "8 cores" in nodes[1]
    assert all("Frames a day" not in row for row in nodes)


UNKNOWN = "\u2013"
PRICING = """
UPDATE jobs SET plan = plan || jsonb_build_object('pricing', jsonb_build_object(
    'work', 1, 'price', (SELECT price FROM units WHERE job_id = $1),
    'pays_for', $2::bigint, 'looked', $1::text))
WHERE id = $1
"""


async def test_earnings_are_shown_by_kind_of_device_with_its_speed(
    database: PostgresEndpoint, creator: Person, otto: Earner, visitor: Visitor
) -> None:
    """Both units on the card at once; a price follows the work that the measuring machine does."""
    dsn, hour = database.owner_dsn, timedelta(hours=1)
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - 2 * 24 * hour
    for device, measured in (
        ("optix/sm_89/550/b1", 9000),
        ("optix/sm_89/550/b2", 9000),
        ("cpu/x86_64/avx2/b1", None),
    ):
        job = await otto.earn(creator)
        await placed(dsn, job, noon, noon + hour)
        await judged(dsn, job, "exact", delivered=noon + hour)
        await execute(dsn, "UPDATE checks SET device_class = $2 WHERE job_id = $1", job, device)
        if measured is not None:
            await execute(dsn, PRICING, job, measured)
    status, found = await otto.person.ask("GET", f"{SUMS}?by=device")
    assert status == 200, found
    told = [(each["device_class"], each["speed"], each["per_hour"]) for each in found["sums"]]
    assert told == [("optix/sm_89/550", 5.0, "14.0000"), ("cpu/x86_64/avx2", None, "7.0000")]
    assert [each["frames"] for each in found["sums"]] == [2, 1]
    _, text = await visitor.get(f"{PAGE}?sort=devices.-earned")
    rows = [re.sub(r" ≈ [0-9.]+ USD", "", row) for row in rows_of(text, "devices")]
    assert rows == [
        "optix/sm_89/550 1 node 5.0 2 14 cr 1 h 14 cr",
        f"cpu/x86_64/avx2 1 node {UNKNOWN} 1 7 cr 1 h 7 cr",
    ]


async def test_sums_of_days_and_of_nodes_are_the_same_and_exact(
    face: Face, database: PostgresEndpoint, creator: Person, otto: Earner
) -> None:
    dsn = database.owner_dsn
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day, hour = timedelta(days=1), timedelta(hours=1)
    midnight, morning = today - 2 * day, today - day + hour
    around, late = await otto.earn(creator), await otto.earn(creator)
    await placed(dsn, around, midnight - hour, midnight + hour / 2, "5-14")
    await placed(dsn, late, morning, morning + 2 * hour)
    await judged(dsn, late, "exact", delivered=morning + hour)  # it waited an hour for its verdict
    # the node delivered without having reported a start
    await execute(dsn, "UPDATE units SET started_at = NULL WHERE job_id = $1", late)
    by = {}
    for name in ("day", "node"):
        status, by[name] = await otto.person.ask("GET", f"{SUMS}?by={name}")
        assert status == 200, by[name]
    days = {each["day"]: each for each in by["day"]["sums"]}
    assert {name: (each["seconds"], each["earned"]) for name, each in days.items()} == {
        f"{today - 3 * day:%F}": (3600.0, "0.0000"),
        f"{today - 2 * day:%F}": (1800.0, "7.0000"),
        f"{today - day:%F}": (3600.0, "7.0000"),
    }
    assert days[f"{midnight:%F}"]["frames"] == 10
    assert days[f"{midnight:%F}"]["per_hour"] == "14.0000"
    [node] = by["node"]["sums"]
    assert (node["node_id"], node["earned"], node["seconds"]) == (str(otto.node), "14.0000", 9000.0)
    assert (node["frames"], node["units"], node["per_hour"]) == (11, 2, "5.6000")
    for found in by.values():
        assert found["total"]["earned"] == "14.0000"
        assert found["total"]["seconds"] == 9000.0
        assert found["nodes"] == 1
    status, found = await creator.ask("GET", f"{SUMS}?by=node")
    assert (status, found["sums"], found["total"]["earned"]) == (200, [], "0.0000")
    for wrong in ("from=2026-02-30", "from=2026-03-02&to=2026-03-01", "from=2020-01-01", "by=job"):
        assert (await otto.person.ask("GET", f"{SUMS}?{wrong}"))[0] == 422


async def test_pending_earnings_say_when_they_become_payable(
    database: PostgresEndpoint, creator: Person, otto: Earner, visitor: Visitor
) -> None:
    await otto.earn(creator)
    await otto.earn(creator, window=timedelta(days=3))
    await otto.ripen(creator)
    _, text = await visitor.get(PAGE)
    soon, later = (datetime.now(UTC).date() + timedelta(days=days) for days in (3, 7))
    assert f"the next become payable on {soon}" in plain(text)
    assert [row[:10] for row in rows_of(text, "coming")] == [str(soon), str(later)]
    assert "Payable 7 cr" in plain(text)
    job = await otto.earn(creator, window=timedelta(days=2))
    body = {"reason": "It is black"}
    status, _ = await creator.ask("POST", f"/api/v1/jobs/{job}/units/0/dispute", body)
    assert status in (200, 201)
    _, text = await visitor.get(PAGE)
    assert "disputed after the decision, not before" in rows_of(text, "coming")[0]
    passed = "UPDATE earnings SET payable_at = now() - interval '2 days' WHERE job_id = $1"
    await execute(database.owner_dsn, passed, job)
    _, text = await visitor.get(PAGE)
    assert "disputed after the decision 7 cr" in rows_of(text, "coming")[0], "no day that is past"


async def test_results_that_were_not_paid_are_listed_with_reasons(
    face: Face, database: PostgresEndpoint, creator: Person, otto: Earner, visitor: Visitor
) -> None:
    dsn = database.owner_dsn
    for verdict, said, reason in (
        ("invalid", "the lower half is black", None),
        ("unverifiable", "", "scene-fails"),
        ("unverified", "another node was faster", None),
    ):
        job = await otto.earn(creator)
        await execute(dsn, "DELETE FROM earnings WHERE job_id = $1", job)
        await judged(dsn, job, verdict, said, reason)
    unchecked = await otto.earn(creator)
    await execute(dsn, "DELETE FROM earnings WHERE job_id = $1", unchecked)
    gone = await otto.earn(creator)
    await execute(dsn, f"UPDATE earnings SET state = 'FORFEITED' WHERE job_id = '{gone}'")
    paid = await otto.earn(creator)
    _, text = await visitor.get(PAGE)
    rows = rows_of(text, "unpaid")
    assert len(rows) == 5
    assert not any(str(paid)[:8] in row for row in rows)
    said = " | ".join(rows)
    assert "The result is invalid: the lower half is black." in said
    assert (
        "It could not be verified: the verifiers cannot render the scene. Nodes with more" in said
    )
    assert "Another node was faster." in said
    assert "It was taken as a fine" in said
    assert "It was not verified, and this farm pays for verified results only." in said
    assert all("7 cr" in row for row in rows)
    other = await newcomer(face, email="olga@example.org")
    assert "No result was refused its pay" in plain((await other.get(PAGE))[1])


async def test_an_invalid_result_has_its_comparison_or_the_reason_why_there_is_none(
    face: Face, database: PostgresEndpoint, creator: Person, otto: Earner, visitor: Visitor
) -> None:
    dsn, objects = database.owner_dsn, face.gateway.ports.objects
    other = await newcomer(face, email="olga@example.org")
    for compared, said in (
        ("whole", "it is false. Comparison"),
        ("regions", "There is no comparison picture: only regions of the frame were rendered"),
        (None, "There is no comparison picture: it was not compared with a render."),
    ):
        job = await otto.earn(creator)
        await execute(dsn, "DELETE FROM earnings WHERE job_id = $1", job)
        await judged(dsn, job, "invalid", "it is false")
        await execute(dsn, "UPDATE checks SET compared = $2 WHERE job_id = $1", job, compared)
        key = sheet_key(result_key(UUID(creator.id), job, 0, 1))
        there = f"{PAGE}/{job}/comparison?unit=0&of=1"
        _, text = await visitor.get(PAGE)
        [row] = [each for each in rows_of(text, "unpaid") if str(job)[:8] in each]
        assert said in row
        assert (f'href="{there}"' in unescape(text)) is (compared == "whole")
        _, found = await otto.person.ask("GET", UNPAID)
        [result] = [each for each in found["results"] if each["job_id"] == str(job)]
        path = f"/api/v1/jobs/{job}/units/0/check/picture"
        assert result["comparison_path"] == (f"{path}?attempt=1" if compared == "whole" else None)
        assert (await visitor.ask("GET", there)).status == 404, "its verifier could not draw it"
        assert (await otto.person.ask("GET", path))[0] == 404
        await objects.put(key, PNG)
        is_there = compared == "whole"
        assert (await visitor.ask("GET", there)).status == (303 if is_there else 404)
        assert (await other.ask("GET", there)).status == 404
        for address, known in ((path, True), (f"{path}?attempt=1", True), (f"{path}?attempt=2", 0)):
            status, answer = await otto.person.ask("GET", address)
            assert (status == 200) is bool(is_there and known), answer
            assert status != 200 or answer["size"] == len(PNG)
        assert (await creator.ask("GET", path))[0] == 404, "only for the node's operator"


async def test_a_reversed_earning_leads_to_its_dispute_and_the_comparison(
    face: Face, database: PostgresEndpoint, creator: Person, otto: Earner, visitor: Visitor
) -> None:
    dsn, job = database.owner_dsn, await otto.earn(creator)
    body = {"reason": "It is black"}
    status, dispute = await creator.ask("POST", f"/api/v1/jobs/{job}/units/0/dispute", body)
    assert status in (200, 201), dispute
    await execute(
        dsn,
        "INSERT INTO comparisons (dispute_id, verdict, said, places, picture)"
        " VALUES ($1, 'different', 'it differs', '{}', '\\x89504e47')",
        UUID(dispute["id"]),
    )
    upheld = DisputeDecide(job, 0, UUID(creator.id), upheld=True, reason="It is black indeed")
    assert isinstance(await do(face, upheld), Posted)
    _, text = await visitor.get(PAGE)
    [row] = rows_of(text, "unpaid")
    assert "Its creator got the charge back: a dispute was upheld. Dispute · Comparison" in row
    there = f"/console/disputes/{dispute['id']}"
    for link in (there, f"{there}/picture"):
        assert f'href="{link}"' in text
        assert (await visitor.ask("GET", link)).status == 200
    _, found = await otto.person.ask("GET", "/api/v1/operators/me/earnings/unpaid")
    [result] = found["results"]
    assert (result["reason"], result["dispute_id"]) == ("refunded", dispute["id"])
    assert result["picture_path"] == f"/api/v1/jobs/{job}/units/0/dispute/picture"


async def test_the_menu_has_the_page_for_people_with_nodes(
    face: Face, database: PostgresEndpoint, creator: Person, visitor: Visitor
) -> None:
    link = 'href="/console/earnings" data-key'
    assert link in (await visitor.get("/console"))[1]
    jane = await signed_in(face, "jane@example.org")
    assert link not in (await jane.get("/console"))[1]
    _, text = await jane.get(PAGE)
    assert "You have no nodes" in plain(text)
    rita = await newcomer(face, database.owner_dsn, "auditor", "rita@example.org")
    assert (await rita.get(PAGE))[0] == 403


async def test_the_statement_of_a_month_is_a_download(
    creator: Person, otto: Earner, visitor: Visitor
) -> None:
    await otto.earn(creator)
    month = f"{datetime.now(UTC):%Y-%m}"
    _, text = await visitor.get(PAGE)
    assert f"<option>{month}</option>" in text
    for form, media in (("csv", "text/csv"), ("pdf", "application/pdf")):
        address = f"/console/api/operators/me/statement?month={month}&format={form}"
        answer = await visitor.ask("GET", address)
        assert (answer.status, answer.content_type) == (200, media)
    _, text = await visitor.get("/console/account/payout-account")
    assert f"<option>{month}</option>" in text
    assert 'action="/console/api/operators/me/statement"' in text


async def test_a_bad_period_is_shown_with_a_reason(visitor: Visitor) -> None:
    status, text = await visitor.get(f"{PAGE}?from=2026-03-02&to=2026-03-01")
    assert status == 422
    assert "The first day must not be after the last day, 2026-03-01." in plain(text)


async def test_payouts_are_listed_with_their_dates(
    creator: Person, otto: Earner, visitor: Visitor
) -> None:
    await otto.ripen(creator)
    mine, own = "/api/v1/operators/me/payouts", "/console/account/payout-account"
    assert (await visitor.post(f"{own}/payout", {"to": "money"})).status == 303
    _, text = await visitor.get(own)
    assert "waits until you have set an account" in plain(text)
    assert "Nothing more is payable yet." in plain(text)
    again = await visitor.post(f"{own}/payout", {"to": "money"})
    assert again.status == 409
    assert '<p class="bad-text" role="alert">Nothing is payable yet.</p>' in await again.text()
    _, text = await visitor.get(PAGE)
    assert "to approve waits for your account" in rows_of(text, "payouts")[0]
    await set_usable_account(otto.person)
    _, text = await visitor.get(PAGE)
    assert "and 7 cr requested as money ≈" in plain(text)
    assert "waits for your account" not in plain(text)
    assert "no payout yet" in plain(text), "the request is not paid yet"
    [row] = rows_of(text, "payouts")
    assert "money to approve" in row
    await otto.ripen(creator)
    assert (await otto.person.ask("POST", mine, {"to": "credits"}))[0] == 200
    _, text = await visitor.get(PAGE)
    assert "last payout 20" in plain(text)
    assert ["credits paid" in row for row in rows_of(text, "payouts")] == [True, False]
