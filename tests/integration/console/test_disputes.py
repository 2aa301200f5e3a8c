"""Disputes in the console: opened for charges, decided by admins, and their effect on credits."""

import html
import json
import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from actors.ledger.effects import DisputeDecide, DisputeOpen
from sql.account_names import operator_account
from sql.earnings import GivenComparison
from sql.store import SqlStore
from sql.units import result_key, sheet_key
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import dispatch, tiled
from tests.integration.console.people import Visitor, newcomer
from tests.integration.console.work import PRICE, charge, joined
from tests.integration.web.test_admin_credits import books
from tests.support.databases import execute
from tests.support.http_gateway import Face

LIST = "/console/disputes"


@pytest.fixture
async def otto(face: Face) -> Visitor:
    return await newcomer(face, email="otto@example.org")


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", text)))


async def animation(face: Face, dsn: str, jane: Visitor, otto: Visitor) -> UUID:
    """Submit a job of three units; Otto's node has completed two units, which are charged."""
    job, node = uuid4(), await joined(dsn, ", owner_id", f", '{otto.id}'")
    order = dispatch(UUID(jane.id), job, PRICE, 3, node)
    await face.book(order)
    for number in (0, 1):
        await charge(face, job, number, node, operator_account(UUID(otto.id)))
    return job


async def open_one(jane: Visitor, job: UUID, unit: int = 0, reason: str = "it is black") -> str:
    """Open a dispute, and return its address."""
    form = {"unit": str(unit), "problem": "black", "reason": reason}
    answer = await jane.post(f"/console/jobs/{job}/dispute", form)
    assert answer.status == 303, await answer.text()
    return str(answer.headers["Location"])


async def test_a_dispute_is_opened_at_a_charged_frame_and_upheld(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor, otto: Visitor
) -> None:
    job = await animation(face, database.owner_dsn, jane, otto)
    _, text = await jane.get(f"/console/jobs/{job}")
    offered = re.findall(rf'href="(/console/jobs/{job}/dispute\?unit=\d)"', text)
    assert offered == [f"/console/jobs/{job}/dispute?unit={unit}" for unit in (0, 1)]
    assert "/dispute?unit=" not in (await ann.get(f"/console/jobs/{job}"))[1], "only the owner may"
    _, text = await jane.get(offered[1])
    assert "10 cr were charged" in plain(text)
    there = await open_one(jane, job, 1)
    _, text = await jane.get(there)
    said = plain(text)
    assert "open" in said
    assert "it is black" in said
    assert "Uphold" not in said
    assert "otto@example.org" not in said, "only admins are told whose node it was"
    _, text = await jane.get(f"/console/jobs/{job}")
    assert f'href="{there}"' in text
    _, text = await ann.get(LIST + "?is=open")
    assert f'href="{there}"' in text
    said = plain((await ann.get(there))[1])
    assert "jane@example.org" in said
    assert "otto@example.org" in said
    assert "7 cr" in said
    answer = await ann.post(f"{there}/uphold", {"reason": "it is, indeed"})
    assert answer.status == 303, await answer.text()
    for visitor, moved in ((jane, 1), (ann, 2)):
        _, text = await visitor.get(there)
        entries = re.findall(r'href="/console/ledger/entry\?number=(\d+)"', text)
        assert ("upheld" in plain(text), "it is, indeed" in plain(text)) == (True, True)
        assert len(entries) == moved, "only admins see the entries of other accounts"
    _, text = await jane.get(f"/console/jobs/{job}")
    assert "its dispute was upheld: it is, indeed" in plain(text), "beside its attempt, and why"
    assert ("refunded</span>" in text, "refunded</small>" in text) == (True, True), (
        "both the unit and its frame are shown as refunded"
    )
    _, text = await ann.get("/console/settings?tab=audit")
    assert "dispute.uphold" in text
    assert await books(database) == []


