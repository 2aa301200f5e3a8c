"""Mails that users may switch off: written with what they tell, bounded, and for verified addresses
only.
"""

from email.message import EmailMessage
from uuid import UUID, uuid4

import pytest

from actors.ledger.effects import (
    DisputeDecide,
    JobStop,
    PayoutApprove,
    PayoutPay,
    PayoutReject,
    PayoutTake,
    UnitFail,
)
from actors.ledger.messages import Posted
from actors.mailer.messages import WatchNodes
from config.mail_server import mail_server
from sql.mails import NOTICES
from sql.node_failures import FailureNote
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.smtp import SmtpTransport
from tests.integration.conformance.stage import dispatch
from tests.integration.web.accounts import PASSWORD, Person, ask, with_role
from tests.integration.web.earners import Earner, do, earner
from tests.integration.web.factors import with_app
from tests.integration.web.mailing import MAIL, known, mailing, nothing_waits
from tests.support.databases import execute, fetch
from tests.support.http_gateway import Face, face_with, with_ledger
from tests.support.smtp_server import smtp_server
from tests.support.until import until
from tests.twins.mail import TwinMail
from web.money.ledger_client import commit
from web.routes.account import NOTICES as CHOICES

face = face_with(with_ledger, mail=MAIL)
ACCOUNT = "/api/v1/auth/account"


@pytest.fixture
def dsn(database: PostgresEndpoint) -> str:
    return database.owner_dsn


@pytest.fixture
async def jane(face: Face, dsn: str) -> Person:
    """Register Jane, who has a verified address, at a farm that sends mail."""
    await face.gateway.tables.mails.seen()
    return await known(face, dsn)


@pytest.fixture
async def otto(face: Face, dsn: str) -> Earner:
    """Register Otto, an operator with a node and a verified address."""
    made = await earner(face)
    await verify(dsn, made.person)
    return made


async def verify(dsn: str, person: Person) -> None:
    await execute(dsn, f"UPDATE users SET verified_at = now() WHERE id = '{person.id}'")
    await execute(dsn, f"DELETE FROM mails WHERE user_id = '{person.id}'")


async def mails(dsn: str, person: Person) -> list[tuple[str, UUID | None]]:
    """Return kind and subject of the mails to a user, oldest first."""
    rows = await fetch(
        dsn,
        f"SELECT kind, about FROM mails WHERE user_id = '{person.id}' ORDER BY created_at, kind",
    )
    return [(row["kind"], row["about"]) for row in rows]


async def failed(face: Face, node: UUID, creator: Person) -> UUID:
    """Book a job whose only unit fails, and return its id."""
    job = await dispatched(face, node, creator)
    assert isinstance(await do(face, UnitFail(job, 0, 1, node, "scene", "no camera")), Posted)
    return job


async def dispatched(face: Face, node: UUID, creator: Person) -> UUID:
    job = uuid4()
    assert isinstance(
        await commit(face.gateway, dispatch(UUID(creator.id), job, node=node)), Posted
    )
    return job


async def test_a_creator_reads_of_jobs_that_end(
    face: Face, jane: Person, otto: Earner, dsn: str
) -> None:
    done = await otto.earn(jane)
    bad = await failed(face, otto.node, jane)
    assert await mails(dsn, jane) == [("job.completed", done), ("job.failed", bad)]
    assert await mails(dsn, otto.person) == []
    sent = {str(mail["Subject"]): text_of(mail) for mail in await delivered(face)}
    complete = f'Your job "scene" ({str(done)[:8]}) is complete'
    assert sent.keys() == {complete, f'Your job "scene" ({str(bad)[:8]}) failed'}
    text = sent[complete]
    assert "\n10 credits charged." in text
    assert f"https://farm.example/console/jobs/{done}" in text
    assert "https://farm.example/console/account#mails" in text


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def delivered(face: Face) -> list[EmailMessage]:
    """Send what waits by a real mail server, and return it."""
    async with smtp_server() as server:
        address = mail_server(f"smtp://127.0.0.1:{server.port}")
        async with mailing(face, SmtpTransport(address, "farm@example.org", seconds=30.0)):
            await until(lambda: nothing_waits(face))
    return server.mails


