"""A real SMTP server for tests (aiosmtpd), which does what a test asks for."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Final, cast

import attrs
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER: Final = "farm"
PASSWORD: Final = "pass:word@/?"


@attrs.define
class SmtpServer:
    """What arrived, and the answers to come: ``of_rcpt`` to each recipient, ``of_data`` to each
    mail; afterwards everything is accepted.

    ``hangs``: nothing is answered after the text of a mail. ``dies``: the connection breaks there.
    """

    port: int = 0
    mails: list[EmailMessage] = attrs.field(factory=list)
    recipients: list[str] = attrs.field(factory=list)
    logins: list[tuple[str, str]] = attrs.field(factory=list)
    encrypted: list[bool] = attrs.field(factory=list)
    of_rcpt: list[str] = attrs.field(factory=list)
    of_data: list[str] = attrs.field(factory=list)
    hangs: bool = False
    dies: bool = False
    protocols: list[SMTP] = attrs.field(factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd finds it by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _: list[str]
    ) -> str:
        if self.of_rcpt:
            return self.of_rcpt.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd finds it by this name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.hangs:
            await asyncio.Event().wait()
        if self.of_data:
            return self.of_data.pop(0)
        raw = cast("bytes", envelope.content)
        self.mails.append(message_from_bytes(raw, policy=policy.default))
        self.recipients += envelope.rcpt_tos
        of = cast("Any", server).transport.get_extra_info("ssl_object")
        self.encrypted.append(of is not None)
        if self.dies:
            cast("Any", server).transport.abort()
        return "250 Message accepted for delivery"

    def authenticate(
        self, _: SMTP, __: Session, ___: Envelope, ____: str, data: LoginPassword
    ) -> AuthResult:
        given = data.login.decode(), data.password.decode()
        self.logins.append(given)
        return AuthResult(success=given == (USER, PASSWORD), handled=False)


@asynccontextmanager
async def smtp_server(
    *,
    starttls: ssl.SSLContext | None = None,
    implicit: ssl.SSLContext | None = None,
    auth: bool = False,
) -> AsyncGenerator[SmtpServer]:
    """Run a server on a free port of this machine until the block ends."""
    state = SmtpServer()

    def protocol() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a login is possible without STARTTLS
            return kept(made())

    def made() -> SMTP:
        return SMTP(
            state,
            hostname="mail.test",
            enable_SMTPUTF8=True,
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_required=auth,
            auth_require_tls=starttls is not None,
            authenticator=cast("Any", state.authenticate),
        )

    def kept(made: SMTP) -> SMTP:
        state.protocols.append(made)
        return made

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=implicit)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for one in state.protocols:
            if (transport := cast("Any", one).transport) is not None:
                transport.abort()
            handler = cast("Any", one)._handler_coroutine
            if handler is not None:
                handler.cancel()
        await asyncio.sleep(0)
        await server.wait_closed()


def contexts_of(certificate: Any, key: Any) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server with this certificate, and of a client that trusts it."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=certificate)