async def test_the_page_shows_what_its_creator_compared(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor, otto: Visitor
) -> None:
    job = await animation(face, database.owner_dsn, jane, otto)
    there = await open_one(jane, job)
    assert "Comparison" not in (await jane.get(there))[1]
    given = GivenComparison("different", "0.9 times the noise", [(0.5, 0.5)], b"\x89PNG\r\n\x1a\n")
    dispute = UUID(there.rpartition("/")[2])
    await face.gateway.tables.disputes.keep_comparison(dispute, given)
    eve = await newcomer(face, email="eve@example.org")
    for visitor, status in ((jane, 200), (ann, 200), (otto, 200), (eve, 404)):
        _, text = await visitor.get(there)
        assert ("different: 0.9 times the noise" in plain(text)) is (status == 200)
        assert (await visitor.ask("GET", f"{there}/picture")).status == status


async def test_both_sides_see_the_picture_of_the_verifier_that_decided(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor, otto: Visitor
) -> None:
    """The operator sees neither the creator's words nor the creator's entries, jobs and files."""
    job = await animation(face, database.owner_dsn, jane, otto)
    there = await open_one(jane, job)
    given = GivenComparison("different", "0.9 times the noise", [(0.5, 0.5)], None)
    await face.gateway.tables.disputes.keep_comparison(UUID(there.rpartition("/")[2]), given)
    key = sheet_key(result_key(UUID(jane.id), job, 0, 1))
    await face.gateway.ports.objects.put(key, b"\x89PNG\r\n\x1a\n")
    shown = f'<img src="{there}/check"'
    eve = await newcomer(face, email="eve@example.org")
    for is_decided in (False, True):
        if is_decided:
            await face.do(
                DisputeDecide(
                    job, 0, UUID(jane.id), True, "a check found that the result is invalid"
                )
            )
        for visitor, status in ((jane, 200), (ann, 200), (otto, 200), (eve, 404)):
            found, text = await visitor.get(there)
            assert (found, shown in text) == (status, status == 200)
            answer = await visitor.ask("GET", f"{there}/check")
            assert answer.status == (303 if status == 200 else 404)
    text = (await otto.get(there))[1]
    said = plain(text)
    assert ("a check found that the result is invalid" in said, "7 cr" in said) == (True, True)
    assert "it is black" not in said
    assert "jane@example.org" not in said
    for path in (f"/console/jobs/{job}", f"/console/frames/{job}", "/console/ledger/entry"):
        assert path not in text
    await face.gateway.ports.objects.delete(key)
    assert shown not in (await jane.get(there))[1]
    assert (await jane.ask("GET", f"{there}/check")).status == 404


async def test_the_page_shows_the_delivered_picture(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor, otto: Visitor
) -> None:
    job = await animation(face, database.owner_dsn, jane, otto)
    there = await open_one(jane, job)
    picture, row = f'"/console/frames/{job}?unit=0&amp;of=1"', f"WHERE id = '{job}'"
    for params, is_displayed in (({}, True), ({"format": "OPEN_EXR"}, False)):
        plan = f"jsonb_set(plan, '{{spec,params}}', '{json.dumps(params)}')"
        await execute(
            database.owner_dsn, f"UPDATE jobs SET job_type = 'render', plan = {plan} {row}"
        )
        for visitor in (jane, ann):
            _, text = await visitor.get(there)
            assert (f"<img src={picture}" in text) is is_displayed
            assert f"<a href={picture}" in text
    key, bucket = result_key(UUID(jane.id), job, 0, 1), face.gateway.settings.objects.bucket
    await execute(database.owner_dsn, f"UPDATE units SET result_key = 's3://{bucket}/{key}'")
    for visitor, status in ((ann, 303), (otto, 404)):
        answer = await visitor.ask("GET", f"/console/frames/{job}?unit=0&of=1")
        assert answer.status == status
    eve = await newcomer(face, email="eve@example.org")
    for visitor, status in ((otto, 303), (eve, 404)):
        answer = await visitor.ask("GET", f"{there}/delivered")
        assert answer.status == status
    assert f'<a href="{there}/delivered"' in (await otto.get(there))[1]
    by_gateway = f"UPDATE disputes SET by_gateway = true WHERE job_id = '{job}'"
    await execute(database.owner_dsn, by_gateway)
    assert (await otto.ask("GET", f"{there}/delivered")).status == 404
    assert f"{there}/delivered" not in (await otto.get(there))[1], "its creator has not asked"


