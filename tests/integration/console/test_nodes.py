"""Counts of nodes on the overview, and the page of a revoked node."""

import re
from uuid import UUID, uuid4

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import dispatch
from tests.integration.console.people import Visitor
from tests.integration.console.test_live_updates import NODE
from tests.integration.console.work import PRICE, joined, worked
from tests.support.databases import execute
from tests.support.http_gateway import Face


async def test_who_has_no_node_is_told_of_none(
    database: PostgresEndpoint, jane: Visitor, ann: Visitor
) -> None:
    await joined(database.owner_dsn, ", status", ", 'HEALTHY'")
    _, text = await jane.get("/console")
    assert "odes healthy" not in text, "nothing is said of others' nodes, and she has none"
    assert "<dt>Nodes healthy</dt><dd>1<" in (await ann.get("/console"))[1]
    await execute(database.owner_dsn, NODE)
    assert "<dt>Your nodes healthy</dt><dd>1<" in (await jane.get("/console"))[1]


async def test_an_embedded_verifier_is_no_node_that_renders(
    database: PostgresEndpoint, ann: Visitor
) -> None:
    await joined(database.owner_dsn, ", status, is_embedded", ", 'HEALTHY', true")
    assert "<dt>Nodes healthy</dt><dd>0<" in (await ann.get("/console"))[1]
    _, fleet = await ann.get("/console/fleet")
    assert "<dt>Nodes healthy</dt><dd>0<small>of 0, without verifiers" in fleet
    assert "None renders" in (await ann.get("/console/readiness"))[1]
    await joined(database.owner_dsn, ", status", ", 'HEALTHY'")
    _, fleet = await ann.get("/console/fleet")
    assert "of 1, without verifiers" in fleet
    assert 'href="/console/fleet/add"' in fleet
    assert "1 node online" in (await ann.get("/console/readiness"))[1]


async def test_preflights_are_no_jobs_of_the_overview(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await worked(face, database.owner_dsn, jane)
    completed = "<dt>Completed today</dt><dd>{}<"
    assert completed.format(1) in (await jane.get("/console"))[1]
    await execute(database.owner_dsn, f"UPDATE jobs SET job_type = 'preflight' WHERE id = '{job}'")
    _, text = await jane.get("/console")
    assert completed.format(0) in text
    assert "No job ended in the last hour." in text


async def test_a_drained_node_is_stopped_by_whoever_did_it(
    database: PostgresEndpoint, jane: Visitor, ann: Visitor
) -> None:
    node = await joined(database.owner_dsn, ", owner_id", f", '{jane.id}'")
    page = f"/console/fleet/{node}"
    for visitor, said in ((ann, "stopped by an admin"), (jane, "stopped by its owner")):
        assert (await visitor.post(f"{page}/drain", {"reason": "dust"})).status == 303
        for path in (page, "/console/fleet", "/console/fleet?show=tiles"):
            _, text = await jane.get(path)
            assert f"<span>{said}</span>" in text, path
        assert (await visitor.post(f"{page}/release", {})).status == 303


async def test_a_node_that_is_shut_out_is_not_called_healthy(
    database: PostgresEndpoint, ann: Visitor
) -> None:
    gone = await joined(database.owner_dsn, ", status, standing", ", 'HEALTHY', 'REVOKED'")
    for path in (f"/console/fleet/{gone}", "/console/fleet", "/console/fleet?show=tiles"):
        _, text = await ann.get(path)
        badges = re.findall(r'<span class="badge \w+">.*?<span>(\w+)</span></span>', text)
        assert "revoked" in badges, path
        assert "healthy" not in badges, path


async def test_a_node_that_was_shut_out_is_no_unhealthy_one_to_look_at(
    database: PostgresEndpoint, ann: Visitor
) -> None:
    await joined(database.owner_dsn, ", status, standing", ", 'UNHEALTHY', 'REVOKED'")
    _, text = await ann.get("/console")
    assert "0 unhealthy" in text
    assert "is unhealthy" not in text
    await joined(database.owner_dsn, ", status", ", 'UNHEALTHY'")
    assert "1 unhealthy" in (await ann.get("/console"))[1]


async def test_what_a_node_says_of_itself_is_read_by_people(
    database: PostgresEndpoint, ann: Visitor
) -> None:
    told = '{"ram": 25276510208, "benchmark": {"cpu_msteps": 4.626}, "cores": 8, "resting": null}'
    node = await joined(database.owner_dsn, ", metadata", f", '{told}'")
    _, text = await ann.get(f"/console/fleet/{node}")
    for name, value in (("Benchmark, CPU", "4.626"), ("Cores", "8"), ("Memory", "23.5 GiB")):
        assert f"<dt><bdi>{name}</bdi></dt><dd><bdi>{value}</bdi></dd>" in text
    assert "null" not in text, "what the node left empty is not shown"


async def test_what_it_delivered_is_not_said_to_be_on_its_way_to_it(
    face: Face, database: PostgresEndpoint, ann: Visitor
) -> None:
    node, job = await joined(database.owner_dsn), uuid4()
    await face.book(dispatch(UUID(ann.id), job, PRICE, 1, node))
    for state, word in (("DISPATCHED", "not sent yet"), ("VERIFYING", "delivered")):
        unit = f"UPDATE units SET state = '{state}', lease_until = NULL WHERE job_id = '{job}'"
        await execute(database.owner_dsn, unit)
        _, text = await ann.get(f"/console/fleet/{node}")
        assert re.findall(r'<span class="none">(not sent yet|delivered)</span>', text) == [word]


async def test_a_supervisor_has_no_drawing_of_messages(face: Face, ann: Visitor) -> None:
    name = face.gateway.tree.snapshot().name
    _, text = await ann.get(f"/console/actors?actor={name}")
    assert "no mailbox" in text
    assert "messages handled" not in text
    assert "data-plot" not in text


async def test_a_node_that_is_not_there_has_no_load(
    database: PostgresEndpoint, ann: Visitor
) -> None:
    node = await joined(database.owner_dsn, ", status, current_load", ", 'OFFLINE', 1.0")
    for path in (f"/console/fleet/{node}", "/console/fleet", "/console/fleet?show=tiles"):
        assert "100 %" not in (await ann.get(path))[1], path
    await execute(database.owner_dsn, f"UPDATE nodes SET status = 'HEALTHY' WHERE id = '{node}'")
    assert "100 %" in (await ann.get(f"/console/fleet/{node}"))[1]


async def test_nobody_is_put_into_quarantine_without_a_reason(
    database: PostgresEndpoint, ann: Visitor
) -> None:
    there = f"/console/fleet/{await joined(database.owner_dsn)}"
    for reason in ("", "  "):
        answer = await ann.post(f"{there}/quarantine", {"reason": reason})
        assert answer.status == 422
        assert 'role="alert">The reason' in await answer.text(), "said beside the field"
    assert "quarantined" not in (await ann.get(there))[1]
    assert (await ann.post(f"{there}/quarantine", {"reason": "black frames"})).status == 303
    assert "black frames" in (await ann.get(there))[1]


async def test_who_releases_a_node_that_is_drained_is_told_that_it_may_have_ended(
    database: PostgresEndpoint, ann: Visitor
) -> None:
    for standing, told in (("DRAINING", "start it again"), ("QUARANTINED", "gets work again.")):
        node = await joined(database.owner_dsn, ", standing", f", '{standing}'")
        there = f"/console/fleet/{node}"
        answer = await ann.post(f"{there}/release", {"reason": "a mistake"})
        assert answer.status == 303
        assert told in (await ann.get(there))[1]
