"""Operators see disputes about their nodes' work, and answer them once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from actors.ledger.effects import DisputeOpen
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import PASSWORD, Person, register
from tests.integration.web.earners import Earner, do, earner
from tests.integration.web.mailing import MAIL, mailing, nothing_waits
from tests.support.databases import execute, fetchval
from tests.support.http_gateway import Face, face_over, face_with, with_ledger
from tests.support.until import until
from tests.twins.mail import TwinMail

WORK, DISPUTES = "/api/v1/operators/me/disputes", "/api/v1/disputes"
ADMIN = "/api/v1/admin/disputes"
BLACK = {
    "reason": "jane@example.org says: it is black",
    "problem": "black",
    "region": {"x": 0.5, "y": 0, "width": 0.5, "height": 1},
}
SAID: dict[str, Any] = {
    "text": "The lamp is hidden in the scene.",
    "region": {"x": 0, "y": 0, "width": 0.25, "height": 1},
}
face = face_with(with_ledger, audited=True)


@pytest.fixture
async def otto(face: Face) -> Earner:
    """Register Otto, an operator with a node."""
    return await earner(face)


@pytest.fixture
def dsn(database: PostgresEndpoint) -> str:
    return database.owner_dsn


async def disputed(otto: Earner, jane: Person) -> str:
    """Let Jane dispute what Otto's node rendered, and return the dispute's id."""
    job = await otto.earn(jane)
    status, made = await jane.ask("POST", f"/api/v1/jobs/{job}/units/0/dispute", BLACK)
    assert status == 201, made
    assert made["answer"] is None
    return str(made["id"])


async def test_an_operator_answers_once_and_both_others_read_it(
    otto: Earner, jane: Person, admin: Person
) -> None:
    id_ = await disputed(otto, jane)
    [seen] = (await otto.person.ask("GET", WORK))[1]["disputes"]
    assert (seen["id"], seen["share"], seen["problem"]) == (id_, "7.0000", "black")
    assert (seen["region"]["x"], seen["answer"]) == (0.5, None)
    assert "jane" not in str(seen), "the creator's words are not the operator's to read"
    assert (await jane.ask("GET", WORK))[1]["count"] == 0
    path = f"{DISPUTES}/{id_}/answer"
    status, answered = await otto.person.ask("POST", path, SAID)
    assert (status, answered["answer"]["text"]) == (200, SAID["text"])
    assert (await otto.person.ask("POST", path, SAID))[0] == 200, "a repetition changes nothing"
    status, refused = await otto.person.ask("POST", path, {"text": "and another thing"})
    assert (status, refused["code"]) == (409, "dispute_answered")
    [hers] = (await jane.ask("GET", DISPUTES))[1]["disputes"]
    [theirs] = (await admin.ask("GET", ADMIN))[1]["disputes"]
    for found in (hers, theirs):
        assert found["answer"] == answered["answer"]
        assert found["answer"]["region"]["width"] == 0.25
    assert "otto" not in str(hers)


async def test_only_the_operator_answers_and_only_before_the_decision(
    otto: Earner, jane: Person, admin: Person
) -> None:
    id_ = await disputed(otto, jane)
    path = f"{DISPUTES}/{id_}/answer"
    eve = await earner(jane.face, "eve@example.org")
    for person in (jane, admin, eve.person):
        status, refused = await person.ask("POST", path, SAID)
        assert (status, refused["code"]) == (404, "dispute_not_found")
    outside = {"x": 0.9, "y": 0, "width": 0.5, "height": 1}
    for wrong in ({"text": " "}, {"text": "x" * 1001}, {**SAID, "region": outside}):
        assert (await otto.person.ask("POST", path, wrong))[0] == 422
    decision = {"reason": "it is"}
    assert (await admin.ask("POST", f"{ADMIN}/{id_}/uphold", decision))[0] == 200
    status, refused = await otto.person.ask("POST", path, SAID)
    assert (status, refused["code"]) == (409, "dispute_decided")
    assert (await otto.person.ask("GET", f"{WORK}?state=open"))[1]["count"] == 0
    [seen] = (await otto.person.ask("GET", f"{WORK}?state=upheld"))[1]["disputes"]
    assert seen["decision"] == "it is"


async def test_answers_are_exported_and_go_with_the_account(
    face: Face, otto: Earner, jane: Person, admin: Person, dsn: str
) -> None:
    id_ = await disputed(otto, jane)
    assert (await otto.person.ask("POST", f"{DISPUTES}/{id_}/answer", SAID))[0] == 200
    _, export = await otto.person.ask("GET", "/api/v1/auth/account/export")
    [mine] = export["dispute_answers"]
    assert (mine["dispute_id"], mine["answer"]) == (id_, SAID["text"])
    assert (await jane.ask("GET", "/api/v1/auth/account/export"))[1]["dispute_answers"] == []
    assert (await admin.ask("POST", f"{ADMIN}/{id_}/uphold", {"reason": "it is"}))[0] == 200
    path, body = "/api/v1/auth/account/delete", {"password": PASSWORD}
    assert (await otto.person.ask("POST", path, body))[0] == 200
    assert await fetchval(dsn, "SELECT count(*) FROM dispute_answers") == 0
    assert (await jane.ask("GET", DISPUTES))[1]["disputes"][0]["answer"] is None


async def test_a_dispute_of_the_gateway_replaces_a_reported_and_answered_one(
    otto: Earner, jane: Person, admin: Person
) -> None:
    """The rows that name the rejected dispute do not keep its unit from another dispute."""
    id_ = await disputed(otto, jane)
    assert (await otto.person.ask("POST", f"{DISPUTES}/{id_}/answer", SAID))[0] == 200
    assert (await admin.ask("POST", f"{ADMIN}/{id_}/reject", {"reason": "it is not"}))[0] == 200
    [seen] = (await otto.person.ask("GET", WORK))[1]["disputes"]
    other = otto.face.gateway.ports.random.uuid()
    of = (UUID(seen["job_id"]), 0, UUID(jane.id))
    opened = DisputeOpen(other, *of, "not compared", timedelta(0), by_gateway=True)
    await do(otto.face, opened)
    [seen] = (await otto.person.ask("GET", WORK))[1]["disputes"]
    assert (seen["id"], seen["answer"], seen["problem"]) == (str(other), None, None)
    assert (await otto.person.ask("POST", f"{DISPUTES}/{other}/answer", SAID))[0] == 200


async def test_an_operator_is_mailed_when_a_dispute_opens(
    database: PostgresEndpoint, dsn: str
) -> None:
    async with face_over(database, with_ledger, mail=MAIL) as face:
        otto = await earner(face)
        await execute(dsn, "UPDATE users SET verified_at = now()")
        transport = TwinMail()
        async with mailing(face, transport):
            await until(lambda: nothing_waits(face))
            id_ = await disputed(otto, await register(face, "jane@example.org"))
            await until(lambda: nothing_waits(face))
        [mail] = [mail for mail in transport.accepted if "disputed" in mail.subject]
        assert mail.to == "otto@example.org"
        assert f"/console/disputes/{id_}" in mail.text
        assert "jane@" not in mail.text
