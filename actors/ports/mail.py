"""Port that hands mails to a mail server."""

from datetime import datetime
from typing import Protocol, TypeAlias
from uuid import UUID

import attrs


@attrs.frozen
class OutgoingMail:
    """A mail to one address, as plain text and as HTML.

    ``id``: the same for every try, and part of the Message-ID, so that mail programs can recognise
    a mail that arrives twice.
    """

    id: UUID
    to: str
    subject: str
    text: str = attrs.field(repr=False)
    html: str = attrs.field(repr=False)
    at: datetime


@attrs.frozen
class MailAccepted:
    """The server has accepted the mail."""


@attrs.frozen
class MailDeferred:
    """The server cannot be reached, or cannot take the mail now; ``reason`` is for admins."""

    reason: str


@attrs.frozen
class MailRefused:
    """The server refuses this mail for good; ``reason`` is for admins."""

    reason: str


MailOutcome: TypeAlias = MailAccepted | MailDeferred | MailRefused


class MailTransport(Protocol):
    """Hands mails to one mail server."""

    async def send(self, mail: OutgoingMail) -> MailOutcome:
        """Hand over a mail within about half a minute. Nothing is raised.

        If the connection breaks at the end, the outcome is MailDeferred, although the server may
        have accepted the mail.
        """
        ...