async def test_a_stopped_job_is_no_news_for_who_stopped_it(
    face: Face, jane: Person, otto: Earner, dsn: str
) -> None:
    job = await dispatched(face, otto.node, jane)
    assert isinstance(await do(face, JobStop(job, UUID(jane.id))), Posted)
    assert await mails(dsn, jane) == []


async def test_a_job_that_ends_again_within_the_hour_is_told_once(
    jane: Person, otto: Earner, dsn: str
) -> None:
    job = await otto.earn(jane)
    for state in ("'RUNNING', NULL, 1", "'COMPLETED', now(), 0"):
        change = f"SET (status, completed_at, open_units) = ({state}) WHERE id = '{job}'"
        await execute(dsn, f"UPDATE jobs {change}")
    assert await mails(dsn, jane) == [("job.completed", job)]


async def test_a_pause_at_the_cap_is_told_and_one_by_the_owner_is_not(
    jane: Person, otto: Earner, face: Face, dsn: str
) -> None:
    for paused in ("owner", "cap"):
        job = await dispatched(face, otto.node, jane)
        await execute(
            dsn, f"UPDATE jobs SET status = 'PAUSED', paused = '{paused}' WHERE id = '{job}'"
        )
    assert await mails(dsn, jane) == [("job.paused", job)]


async def test_of_many_jobs_ten_mails_an_hour_are_sent_and_the_last_says_so(
    jane: Person, otto: Earner, dsn: str, face: Face
) -> None:
    for _ in range(12):
        await otto.earn(jane, price=10_000)
    sent = await delivered(face)
    assert len(sent) == 10
    told = [text_of(mail) for mail in sent]
    assert sum("Further ones are left out" in text for text in told) == 1
    # Another kind is not affected.
    await failed(face, otto.node, jane)
    assert len(await mails(dsn, jane)) == 11


async def test_one_batch_with_many_ends_is_bounded_too(
    jane: Person, otto: Earner, face: Face, dsn: str
) -> None:
    jobs = [await dispatched(face, otto.node, jane) for _ in range(10)]
    await execute(
        dsn,
        "INSERT INTO mails (id, kind, user_id, about, due_at, created_at) SELECT"
        f" gen_random_uuid(), 'job.completed', '{jane.id}', gen_random_uuid(), now(), now()"
        " FROM generate_series(1, 7)",
    )
    named = ", ".join(f"'{job}'" for job in jobs)
    await execute(
        dsn,
        "UPDATE jobs SET status = 'COMPLETED', completed_at = now(), open_units = 0"
        f" WHERE id IN ({named})",
    )
    last = "SELECT count(*), count(*) FILTER (WHERE is_last) FROM mails"
    assert tuple((await fetch(dsn, last))[0]) == (10, 1)


async def test_an_unverified_address_gets_no_notice(
    face: Face, jane: Person, otto: Earner, dsn: str
) -> None:
    """Otherwise anybody could register a stranger's address, and have mails sent to it."""
    await execute(dsn, f"UPDATE users SET verified_at = NULL WHERE id = '{jane.id}'")
    await otto.earn(jane)
    assert await mails(dsn, jane) == []


async def test_a_farm_without_mail_writes_no_notices(face: Face, otto: Earner, dsn: str) -> None:
    jane = await known(face, dsn)
    await otto.earn(jane)
    await execute(dsn, "INSERT INTO mailer_life (seen_at) VALUES (now() - interval '2 days')")
    await otto.earn(jane)
    assert await mails(dsn, jane) == []


async def test_a_dispute_is_told_to_both_sides(
    face: Face, jane: Person, otto: Earner, dsn: str
) -> None:
    job = await otto.earn(jane)
    path = f"/api/v1/jobs/{job}/units/0/dispute"
    status, dispute = await jane.ask("POST", path, {"reason": "it is black"})
    assert status in (200, 201), dispute
    id_ = UUID(dispute["id"])
    assert await mails(dsn, otto.person) == [("dispute.opened", id_)]
    await do(face, DisputeDecide(job, 0, UUID(jane.id), upheld=True, reason="it is"))
    assert await mails(dsn, otto.person) == [("dispute.opened", id_), ("dispute.decided", id_)]
    assert ("dispute.decided", id_) in await mails(dsn, jane)
    subjects = {str(mail["Subject"]) for mail in await delivered(face)}
    assert {
        "A frame of your node is disputed",
        "Your dispute was upheld",
        "A dispute about your node's work was upheld",
    } < subjects


