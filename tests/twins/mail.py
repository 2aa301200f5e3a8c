"""In-memory MailTransport: a mail server with the mails that it has accepted."""

import asyncio

from actors.ports.mail import MailAccepted, MailDeferred, MailOutcome, MailRefused, OutgoingMail


class TwinMail:
    """A MailTransport. ``replies``: what the server answers next, before it accepts all mails.

    While ``slow`` is not set, the server answers nothing.
    """

    def __init__(self) -> None:
        self.accepted: list[OutgoingMail] = []
        self.tried: list[OutgoingMail] = []
        self.replies: list[MailOutcome] = []
        self.away = False
        self.slow = asyncio.Event()
        self.slow.set()

    async def send(self, mail: OutgoingMail) -> MailOutcome:
        self.tried.append(mail)
        await self.slow.wait()
        if "@" not in mail.to or not mail.to.isprintable():
            return MailRefused("it is not an e-mail address")
        if self.away:
            return MailDeferred("there is no connection")
        outcome = self.replies.pop(0) if self.replies else MailAccepted()
        if isinstance(outcome, MailAccepted):
            self.accepted.append(mail)
        return outcome