async def test_the_page_shows_what_a_check_found_that_does_not_decide_it(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor, otto: Visitor
) -> None:
    job = await animation(face, database.owner_dsn, jane, otto)
    there = await open_one(jane, job)
    assert "it is inconclusive" not in plain((await jane.get(there))[1])
    store = SqlStore(face.gateway.database)
    await store.note_finding(job, 0, "invalid: of the whole frame 0.4 times the noise")
    for visitor in (jane, ann):
        said = plain((await visitor.get(there))[1])
        assert "of the whole frame 0.4 times the noise" in said
        assert "it is inconclusive, so an admin decides" in said


async def test_one_is_rejected_and_the_creator_reads_why(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor, otto: Visitor
) -> None:
    job = await animation(face, database.owner_dsn, jane, otto)
    there = await open_one(jane, job)
    answer = await ann.post(f"{there}/reject", {"reason": "the scene has no lamp"})
    assert answer.status == 303
    said = plain((await jane.get(there))[1])
    assert "rejected" in said
    assert "the scene has no lamp" in said
    assert "TransfersNone" in said
    answer = await ann.post(f"{there}/uphold", {"reason": "after all"})
    assert (answer.status, "already decided: it is rejected" in await answer.text()) == (409, True)
    _, text = await jane.get(LIST)
    assert f'href="{there}"' in text
    assert there not in (await jane.get(LIST + "?is=upheld"))[1]


@pytest.mark.parametrize("days", [1, 31])
async def test_an_admin_finds_withheld_shares_and_pays_one(
    face: Face,
    database: PostgresEndpoint,
    ann: Visitor,
    jane: Visitor,
    otto: Visitor,
    *,
    days: int,
) -> None:
    """An alert on the overview links to shares that have waited 30 days for a check."""
    job, id_ = await animation(face, database.owner_dsn, jane, otto), uuid4()
    opened = DisputeOpen(
        *(id_, job, 1, UUID(jane.id), "another result was invalid", timedelta(0)), by_gateway=True
    )
    await face.do(opened)
    past = f"UPDATE disputes SET opened_at = now() - interval '{days} days'"
    await execute(database.owner_dsn, past)
    there, mine = f"{LIST}/{id_}", await open_one(jane, job, 0)
    text = (await ann.get("/console"))[1]
    is_due = days > 30
    assert ("1 earning is withheld for 30 days" in text) is is_due
    assert (f'href="{LIST}?is=withheld"' in text) is is_due
    text = (await ann.get(LIST + "?is=withheld"))[1]
    assert (there in text, mine in text) == (True, False)
    assert ("an admin decides" in plain(text), "withheld until" in plain(text)) == (
        is_due,
        not is_due,
    )
    assert "is=withheld" not in (await jane.get(LIST))[1]
    said = plain((await ann.get(there))[1])
    assert ("Pay the earning" in said, "Cancel the earning" in said) == (True, True)
    assert ("No verifier has compared it for 30 days" in said) is is_due
    assert "Another result of the same operator was invalid" in said
    answer = await ann.post(f"{there}/reject", {"reason": "it looks right"})
    assert answer.status == 303
    assert there not in (await ann.get(LIST + "?is=withheld"))[1]
    assert "withheld for 30 days" not in (await ann.get("/console"))[1]
    assert "dispute.reject" in (await ann.get("/console/settings?tab=audit"))[1]
    assert await books(database) == []