async def test_a_payout_is_told_when_it_is_paid_or_rejected(
    face: Face, jane: Person, otto: Earner, dsn: str
) -> None:
    operator = UUID(otto.person.id)
    await otto.ripen(jane)
    paid, rejected = uuid4(), uuid4()
    await do(face, PayoutTake(paid, operator, "MONEY"))
    await do(face, PayoutApprove(paid, uuid4()))
    await do(face, PayoutPay(paid, "SEPA 1"))
    await otto.ripen(jane)
    await do(face, PayoutTake(rejected, operator, "MONEY"))
    await do(face, PayoutReject(rejected))
    assert await mails(dsn, otto.person) == [("payout.paid", paid), ("payout.rejected", rejected)]
    told = [str(mail["Subject"]) for mail in await delivered(face)]
    assert {"Your payout was paid", "Your payout was rejected"} < set(told)


async def test_a_node_that_stays_away_is_told_once(
    face: Face, jane: Person, otto: Earner, dsn: str
) -> None:
    async def silent(seconds: int, **others: str) -> list[tuple[str, UUID | None]]:
        sets = {"status": "'OFFLINE'", "seen_at": f"now() - interval '{seconds} s'", **others}
        changes = ", ".join(f"{name} = {value}" for name, value in sets.items())
        await execute(dsn, f"UPDATE nodes SET {changes} WHERE id = '{otto.node}'")
        async with mailing(face, TwinMail()) as mailer:
            await mailer.ask(WatchNodes(), within=10.0)
        return await mails(dsn, otto.person)

    told = ("node.offline", otto.node)
    assert await silent(600) == []
    assert await silent(1_000, standing="'DRAINING'") == []
    assert await silent(1_000, standing="'ACTIVE'", status="'UNHEALTHY'") == []
    assert await silent(1_000) == [told]
    assert await silent(1_000) == [told]
    # It came back, and went again.
    await execute(dsn, "UPDATE mails SET created_at = created_at - interval '2 hours'")
    assert await silent(1_000) == [told, told]
    await execute(dsn, "DELETE FROM mails")
    assert await silent(2 * 86_400) == []


async def test_a_node_that_begins_to_fail_often_is_told_once(
    face: Face, otto: Earner, dsn: str
) -> None:
    await face.gateway.tables.mails.seen()
    store, told = face.gateway.ports.store, ("node.failing", otto.node)

    async def mailed(failures: int, *, is_failing: bool) -> list[tuple[str, UUID | None]]:
        reason = "http://evil.example/ has no space left"
        note = FailureNote(failures, is_failing, "stalled" if is_failing else "", reason)
        await store.note_failures(otto.node, note)
        return await mails(dsn, otto.person)

    assert await mailed(2, is_failing=False) == []
    assert await mailed(3, is_failing=True) == [told]
    assert await mailed(4, is_failing=True) == [told]
    [mail] = await delivered(face)
    text = str(mail)
    assert mail["Subject"] == "Your node fails often"
    assert "a unit made no progress" in text
    assert "evil.example" not in text, "the node's words are shown on its page only"
    await execute(dsn, "UPDATE mails SET created_at = created_at - interval '2 hours'")
    assert await mailed(2, is_failing=False) == [told], "it is not over"
    assert await mailed(3, is_failing=True) == [told]
    assert await mailed(0, is_failing=False) == [told]
    assert await mailed(3, is_failing=True) == [told, told]


async def test_a_mail_about_what_is_gone_is_dropped(face: Face, jane: Person, dsn: str) -> None:
    await execute(
        dsn,
        "INSERT INTO mails (id, kind, user_id, about, due_at, created_at) VALUES"
        f" (gen_random_uuid(), 'node.offline', '{jane.id}', gen_random_uuid(), now(), now())",
    )
    assert await delivered(face) == []
    assert await mails(dsn, jane) == []


