"""A job may choose its mails and its webhook endpoint; otherwise the account's settings hold."""

from typing import Any
from uuid import UUID, uuid4

import attrs
import pytest

from actors.ledger.effects import JobInsert, UnitComplete, UnitFail
from actors.ledger.messages import Posted
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import dispatch, with_plan
from tests.integration.web.accounts import Person, ask, register
from tests.integration.web.earners import do, verified_node
from tests.integration.web.mailing import MAIL, known
from tests.integration.web.test_notices import delivered, mails, text_of
from tests.support.databases import fetch
from tests.support.http_gateway import Face, face_with, with_ledger

ACCOUNT, ENDPOINTS = "/api/v1/auth/account", "/api/v1/webhooks/endpoints"
DISPATCH, QUOTE = "/api/v1/jobs/dispatch", "/api/v1/jobs/quote"
face = face_with(with_ledger, mail=MAIL, webhooks={"private": False})


@pytest.fixture
def dsn(database: PostgresEndpoint) -> str:
    return database.owner_dsn


@pytest.fixture
async def jane(face: Face, dsn: str) -> Person:
    """Register Jane, who has a verified address, at a farm that sends mail."""
    await face.gateway.tables.mails.seen()
    return await known(face, dsn)


async def ended(jane: Person, *, fails: bool = False, **spec: Any) -> UUID:
    """Book a job with these terms that completes or fails, and return its id."""
    node, job = await verified_node(jane.face, None), uuid4()
    order = dispatch(UUID(jane.id), job, node=node)
    first, *rest = order.effects
    assert isinstance(first, JobInsert)
    order = attrs.evolve(order, effects=(with_plan(first, **spec), *rest))
    assert isinstance(await jane.face.book(order), Posted)
    last = UnitFail(job, 0, 1, node, "scene", "no camera") if fails else None
    assert isinstance(await do(jane.face, last or UnitComplete(job, 0, 1, node, "x")), Posted)
    return job


@pytest.mark.parametrize(
    ("notify", "account", "told"),
    [
        (None, ["job.completed", "job.failed"], ["job.completed", "job.failed"]),
        (None, ["job.failed"], ["job.failed"]),
        (None, [], []),
        ("all", [], ["job.completed", "job.failed"]),
        ("failure", ["job.completed", "job.failed"], ["job.failed"]),
        ("failure", [], ["job.failed"]),
        ("none", ["job.completed", "job.failed"], []),
    ],
)
async def test_a_job_chooses_its_mails(
    jane: Person, dsn: str, notify: str | None, account: list[str], told: list[str]
) -> None:
    assert (await jane.ask("PATCH", ACCOUNT, {"mails": account}))[0] == 200
    await ended(jane, notify=notify)
    await ended(jane, fails=True, notify=notify)
    assert [kind for kind, _ in await mails(dsn, jane)] == told
    sent = await delivered(jane.face)
    assert len(sent) == len(told), "what the job asks for is sent"
    why = "your account asks for" if notify is None else "you asked for mails about this job"
    assert all(why in text_of(mail) for mail in sent)


async def deliveries(dsn: str, job: UUID) -> list[str]:
    """Return the endpoints that get the end of a job."""
    rows = await fetch(
        dsn,
        f"SELECT endpoint_id FROM deliveries WHERE job_id = '{job}' AND type = 'job.completed'",
    )
    return sorted(str(row["endpoint_id"]) for row in rows)


async def endpoint(person: Person, host: str) -> str:
    body = {"url": f"https://{host}.example/hook", "types": ["job.*"]}
    status, made = await person.ask("POST", ENDPOINTS, body)
    assert status == 201, made
    return str(made["id"])


async def test_a_job_chooses_its_webhook_endpoint(jane: Person, dsn: str) -> None:
    one, two = await endpoint(jane, "one"), await endpoint(jane, "two")
    assert await deliveries(dsn, await ended(jane)) == sorted([one, two])
    assert await deliveries(dsn, await ended(jane, webhook=two)) == [two]
    assert await deliveries(dsn, await ended(jane, webhook="none")) == []


async def test_an_endpoint_must_be_ones_own(face: Face, jane: Person, dsn: str) -> None:
    foreign = await endpoint(await known_other(face), "foreign")
    for webhook in (foreign, str(uuid4())):
        status, answer = await jane.ask("POST", QUOTE, {"job_type": "echo", "webhook": webhook})
        assert status == 422
        assert answer["detail"].startswith("webhook: is no webhook endpoint of yours"), answer
    for bad in ({"webhook": "all"}, {"notify": "sometimes"}):
        assert (await jane.ask("POST", QUOTE, {"job_type": "echo", **bad}))[0] == 422
    own = await endpoint(jane, "own")
    for good in ({"webhook": own}, {"webhook": "none"}, {"notify": "failure"}):
        status, answer = await jane.ask("POST", QUOTE, {"job_type": "echo", **good})
        assert status == 200, answer


async def known_other(face: Face) -> Person:
    return await register(face, "ann@example.org")


async def test_the_job_says_what_it_chose(face: Face, jane: Person) -> None:
    job = await ended(jane, notify="failure", webhook="none")
    _, shown = await jane.ask("GET", f"/api/v1/jobs/{job}")
    assert (shown["notify"], shown["webhook"]) == ("failure", "none")
    _, plain = await jane.ask("GET", f"/api/v1/jobs/{await ended(jane)}")
    assert not {"notify", "webhook"} & plain.keys()
    assert (await ask(face, "GET", f"/api/v1/jobs/{job}"))[0] == 401
