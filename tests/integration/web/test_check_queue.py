"""The queue of checks and the load of the verifiers: the same at API, command line and console."""

import asyncio
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from click.testing import CliRunner

from actors.ledger.effects import UnitAssign, UnitComplete, UnitDeliver
from actors.ledger.messages import Commit, Posted
from rendertrust.client import AsyncClient
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import newcomer, signed_in
from tests.integration.console.work import joined
from tests.integration.web.accounts import PASSWORD, register, with_role
from tests.integration.web.earners import verified_node
from tests.integration.web.test_units import submitted
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_with, with_scheduler
from web.commands.admin import admin
from web.money.ledger_client import commit

face = face_with(with_scheduler)
VERIFIER = """
INSERT INTO verifiers (node_id, device_class, other_classes, cores, checking, load, seen_at)
VALUES ('{node}', '{of}', '{others}', {cores}, {checking}, {load}, now() - interval '{ago} seconds')
"""
OLDER = "UPDATE checks SET opened_at = opened_at - interval '100 seconds' WHERE unit = 1"


async def delivered(face: Face, dsn: str) -> UUID:
    """Deliver two results, of which the first waits for 100 seconds already; return their node."""
    user, node = await face.user(), await verified_node(face, None)
    job = UUID((await submitted(face, user, frames="1-2"))["id"])
    for unit in (0, 1):
        for effect in (
            UnitAssign(job, unit, 1, node),
            UnitDeliver(UnitComplete(job, unit, 1, node, None, verified=True), "cpu"),
        ):
            assert isinstance(await commit(face.gateway, Commit(effects=(effect,))), Posted)
    await execute(dsn, OLDER)
    return node


async def verifier(dsn: str, **of: object) -> UUID:
    """Record a verifier, as a gateway does."""
    node = await joined(dsn)
    given = {"of": "cpu/x86_64/avx2/5.2.0", "cores": 4, "checking": 1, "load": 0.25, "ago": 0}
    given |= {"others": ""}
    await execute(dsn, VERIFIER.format(**{**given, "node": node, **of}))
    return node


async def test_an_admin_sees_the_queue_its_age_and_the_load_of_all_verifiers(
    face: Face, database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = database.owner_dsn
    await delivered(face, dsn)
    busy = await verifier(dsn)
    others = "cpu/x86_64/avx2/5.0 cpu/x86_64/avx2/4.5"
    idle = await verifier(dsn, checking=0, load=0, cores="NULL", ago=20, others=others)
    await verifier(dsn, ago=60, others="cpu/x86_64/avx2/4.2")  # its gateway is gone
    ann = await with_role(face, dsn, "admin")
    status, found = await ann.ask("GET", "/api/v1/admin/checks")
    assert status == 200
    assert 100 <= found["oldest_seconds"] < 160
    assert (found["waiting"], found["overdue"], found["checking"]) == (2, 1, 1)
    shown = {one["node_id"]: one for one in found["verifiers"]}
    assert shown.keys() == {str(busy), str(idle)}
    assert shown[str(busy)]["build"] == "5.2.0"
    assert [shown[str(busy)][name] for name in ("cores", "checking", "load")] == [4, 1, 0.25]
    assert [shown[str(idle)][name] for name in ("cores", "checking", "load")] == [None, 0, 0.0]
    assert datetime.fromisoformat(shown[str(busy)]["seen_at"]) < datetime.now(UTC)

    named = await face.gateway.tables.evidence.verifier_classes(30.0)
    assert named == {"cpu/x86_64/avx2/5.2.0", *others.split()}, "all builds are compared"

    monkeypatch.setenv("RENDERTRUST_DATABASE_URL", database.app_dsn)
    ended = await asyncio.to_thread(CliRunner().invoke, admin, ["checks", "--json"])
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.output)
    assert told["oldest_seconds"] >= found["oldest_seconds"]
    assert {**told, "oldest_seconds": 0} == {**found, "oldest_seconds": 0}
    ended = await asyncio.to_thread(CliRunner().invoke, admin, ["checks"])
    lines = ended.output.splitlines()
    assert lines[0] == "waiting\t2"
    assert lines[2:4] == ["overdue\t1", "being checked\t1"]
    assert f"{busy}\tn\t5.2.0\t4\t1\t25%" in lines
    assert f"{idle}\tn\t5.2.0\t-\t0\t0%" in lines

    async with AsyncClient(str(face.client.make_url("/"))) as client:
        await client.login(ann.email, PASSWORD)
        queue = await client.check_queue()
    assert (queue.waiting, queue.verifiers[0].build) == (2, "5.2.0")

    visitor = await signed_in(face, ann.email)
    status, page = await visitor.get("/console/checks")
    assert status == 200
    for text in ("Being checked", "Overdue", "Oldest pending", f"verifier-{busy}", "25 %"):
        assert text in page


async def test_others_see_only_how_long_their_own_results_wait(
    face: Face, database: PostgresEndpoint
) -> None:
    dsn = database.owner_dsn
    node = await delivered(face, dsn)
    jane, joe = (
        await newcomer(face, email="jill@example.org"),
        await newcomer(face, email="joe@example.org"),
    )
    await execute(dsn, f"UPDATE nodes SET owner_id = '{jane.id}' WHERE id = '{node}'")
    there = await verifier(dsn)
    for visitor, waits in ((jane, True), (joe, False)):
        _, page = await visitor.get("/console/checks")
        figure = page.partition("<dt>Oldest pending</dt>")[2].partition("</div>")[0]
        assert ("<time" in figure) is waits
        assert str(there) not in page
        assert "Being checked" not in page
    person = await register(face, "jack@example.org")
    assert (await person.ask("GET", "/api/v1/admin/checks"))[0] == 403


async def test_without_a_verifier_the_command_line_says_so(
    database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDERTRUST_DATABASE_URL", database.app_dsn)
    ended = await asyncio.to_thread(CliRunner().invoke, admin, ["checks"])
    assert ended.output.splitlines()[-1] == "No verifier is connected."