async def test_who_may_not_is_refused(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor, otto: Visitor
) -> None:
    job = await animation(face, database.owner_dsn, jane, otto)
    form = {"unit": "0", "problem": "black", "reason": "black"}
    assert (await otto.post(f"/console/jobs/{job}/dispute", form)).status == 404
    assert (await otto.get(f"/console/jobs/{job}/dispute?unit=0"))[0] == 404
    answer = await jane.post(f"/console/jobs/{job}/dispute", {**form, "unit": "2"})
    assert answer.status == 409
    answer = await jane.post(f"/console/jobs/{job}/dispute", {**form, "problem": "dull"})
    assert (answer.status, "The problem" in await answer.text()) == (422, True)
    for place, said in (
        ({"left": "10"}, "The place needs all four numbers"),
        ({"left": "60", "top": "0", "width": "50", "height": "9"}, "The place reaches beyond"),
        ({"left": "60", "top": "0", "width": "0", "height": "9"}, "width and height above 0"),
        ({"left": "wide", "top": "0", "width": "9", "height": "9"}, "Left must be a number"),
    ):
        answer = await jane.post(f"/console/jobs/{job}/dispute", {**form, **place})
        assert (answer.status, said in plain(await answer.text())) == (422, True), said
    there = await open_one(jane, job)
    eve = await newcomer(face, email="eve@example.org")
    assert (await eve.get(there))[0] == 404
    assert there not in (await eve.get(LIST))[1]
    assert (await jane.post(f"{there}/uphold", {"reason": "mine"})).status == 403
    own = await open_one(ann, await animation(face, database.owner_dsn, ann, otto))
    answer = await ann.post(f"{own}/uphold", {"reason": "mine"})
    assert (answer.status, "you are a party to" in await answer.text()) == (409, True)


