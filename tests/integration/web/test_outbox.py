"""The outbox: mails are stored, sent by Mailers at least once, and given up after a day."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from actors.mailer.messages import PurgeMails
from actors.mailer.policy import PAUSES
from actors.ports.mail import MailAccepted, MailDeferred, MailOutcome, MailRefused, OutgoingMail
from config.mail_server import mail_server
from sql import mails
from sql.mails import MailKind, NewMail, insert_mail
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.smtp import SmtpTransport
from tests.integration.web.accounts import Person
from tests.integration.web.mailing import MAIL, known, mailing
from tests.support.databases import execute, fetch, fetchval
from tests.support.http_gateway import Face, face_with
from tests.support.smtp_server import SmtpServer, smtp_server
from tests.support.until import until
from tests.twins.mail import TwinMail

face = face_with(mail=MAIL)


@pytest.fixture
def dsn(database: PostgresEndpoint) -> str:
    return database.owner_dsn


@pytest.fixture
async def jane(face: Face, dsn: str) -> Person:
    return await known(face, dsn)


def over(server: SmtpServer, seconds: float = 30.0) -> SmtpTransport:
    address = mail_server(f"smtp://127.0.0.1:{server.port}")
    return SmtpTransport(address, "farm@example.org", seconds=seconds)


async def notice(person: Person, id_: UUID | None = None) -> UUID:
    """Insert a mail to a user, as a transaction of theirs does."""
    gateway, mail = person.face.gateway, id_ or uuid4()
    async with gateway.database.transaction() as connection:
        new = NewMail(mail, MailKind.CHANGED, UUID(person.id))
        assert await insert_mail(connection, new, gateway.ports.clock.now())
    return mail


async def state(dsn: str) -> list[tuple[Any, ...]]:
    rows = await fetch(dsn, "SELECT state, tries, error FROM mails ORDER BY created_at, id")
    return [tuple(row) for row in rows]


async def is_state(dsn: str, *wanted: tuple[Any, ...]) -> bool:
    return await state(dsn) == list(wanted)


async def test_a_mail_is_sent_over_smtp(jane: Person, dsn: str) -> None:
    mail = await notice(jane)
    async with smtp_server() as server, mailing(jane.face, over(server)):
        await until(lambda: is_state(dsn, ("SENT", 1, None)))
    [arrived] = server.mails
    assert server.recipients == ["jane@example.org"]
    assert arrived["Message-ID"] == f"<{mail}@example.org>"
    assert arrived["Subject"] == "Your RenderTrust password was changed"
    assert {part.get_content_type() for part in arrived.iter_parts()} == {"text/plain", "text/html"}


async def test_a_mail_is_written_with_what_it_tells_or_not_at_all(jane: Person) -> None:
    gateway = jane.face.gateway

    async def fail() -> None:
        async with gateway.database.transaction() as connection:
            new = NewMail(uuid4(), MailKind.CHANGED, UUID(jane.id))
            await insert_mail(connection, new, gateway.ports.clock.now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await gateway.tables.mails.waiting() == 0


async def test_a_temporary_refusal_is_tried_again_later(jane: Person, dsn: str) -> None:
    await notice(jane)
    async with smtp_server() as server:
        server.of_rcpt.append("451 4.7.1 Greylisted")
        async with mailing(jane.face, over(server)):
            await until(lambda: is_state(dsn, ("PENDING", 1, "451 4.7.1 Greylisted")))
            late = await fetchval(dsn, "SELECT due_at - tried_at FROM mails")
            assert timedelta(seconds=29) < late <= timedelta(seconds=62)
            await execute(dsn, "UPDATE mails SET due_at = now()")
            await until(lambda: is_state(dsn, ("SENT", 2, None)))
    assert len(server.mails) == 1


async def test_a_final_refusal_ends_the_mail(jane: Person, dsn: str) -> None:
    await notice(jane)
    async with smtp_server() as server:
        server.of_rcpt.append("550 5.1.1 No such user")
        async with mailing(jane.face, over(server)):
            await until(lambda: is_state(dsn, ("FAILED", 1, "550 5.1.1 No such user")))
    assert server.mails == []


async def test_a_server_that_dies_gets_the_mail_again_under_its_id(jane: Person, dsn: str) -> None:
    await notice(jane)
    async with smtp_server() as server:
        server.dies = True
        async with mailing(jane.face, over(server)):
            await until(lambda: server.mails)
            server.dies = False

            async def again() -> bool:
                await execute(dsn, "UPDATE mails SET due_at = now() WHERE error IS NOT NULL")
                return await is_state(dsn, ("SENT", 2, None))

            await until(again)
    first, second = server.mails
    assert first["Message-ID"] == second["Message-ID"]


async def test_a_server_that_hangs_does_not_stop_the_mailer(jane: Person, dsn: str) -> None:
    await notice(jane)
    async with smtp_server() as server:
        server.hangs = True
        async with mailing(jane.face, over(server, seconds=0.5)):
            await until(lambda: is_state(dsn, ("PENDING", 1, "no answer within 0.5 s")))
            server.hangs = False
            await execute(dsn, "UPDATE mails SET due_at = now()")
            await until(lambda: is_state(dsn, ("SENT", 2, None)))


async def test_after_nine_tries_a_mail_is_given_up(
    jane: Person, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    mail, transport = await notice(jane), TwinMail()
    transport.away = True
    async with mailing(jane.face, transport):

        async def given_up() -> bool:
            await execute(dsn, "UPDATE mails SET due_at = now() WHERE state = 'PENDING'")
            return await is_state(dsn, ("FAILED", 9, "there is no connection"))

        await until(given_up)
    assert f"mail {mail} (password.changed) is given up after 9 tries" in caplog.text
    assert 20 * 3600 < sum(PAUSES) < 24 * 3600


class SlowTwin(TwinMail):
    """A server that takes a moment, and notes which mails it gets at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once: set[UUID] = set()
        self.twice = False

    async def send(self, mail: OutgoingMail) -> MailOutcome:
        self.twice |= mail.id in self.at_once
        self.at_once.add(mail.id)
        await asyncio.sleep(0.01)
        self.at_once.discard(mail.id)
        return await super().send(mail)


