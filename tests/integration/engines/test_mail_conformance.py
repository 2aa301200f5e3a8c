"""Tests of the MailTransport port: twin and SMTP sender behave alike; and of SMTP by itself."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import pytest

from actors.ports.mail import (
    MailAccepted,
    MailDeferred,
    MailRefused,
    MailTransport,
    OutgoingMail,
)
from config.mail_server import mail_server
from supervisors.engines.smtp import SmtpTransport
from tests.support.free_ports import free_port
from tests.support.listening import listening
from tests.support.reverse_proxies import make_certificate
from tests.support.smtp_server import PASSWORD, USER, SmtpServer, contexts_of, smtp_server
from tests.twins.mail import TwinMail

SENDER = "farm@example.org"
ID = UUID("3f2b9a60-5c1d-4e0a-9a34-0d7d0a3c1b52")
AT = datetime(2026, 3, 13, 12, 0, tzinfo=UTC)


def mail(to: str = "jane@example.org", subject: str = "A subject", id_: UUID = ID) -> OutgoingMail:
    return OutgoingMail(id_, to, subject, "Grüße: a text.\n", "<p>Grüße: a text.</p>\n", AT)


class MailBox(ABC):
    """A transport, and a server that takes its mails."""

    transport: MailTransport

    @abstractmethod
    def will_answer(self, *codes: int) -> None:
        """Let the server answer the next mails with these codes."""

    @abstractmethod
    def goes_away(self) -> None: ...

    @abstractmethod
    def received(self) -> list[tuple[str, str]]:
        """Return the addresses and subjects of the mails that the server took."""


class TwinBox(MailBox):
    def __init__(self) -> None:
        self.transport = self.twin = TwinMail()

    def will_answer(self, *codes: int) -> None:
        for code in codes:
            kind = MailDeferred if code < 500 else MailRefused
            self.twin.replies.append(MailAccepted() if code == 250 else kind(f"{code} no"))

    def goes_away(self) -> None:
        self.twin.away = True

    def received(self) -> list[tuple[str, str]]:
        return [(one.to, one.subject) for one in self.twin.accepted]


class SmtpBox(MailBox):
    def __init__(self, server: SmtpServer) -> None:
        self.server = server
        self.transport = SmtpTransport(mail_server(f"smtp://localhost:{server.port}"), SENDER)

    def will_answer(self, *codes: int) -> None:
        self.server.of_rcpt += [f"{code} no" if code != 250 else "250 OK" for code in codes]

    def goes_away(self) -> None:
        url = f"smtp://localhost:{free_port()}"
        self.transport = SmtpTransport(mail_server(url), SENDER)

    def received(self) -> list[tuple[str, str]]:
        subjects = [str(one["Subject"]) for one in self.server.mails]
        return list(zip(self.server.recipients, subjects, strict=True))


@pytest.fixture(params=["twin", "smtp"])
async def box(request: pytest.FixtureRequest) -> AsyncGenerator[MailBox]:
    if request.param == "twin":
        yield TwinBox()
        return
    async with smtp_server() as server:
        yield SmtpBox(server)


async def test_a_mail_is_accepted(box: MailBox) -> None:
    assert await box.transport.send(mail()) == MailAccepted()
    assert box.received() == [("jane@example.org", "A subject")]


async def test_a_temporary_refusal_defers_the_mail_and_a_final_one_ends_it(box: MailBox) -> None:
    box.will_answer(451, 550)
    assert await box.transport.send(mail()) == MailDeferred("451 no")
    assert await box.transport.send(mail()) == MailRefused("550 no")
    assert await box.transport.send(mail()) == MailAccepted()
    assert len(box.received()) == 1


async def test_a_server_that_is_away_defers_the_mail(box: MailBox) -> None:
    box.goes_away()
    assert isinstance(await box.transport.send(mail()), MailDeferred)
    assert box.received() == []


@pytest.mark.parametrize("to", ["jane", "jane@example.org\r\nBcc: eve@example.org", "a\x00@b"])
async def test_no_address_can_add_a_header_or_a_recipient(box: MailBox, to: str) -> None:
    assert await box.transport.send(mail(to)) == MailRefused("it is not an e-mail address")
    assert box.received() == []


# SMTP by itself


def over(server: SmtpServer, **more: float) -> SmtpTransport:
    return SmtpTransport(mail_server(f"smtp://127.0.0.1:{server.port}"), SENDER, **more)  # type: ignore[arg-type]


def body_of(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


async def test_the_message_has_both_texts_and_an_id_that_stays() -> None:
    async with smtp_server() as server:
        for _ in range(2):
            assert await over(server).send(mail()) == MailAccepted()
    first, second = server.mails
    assert body_of(first, "plain") == "Grüße: a text.\n"
    assert body_of(first, "html") == "<p>Grüße: a text.</p>\n"
    assert first["Message-ID"] == second["Message-ID"] == f"<{ID}@example.org>"
    assert str(first["From"]) == "RenderTrust <farm@example.org>"
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["Date"] == "Fri, 13 Mar 2026 12:00:00 +0000"


@pytest.mark.parametrize(
    "to",
    [
        "jane@example.org, eve@example.org",
        "jane@example.org>,<eve@example.org",
        '"jane"@example.org',
        "jane@example.org\n",
        " jane@example.org",
        "",
    ],
)
async def test_one_address_stays_one_address(to: str) -> None:
    async with smtp_server() as server:
        assert isinstance(await over(server).send(mail(to)), MailRefused)
    assert server.recipients == []


async def test_a_line_break_in_a_subject_adds_no_header() -> None:
    async with smtp_server() as server:
        sent = await over(server).send(mail(subject="x\r\nBcc: eve@example.org"))
    assert isinstance(sent, MailRefused)
    assert server.mails == []


async def test_addresses_beyond_ascii_are_written_as_they_are() -> None:
    async with smtp_server() as server:
        assert await over(server).send(mail("jané@exämple.org")) == MailAccepted()
    assert server.recipients == ["jané@exämple.org"]


@pytest.mark.parametrize(("reply", "kind"), [("452 full", MailDeferred), ("554 spam", MailRefused)])
async def test_the_reply_to_the_text_counts(reply: str, kind: type) -> None:
    async with smtp_server() as server:
        server.of_data.append(reply)
        assert await over(server).send(mail()) == kind(reply)


async def test_a_server_that_hangs_defers_the_mail() -> None:
    async with smtp_server() as server:
        server.hangs = True
        sent = await over(server, seconds=0.3).send(mail())
    assert isinstance(sent, MailDeferred)


async def test_a_server_that_says_nothing_defers_the_mail() -> None:
    async def silent(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with listening(silent) as port:
        transport = SmtpTransport(mail_server(f"smtp://127.0.0.1:{port}"), SENDER, seconds=0.3)
        assert isinstance(await transport.send(mail()), MailDeferred)


async def test_a_server_that_dies_after_the_text_defers_the_mail() -> None:
    async with smtp_server() as server:
        server.dies = True
        assert isinstance(await over(server).send(mail()), MailDeferred)
        server.dies = False
        assert await over(server).send(mail()) == MailAccepted()
    first, second = server.mails  # it arrives twice, under one id
    assert first["Message-ID"] == second["Message-ID"]


async def test_a_server_that_speaks_another_protocol_defers_the_mail() -> None:
    async def http(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with listening(http) as port:
        transport = SmtpTransport(mail_server(f"smtp://127.0.0.1:{port}"), SENDER, seconds=5)
        assert isinstance(await transport.send(mail()), MailDeferred)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_the_connection_is_encrypted_before_the_password_is_sent(
    scheme: str, tmp_path: Path
) -> None:
    ours, theirs = contexts_of(*make_certificate(tmp_path))
    implicit, starttls = (ours, None) if scheme == "smtps" else (None, ours)
    async with smtp_server(starttls=starttls, implicit=implicit, auth=True) as server:
        url = f"{scheme}://{USER}:{quote(PASSWORD, safe='')}@localhost:{server.port}"
        url += "" if scheme == "smtps" else "?tls=starttls"
        transport = SmtpTransport(mail_server(url), SENDER, tls=theirs)
        assert await transport.send(mail()) == MailAccepted()
    assert server.logins == [(USER, PASSWORD)]
    assert server.encrypted == [True]


async def test_an_unknown_certificate_or_a_lack_of_tls_defers_the_mail(tmp_path: Path) -> None:
    ours, _ = contexts_of(*make_certificate(tmp_path))
    async with smtp_server(starttls=ours) as server:
        url = f"smtp://{USER}:{quote(PASSWORD, safe='')}@localhost:{server.port}?tls=starttls"
        assert isinstance(await SmtpTransport(mail_server(url), SENDER).send(mail()), MailDeferred)
    async with smtp_server(auth=True) as plain:
        url = f"smtp://{USER}:{quote(PASSWORD, safe='')}@localhost:{plain.port}?tls=starttls"
        assert isinstance(await SmtpTransport(mail_server(url), SENDER).send(mail()), MailDeferred)
    assert server.logins == plain.logins == []


async def test_a_wrong_password_defers_the_mail_and_is_not_repeated() -> None:
    async with smtp_server(auth=True) as server:
        url = f"smtp://{USER}:a-wrong-password@localhost:{server.port}"
        sent = await SmtpTransport(mail_server(url), SENDER).send(mail())
    assert isinstance(sent, MailDeferred)  # an admin can correct it
    assert sent.reason.startswith("535")
    assert "a-wrong-password" not in sent.reason
