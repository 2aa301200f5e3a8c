"""The MailTransport port over SMTP."""

import asyncio
import re
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as CRLF
from email.policy import SMTPUTF8 as CRLF_UTF8
from email.utils import format_datetime
from typing import Final

import aiosmtplib

from actors.ports.mail import MailAccepted, MailDeferred, MailOutcome, MailRefused, OutgoingMail
from config.mail_server import Encryption, MailServer
from config.redaction import redact
from config.settings import UNNAMED

SECONDS: Final = 30.0
REASON_CHARACTERS: Final = 300
NO_ADDRESS: Final = "it is not an e-mail address"
# One address without quotes, comments or other characters with a meaning in headers.
ADDRESS: Final = re.compile(r"""[^\s@,;:<>"()\[\]\\]{1,64}@[^\s@,;:<>"()\[\]\\]{1,255}""")


class SmtpTransport:
    """Sends each mail over a new connection; mails are rare, and servers close idle connections.

    ``name``: the sender's name.
    """

    def __init__(
        self,
        server: MailServer,
        sender: str,
        *,
        seconds: float = SECONDS,
        name: str = UNNAMED,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server, self._seconds, self._tls = server, seconds, tls
        self._sender, self._name = sender, name

    async def send(self, mail: OutgoingMail) -> MailOutcome:
        try:
            message = message_of(mail, self._sender, self._name)
        except ValueError:  # the error's text may repeat the address
            return MailRefused(NO_ADDRESS)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._sent(mail.to, message)
        except TimeoutError:
            return MailDeferred(f"no answer within {self._seconds:g} s")
        except aiosmtplib.SMTPException as error:
            return MailDeferred(reason_of(error))
        except (OSError, ValueError) as error:  # a broken connection, or a name without an address
            return MailDeferred(one_line(str(error) or type(error).__name__))

    async def _sent(self, to: str, message: EmailMessage) -> MailOutcome:
        client = self._client()
        try:
            await client.connect()
            return await self._handed_over(client, to, message)
        finally:
            client.close()

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            use_tls=server.encryption is Encryption.IMPLICIT,
            start_tls=server.encryption is Encryption.STARTTLS,
            tls_context=self._context(),
            timeout=self._seconds,
        )

    def _context(self) -> ssl.SSLContext | None:
        """Return the context that verifies the server's certificate, read at the first mail."""
        if self._server.encryption is Encryption.OFF:
            return None
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    async def _handed_over(
        self, client: aiosmtplib.SMTP, to: str, message: EmailMessage
    ) -> MailOutcome:
        utf8 = not to.isascii()
        if utf8 and client.is_ehlo_or_helo_needed:
            await client.ehlo()
        if utf8 and not client.supports_extension("smtputf8"):
            return MailRefused("the server does not take addresses with letters beyond ASCII")
        try:
            await client.sendmail(
                self._sender,
                [to],
                message.as_bytes(),
                mail_options=["SMTPUTF8", "BODY=8BITMIME"] if utf8 else [],
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused = error.recipients[0]
            return outcome_of(refused.code, refused)
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            return outcome_of(error.code, error)
        return MailAccepted()


def message_of(mail: OutgoingMail, sender: str, name: str = UNNAMED) -> EmailMessage:
    """Return the message with its headers. Raises ValueError for an address that is none.

    ``name`` is the sender's name.

    The library refuses line breaks in headers, so that no value can add a header.
    """
    if not ADDRESS.fullmatch(mail.to) or not mail.to.isprintable():
        raise ValueError(NO_ADDRESS)
    message = EmailMessage(policy=CRLF if mail.to.isascii() else CRLF_UTF8)
    message["From"] = Address(name, addr_spec=sender)
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.at)
    message["Message-ID"] = f"<{mail.id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no replies of absent people
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def outcome_of(code: int, error: aiosmtplib.SMTPException) -> MailOutcome:
    """Return the outcome of a reply: 5xx is for good, everything else may change."""
    reason = reason_of(error)
    return MailRefused(reason) if 500 <= code <= 599 else MailDeferred(reason)


def reason_of(error: aiosmtplib.SMTPException) -> str:
    """Return the server's reply, or the kind of failure."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return one_line(f"{error.code} {error.message}")
    return one_line(error.message or type(error).__name__)


def one_line(text: str) -> str:
    """Return a text from outside as one short line, without secrets."""
    plain = "".join(each if each.isprintable() else " " for each in text)
    return redact(" ".join(plain.split()))[:REASON_CHARACTERS]