async def test_several_mailers_send_each_mail_once(
    jane: Person, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mails, "NOTICES_AN_HOUR", 100)
    sent, transport = {await notice(jane) for _ in range(40)}, SlowTwin()
    face = jane.face
    async with mailing(face, transport), mailing(face, transport), mailing(face, transport):
        await until(lambda: is_state(dsn, *40 * [("SENT", 1, None)]))
    assert {mail.id for mail in transport.accepted} == sent
    assert len(transport.accepted) == 40
    assert not transport.twice


async def test_a_mail_of_a_mailer_that_died_is_sent_by_another_after_its_lease(
    jane: Person, dsn: str
) -> None:
    await notice(jane)
    transport = TwinMail()
    transport.slow.clear()
    async with mailing(jane.face, transport):
        await until(lambda: transport.tried)
    assert await is_state(dsn, ("PENDING", 1, None))
    lease = await fetchval(dsn, "SELECT due_at - tried_at FROM mails")
    assert lease == timedelta(minutes=2)
    transport.slow.set()
    await execute(dsn, "UPDATE mails SET due_at = now()")
    async with mailing(jane.face, transport):
        await until(lambda: is_state(dsn, ("SENT", 2, None)))
    assert transport.tried[0].id == transport.tried[1].id


async def test_a_user_gets_no_more_than_ten_notices_an_hour(jane: Person, dsn: str) -> None:
    for _ in range(10):
        await notice(jane)
    with pytest.raises(AssertionError):
        await notice(jane)
    await notice(await known(jane.face, dsn, "bob@example.org"))


async def test_mails_are_deleted_a_week_after_their_end(jane: Person, dsn: str) -> None:
    transport = TwinMail()
    transport.replies = [MailAccepted(), MailRefused("550 no"), MailDeferred("451 later")]
    async with mailing(jane.face, transport) as mailer:
        for n in range(3):
            await notice(jane)
            await until(lambda n=n: len(transport.tried) == n + 1)  # type: ignore[misc]
        ended = [("SENT", 1, None), ("FAILED", 1, "550 no"), ("PENDING", 1, "451 later")]
        await until(lambda: is_state(dsn, *ended))
        await mailer.ask(PurgeMails(), within=10.0)
        assert await is_state(dsn, *ended)
        await execute(dsn, "UPDATE mails SET ended_at = ended_at - interval '8 days'")
        await mailer.ask(PurgeMails(), within=10.0)
        assert await is_state(dsn, ended[2])