async def test_of_a_frame_in_tiles_each_charged_one_is_offered(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job, node = uuid4(), await joined(database.owner_dsn)
    order = tiled(UUID(jane.id), job, (PRICE, PRICE), 1)
    await face.book(order)
    for number in range(3):
        await charge(face, job, number, node, begun=False)
    _, text = await jane.get(f"/console/jobs/{job}")
    assert f'href="/console/jobs/{job}/dispute?unit=2"' in text
    _, text = await jane.get(f"/console/jobs/{job}/dispute?unit=2")
    assert re.findall(r'<option value="(\d)"', text) == ["0", "1"]
    assert "frame 1, tile 2 of 2" in plain(text)
    there = await open_one(jane, job, 1)
    assert "frame 1, tile 2 of 2" in plain((await jane.get(there))[1])
    _, text = await jane.get(f"/console/jobs/{job}/dispute?unit=2")
    assert re.findall(r'name="unit" value="(\d)"', text) == ["0"]


async def test_what_can_be_disputed_no_more_is_not_offered(
    face: Face, database: PostgresEndpoint, jane: Visitor, otto: Visitor
) -> None:
    job = await animation(face, database.owner_dsn, jane, otto)
    for table, column in (("units", "ended_at"), ("earnings", "payable_at")):
        past = f"UPDATE {table} SET {column} = now() - interval '8 days'"
        await execute(database.owner_dsn, f"{past} WHERE job_id = '{job}' AND {column} IS NOT NULL")
    assert "/dispute?unit=" not in (await jane.get(f"/console/jobs/{job}"))[1]
    _, text = await jane.get(f"/console/jobs/{job}/dispute?unit=0")
    assert "Nothing can be reported here" in plain(text)


async def test_a_problem_is_reported_with_its_place_in_the_picture(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor, otto: Visitor
) -> None:
    job = await animation(face, database.owner_dsn, jane, otto)
    await execute(database.owner_dsn, f"UPDATE jobs SET job_type = 'render' WHERE id = '{job}'")
    _, text = await jane.get(f"/console/jobs/{job}/dispute?unit=0")
    assert f'<img src="/console/frames/{job}?unit=0&amp;of=1"' in text
    place = {"left": "25", "top": "0", "width": "50.5", "height": "100"}
    form = {"unit": "0", "problem": "noise", **place}
    answer = await jane.post(f"/console/jobs/{job}/dispute", form)
    assert answer.status == 303, await answer.text()
    there = answer.headers["Location"]
    for visitor in (jane, ann):
        _, text = await visitor.get(there)
        assert "It has noise or artefacts" in plain(text)
        assert '<rect x="0.25" y="0.0" width="0.505" height="1.0"/>' in text


async def test_a_refused_report_is_still_about_its_frame(
    face: Face, database: PostgresEndpoint, jane: Visitor, otto: Visitor
) -> None:
    job = await animation(face, database.owner_dsn, jane, otto)
    _, text = await jane.get(f"/console/jobs/{job}/dispute?unit=1")
    action = re.search(r'action="([^"]+/dispute[^"]*)"', text)
    assert action is not None
    wide = {"left": "90", "top": "0", "width": "50", "height": "100"}
    answer = await jane.post(action[1], {"unit": "1", "problem": "noise", **wide})
    text = await answer.text()
    assert (answer.status, "reaches beyond the picture" in text) == (422, True)
    assert '<input type="hidden" name="unit" value="1">' in text
    assert f'action="{action[1]}"' in text


async def test_the_operator_answers_on_the_page_and_the_others_read_it(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor, otto: Visitor
) -> None:
    job = await animation(face, database.owner_dsn, jane, otto)
    there = await open_one(jane, job, 1)
    for query in ("", "?is=open", "?is=work", "?sort=about", "?sort=-amount"):
        _, text = await otto.get(LIST + query)
        assert f'href="{there}"' in text, query
        assert ("It is black or empty" in text, "it is black" in text) == (True, False)
        assert ("Your node's work" in plain(text), "7 cr earned" in plain(text)) == (True, True)
        assert "jane@example.org" not in text
    assert there not in (await otto.get(LIST + "?is=upheld"))[1]
    _, text = await jane.get(LIST)
    assert ("About your nodes" in text, "10 cr charged" in plain(text)) == (False, True)
    own = await open_one(otto, await animation(face, database.owner_dsn, otto, jane))
    _, text = await otto.get(LIST)
    assert (own in text, there in text, "Your job" in text) == (True, True, True)
    text = (await otto.get(LIST + "?is=work"))[1]
    assert (own in text, there in text) == (False, True)
    _, text = await otto.get(there)
    said = plain(text)
    assert ("It is black or empty" in said, "it is black" in said) == (True, False)
    assert "jane@example.org" not in said
    assert "1 dispute about your work waits for an answer" in (await otto.get("/console"))[1]
    form = {"text": "The lamp is hidden.", "left": "50", "top": "0", "width": "60", "height": "1"}
    answer = await otto.post(f"{there}/answer", form)
    assert "reaches beyond the picture" in await answer.text()
    for other in (jane, ann):
        assert "Send the answer" not in (await other.get(there))[1]
        assert (await other.post(f"{there}/answer", {"text": "x"})).status == 404
    answer = await otto.post(f"{there}/answer", {**form, "width": "25"})
    assert answer.status == 303, await answer.text()
    for visitor, label in ((otto, "Your answer"), (jane, "The operator says"), (ann, "says")):
        said = plain((await visitor.get(there))[1])
        assert label in said
        assert "The lamp is hidden." in said
        assert "Send the answer" not in said
    assert "otto@example.org" not in plain((await jane.get(there))[1])
    answer = await otto.post(f"{there}/answer", {"text": "more"})
    assert (answer.status, "You have already answered" in await answer.text()) == (409, True)
    await execute(database.owner_dsn, "DELETE FROM problem_reports")
    assert "ProblemSomething else" in plain((await otto.get(there))[1])
    assert "about your work" not in (await otto.get("/console"))[1]