async def test_a_mail_that_waits_is_dropped_if_it_is_switched_off(
    face: Face, jane: Person, otto: Earner, dsn: str
) -> None:
    await otto.earn(jane)
    bad = await failed(face, otto.node, jane)
    assert (await jane.ask("PATCH", ACCOUNT, {"mails": ["job.failed"]}))[0] == 200
    [mail] = await delivered(face)
    assert mail["Subject"] == f'Your job "scene" ({str(bad)[:8]}) failed'


async def test_users_choose_their_mails(face: Face, jane: Person, otto: Earner, dsn: str) -> None:
    assert set(CHOICES) == set(NOTICES)
    status, found = await jane.ask("GET", ACCOUNT)
    assert (status, found["email"], found["role"]) == (200, "jane@example.org", "user")
    assert found["mails"] == list(CHOICES)
    assert found["verified_at"] is not None
    status, found = await jane.ask("PATCH", ACCOUNT, {"mails": ["job.failed"]})
    assert (status, found["mails"]) == (200, ["job.failed"])
    await otto.earn(jane)
    bad = await failed(face, otto.node, jane)
    assert await mails(dsn, jane) == [("job.failed", bad)]
    assert (await jane.ask("PATCH", ACCOUNT, {}))[1]["mails"] == ["job.failed"]
    assert (await jane.ask("PATCH", ACCOUNT, {"mails": []}))[1]["mails"] == []
    assert (await ask(face, "GET", ACCOUNT))[0] == 401


@pytest.mark.parametrize("kind", ["password.changed", "password.reset", "address.verify", "x"])
async def test_mails_about_security_cannot_be_switched_off(
    jane: Person, dsn: str, kind: str
) -> None:
    assert (await jane.ask("PATCH", ACCOUNT, {"mails": [kind]}))[0] == 422
    assert (await jane.ask("PATCH", ACCOUNT, {"mails": []}))[0] == 200
    change = {"old_password": PASSWORD, "new_password": "another password"}
    assert (await jane.ask("POST", "/api/v1/auth/password", change))[0] == 200
    assert await mails(dsn, jane) == [("password.changed", None)]


async def test_an_address_that_is_not_verified_gets_no_mail_of_a_changed_password(
    jane: Person, dsn: str
) -> None:
    await execute(dsn, f"UPDATE users SET verified_at = NULL WHERE id = '{jane.id}'")
    change = {"old_password": PASSWORD, "new_password": "another password"}
    assert (await jane.ask("POST", "/api/v1/auth/password", change))[0] == 200
    assert await mails(dsn, jane) == []


FACTOR_MAILS = [("factor.added", None), ("recovery_code.used", None), ("factor.removed", None)]


@pytest.mark.parametrize("verified", [True, False])
async def test_changes_of_factors_and_uses_of_recovery_codes_are_told(
    face: Face, jane: Person, dsn: str, *, verified: bool
) -> None:
    if not verified:
        await execute(dsn, f"UPDATE users SET verified_at = NULL WHERE id = '{jane.id}'")
    await execute(dsn, "DELETE FROM mails")
    secure = await with_app(face, dsn, jane)
    assert (await secure.log_in(secure.codes[0]))[0] == 200
    assert (await secure.log_in(secure.codes[0]))[0] == 401
    factors, user = face.gateway.tables.second_factors, UUID(jane.id)
    for gone in (True, False):
        assert await factors.remove_app(user, needs_one=False) is gone
    assert await mails(dsn, jane) == (FACTOR_MAILS if verified else [])


async def test_a_password_set_by_an_admin_is_told(face: Face, jane: Person, dsn: str) -> None:
    admin = await with_role(face, dsn, "admin")
    await verify(dsn, admin)
    path = f"/api/v1/admin/users/{jane.id}/password"
    await execute(dsn, f"UPDATE users SET verified_at = NULL WHERE id = '{jane.id}'")
    body = {"password": "another password", "reason": "by telephone"}
    assert (await admin.ask("POST", path, body))[0] == 200
    assert await mails(dsn, jane) == [("password.set", None)]
    [mail] = await delivered(face)
    assert mail["Subject"] == "An admin set your RenderTrust password"
