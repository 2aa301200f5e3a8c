"""Messages of the Mailer."""

import asyncio
from typing import TypeAlias

import attrs

from actors.kernel import Message
from actors.ports.mail import MailOutcome
from sql.mails import DueMail

# None: the mail has no recipient, and was deleted.
MailSending: TypeAlias = "asyncio.Task[MailOutcome | None]"


class Mailer:
    """Marker type for the address of the mailer actor."""


@attrs.frozen
class SendMails(Message[Mailer, int]):
    """From the Mailer's own timer: begin to send due mails; the reply is their number."""


@attrs.frozen
class MailTried(Message[Mailer, None]):
    """From the Mailer's own task: a try has ended, with the task's result; the Mailer stores it."""

    due: DueMail
    became: MailSending = attrs.field(repr=False)


@attrs.frozen
class PurgeMails(Message[Mailer, None]):
    """From the Mailer's own timer: delete old mails."""


@attrs.frozen
class WatchNodes(Message[Mailer, None]):
    """From the Mailer's own timer: write mails about nodes that have been silent for a while."""
