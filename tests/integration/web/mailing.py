"""A Mailer for tests, and what is in the mails that it sends."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from actors.kernel import Ref
from actors.mailer.actor import MailerActor, MailerSettings
from actors.mailer.messages import Mailer
from actors.ports.mail import MailTransport, OutgoingMail
from sql.mails import Mails
from supervisors.child import Child
from supervisors.engines.system_clock import SystemClock, SystemRandom
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.integration.web.accounts import Person, register
from tests.support.databases import execute
from tests.support.http_gateway import Face

MAIL = {"url": "smtp://localhost:25", "sender": "farm@example.org"}
FARM = "https://farm.example"
TOKEN = re.compile(r"rtr_[0-9a-f]{32}")


@asynccontextmanager
async def mailing(face: Face, transport: MailTransport) -> AsyncGenerator[Ref[Mailer]]:
    """Run a Mailer until the block ends."""
    mails, ref = Mails(face.gateway.database), Ref[Mailer]("mailer")

    def make() -> MailerActor:
        settings = MailerSettings(lambda: FARM)
        return MailerActor(transport, mails, SystemClock(), SystemRandom(), settings)

    tree = Supervisor("Tree", Strategy.ONE_FOR_ONE, Intensity(), [Child("mailer", make, ref=ref)])
    await tree.start()
    try:
        yield ref
    finally:
        await tree.stop()


async def nothing_waits(face: Face) -> bool:
    """Return True if no mail waits, and the outcomes of all tries are stored."""
    return await face.gateway.tables.mails.waiting() == 0


async def known(face: Face, dsn: str, email: str = "jane@example.org") -> Person:
    """Register a user who has verified their address."""
    person = await register(face, email)
    await execute(dsn, f"UPDATE users SET verified_at = now() WHERE id = '{person.id}'")
    await execute(dsn, f"DELETE FROM mails WHERE user_id = '{person.id}'")
    return person


def token_in(mail: OutgoingMail) -> str:
    """Return the token in a mail, which has it in the link and as a code."""
    found = TOKEN.findall(mail.text)
    assert len(found) == 2
    assert set(found) == set(TOKEN.findall(mail.html))
    pages = [f"{FARM}/console/reset-password{query}" for query in ("", "?first=1")]
    assert any(f"{page}#token={found[0]}" in mail.text for page in pages)
    return str(found[0])
