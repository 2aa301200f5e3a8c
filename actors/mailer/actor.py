"""The Mailer actor: sends mails at least once.

A mail is stored before it is sent, and leased to a Mailer for two minutes. If that Mailer dies,
another one sends the mail under the same Message-ID. Any number of Mailers may run at once: none
sends a mail that another one is sending.

The text of a mail, and the token in its link, are made for each try and never stored. Only the hash
of the token is, so that nobody who reads the database can choose a user's password.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import attrs
from prometheus_client import Counter, Gauge

from actors.kernel import Actor, Timer, fail_point, handles, handles_batch
from actors.mailer.letters import LINKS, mail_of, words_of
from actors.mailer.messages import (
    Mailer,
    MailSending,
    MailTried,
    PurgeMails,
    SendMails,
    WatchNodes,
)
from actors.mailer.notices import notice_of
from actors.mailer.policy import anonymous, settled_mail
from actors.ports import Clock, MailTransport, Random
from actors.ports.mail import MailAccepted, MailDeferred, MailOutcome, OutgoingMail
from config.settings import UNNAMED
from sql.database import Conflict, Unavailable
from sql.link_tokens import BYTES, link_token
from sql.mails import NOTICES, DueMail, MailKind, Mails, StoredOutcome

LOOK_SECONDS: Final = 1.0  # interval of searches for due mails
COUNT_SECONDS: Final = 10.0  # interval at which waiting mails are counted
WATCH_SECONDS: Final = (
    300.0  # interval of searches for silent nodes; all can return before the first
)
AWAY_SECONDS: Final = 5.0  # pause while the database is down
LEASE: Final = timedelta(minutes=2)  # time after which another Mailer may send a mail
AT_ONCE: Final = 4  # mails that are sent at the same time
PURGE_SECONDS: Final = 3_600.0
PURGE_AT_ONCE: Final = 10_000
KEEP: Final = timedelta(days=7)  # how long mails are kept once they have ended

TRIES: Final = Counter("rendertrust_mail_tries", "Tries to send a mail, by result.", ["result"])
WAITING: Final = Gauge("rendertrust_mails_waiting", "Mails waiting to be sent.")
log = logging.getLogger("mailer")


def no_farm() -> str:
    return "http://localhost:8000"


@attrs.frozen
class MailerSettings:
    """Settings of the Mailer. ``farm`` returns the gateway's public address, for links.

    ``name``: the farm's name.
    """

    farm: Callable[[], str] = no_farm
    name: str = UNNAMED


class MailerActor(Actor[Mailer]):
    """Claims due mails and sends them through the ``transport`` port."""

    def __init__(
        self,
        transport: MailTransport,
        mails: Mails,
        clock: Clock,
        random: Random,
        settings: MailerSettings,
    ) -> None:
        self._transport, self._mails = transport, mails
        self._clock, self._random, self._settings = clock, random, settings
        self._count_at = -math.inf  # when to count waiting mails again
        self._is_seen = False  # the database knows that a Mailer runs
        self._look: Timer | None = None
        self._out: dict[UUID, MailSending] = {}  # mails that are being sent

    async def started(self) -> None:
        self._look_in(0.0)
        self.after(WATCH_SECONDS, WatchNodes(), jitter=0.1)
        self.after(PURGE_SECONDS, PurgeMails(), jitter=1.0)

    async def stopped(self) -> None:
        """Cancel what is being sent; these mails are sent again after their lease."""
        for sending in self._out.values():
            sending.cancel()

    @handles(SendMails)
    async def send(self, _: SendMails) -> int:
        """Begin to send due mails. If the database is down, try again later."""
        wait, begun = LOOK_SECONDS, 0
        try:
            if not self._is_seen:
                await self._mails.seen()
                self._is_seen = True
            begun = await self._begin()
            if self._clock.monotonic() >= self._count_at:
                self._count_at = self._clock.monotonic() + COUNT_SECONDS
                WAITING.set(await self._mails.waiting())
        except (Unavailable, Conflict) as error:
            log.warning("mails are paused: %s", error)
            wait = AWAY_SECONDS
        self._look_in(wait)
        return begun

    @handles_batch(MailTried, limit=AT_ONCE)
    async def tried(self, tries: Sequence[MailTried]) -> Sequence[None]:
        """Store the outcomes and send the next mails."""
        for one in tries:
            self._out.pop(one.due.id, None)
        try:
            await self._settle(tries)
            await self._begin()
        except (Unavailable, Conflict) as error:
            log.warning("outcomes of mails not stored; the mails will be sent again: %s", error)
        return [None] * len(tries)

    @handles(WatchNodes)
    async def watch_nodes(self, _: WatchNodes) -> None:
        self.after(WATCH_SECONDS, WatchNodes(), jitter=0.1)
        try:
            await self._mails.watch_nodes()
        except (Unavailable, Conflict) as error:
            log.warning("silent nodes not looked for: %s", error)

    @handles(PurgeMails)
    async def purge(self, _: PurgeMails) -> None:
        self.after(PURGE_SECONDS, PurgeMails(), jitter=0.1)
        try:
            await self._mails.purge(self._clock.now() - KEEP, PURGE_AT_ONCE)
        except (Unavailable, Conflict) as error:
            log.warning("old mails not deleted: %s", error)

    def _look_in(self, seconds: float) -> None:
        if self._look is not None:
            self._look.cancel()
        self._look = self.after(seconds, SendMails(), jitter=0.1)

    async def _begin(self) -> int:
        """Claim and send due mails; return their number.

        If a Mailer is killed after it sent a mail, the mail is sent again.
        """
        room = AT_ONCE - len(self._out)
        if room <= 0:
            return 0
        now = self._clock.now()
        due = await self._mails.claim(now, now + LEASE, room)
        for one in due:
            self._send(one)
        return len(due)

    def _send(self, due: DueMail) -> None:
        sending = asyncio.get_running_loop().create_task(self._sent(due))
        self._out[due.id] = sending
        sending.add_done_callback(lambda ended: self._ended(due, ended))

    def _ended(self, due: DueMail, sending: MailSending) -> None:
        if not sending.cancelled():
            self.ref.tell(MailTried(due, sending))

    async def _sent(self, due: DueMail) -> MailOutcome | None:
        """Send a mail; return None if it has no recipient, and was deleted."""
        try:
            mail = await self._mail(due)
            if mail is None:
                await self._mails.drop(due.id)
                return None
        except (Unavailable, Conflict) as error:
            return MailDeferred(f"the database did not answer: {error}")
        return await self._transport.send(mail)

    async def _mail(self, due: DueMail) -> OutgoingMail | None:
        """Return the mail with its text, or None if it must not be sent."""
        farm, name = self._settings.farm(), self._settings.name
        if due.user_id is not None and due.kind in NOTICES:
            facts = await self._mails.facts(due)
            return None if facts is None else mail_of(due, farm, notice_of(due, facts, farm), name)
        token = await self._token(due)
        if token is None:
            return None
        return mail_of(due, farm, words_of(due, farm, token, name), name)

    async def _token(self, due: DueMail) -> str | None:
        """Return a new token for the mail's link, '' if it needs none, or None if the mail must not
        be sent: no active user has the address, the user got enough of these mails, or they
        have verified their address.
        """
        if due.user_id is None:
            return None
        kind, now = LINKS.get(due.kind), self._clock.now()
        if kind is None:
            return ""
        token = link_token(kind, self._random.token(BYTES), now)
        if await self._mails.prepare_link(due, token, now):
            return token.text
        return "" if due.kind is MailKind.PAYOUT_ACCOUNT else None

    async def _settle(self, tries: Sequence[MailTried]) -> None:
        fail_point.reach("mailer_sent", [one.due for one in tries])
        ended = [(one.due, one.became.result()) for one in tries]
        became = [(due, anonymous(outcome, due)) for due, outcome in ended if outcome is not None]
        now, chance = self._clock.now(), self._random.uniform(0.0, 1.0)
        results = [settled_mail(due, outcome, now, chance) for due, outcome in became]
        for (due, outcome), result in zip(became, results, strict=True):
            self._count(due, outcome, result)
        if results:
            await self._mails.settle(results)

    def _count(self, due: DueMail, outcome: MailOutcome, result: StoredOutcome) -> None:
        if isinstance(outcome, MailAccepted):
            TRIES.labels("sent").inc()
            return
        TRIES.labels("failed").inc()
        log.warning("mail %s (%s) not sent: %s", due.id, due.kind.value, outcome.reason)
        if result.state == "FAILED":
            TRIES.labels("given_up").inc()
            log.error("mail %s (%s) is given up after %d tries", due.id, due.kind.value, due.tries)
