"""Dead letters: jobs, events, webhooks and messages that failed for good, until an admin retries or
discards them.

A failed job of one unit is retried as a new job; of a job of several units, the failed units are
retried. Stripe events that could not be applied are fetched from Stripe and handled again. Webhook
deliveries that were given up are sent again. Messages between actors that could not be delivered
are sent again; each gateway lists only its own messages, and loses them when it stops.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, get_args
from urllib.parse import urlsplit
from uuid import UUID

import attrs

from actors.kernel import DeadLetters as Unread
from actors.ledger.messages import Commit, InsufficientCredits, Posted, Replayed
from actors.ports import PaymentsUnavailable
from sql.audit_log import Act
from sql.dead_letters import NEWEST, DeadEvent, DeadJob, DeadLetters, DeadTry, DeadWebhook
from web.http.converter import uuid_of
from web.http.problem import Problem
from web.identity.acting_user import ActingUser
from web.jobs.retry import RetryOutcome, retry_job
from web.money.ledger_client import commit
from web.money.stripe_events import event_of

Kind: TypeAlias = Literal["jobs", "events", "webhooks", "messages"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
AT_ONCE: Final = 100
TRIES_MOST: Final = 100  # attempts shown per job
GONE: Final = "it is not, or no longer, a dead letter"
# Reasons for each outcome of a Stripe event that could not be applied.
WHY: Final = {
    "REFUSED": "the payment does not match the purchase's price or its checkout session",
    "EARLY": "it reverses the payment of a purchase that is not paid yet",
}
NO_ACCOUNT: Final = "your account no longer exists"
# The party at fault for a failure, by its error class.
CLASSES: Final = {
    "scene": "the scene's fault",
    "node": "the nodes' fault",
    "network": "its nodes were lost",
    "gateway": "no node finished it in time",
    "verifier": "the result was refused",
    None: "",
}


@attrs.frozen
class LetterTry:
    """A failed attempt at a unit of a job that is a dead letter."""

    unit: int
    attempt: int
    at: datetime
    where: str
    reason: str
    blame: str


@attrs.frozen
class Letter:
    """One dead letter.

    ``id``: of the job, event or webhook delivery, or the number of the message. ``about``: the type
    of the job, event or message. ``whose``: e-mail of the user concerned. ``where``: the node,
    Stripe object, host or actor at which the letter failed. ``blame``: the party at fault.
    ``tried``: the number of tries. ``history``: the last hundred failed attempts of a job.
    """

    id: str
    at: datetime
    about: str
    whose: str
    where: str
    reason: str
    blame: str = ""
    job: UUID | None = None
    tried: int = 0
    history: list[LetterTry] = attrs.field(factory=list[LetterTry])


@attrs.frozen
class LetterList:
    """A page of dead letters, and the ``total`` number of dead letters of their kind."""

    letters: list[Letter]
    total: int


@attrs.frozen
class LetterRefused:
    """A dead letter that could not be retried or discarded, and why."""

    id: str
    why: str


@attrs.frozen
class LettersDone:
    """The outcome of a retry or discard: the ids that were retried or discarded, and the refused
    ones.
    """

    done: list[str]
    refused: list[LetterRefused]


@attrs.frozen
class DeadLetterActions:
    """Actions of an admin (``doer``) on the dead letters of a gateway: list, retry, discard."""

    doer: ActingUser

    @property
    def _kept(self) -> DeadLetters:
        return DeadLetters(self.doer.gateway.database)

    @property
    def _unread(self) -> Unread:
        return self.doer.gateway.tree.unread()

    async def page(
        self, kind: Kind, *, limit: int = AT_ONCE, offset: int = 0, sort: str = NEWEST
    ) -> LetterList:
        """Return a page of dead letters of one kind.

        ``sort`` names an attribute of ``Letter``, with a leading - for descending order; ``about``
        sorts jobs by their names. Messages are always sorted newest first.
        """
        if kind == "messages":
            letters = self._messages()
            return LetterList(letters[offset : offset + limit], len(letters))
        if kind == "jobs":
            jobs = await self._kept.jobs(None, limit=limit, offset=offset, sort=sort)
            tries = await self._kept.tries([row.id for row in jobs], TRIES_MOST)
            letters = [of_job(row, tries) for row in jobs]
            return LetterList(letters, jobs[0].total if jobs else 0)
        if kind == "webhooks":
            hooks = await self._kept.webhooks(limit=limit, offset=offset, sort=sort)
            return LetterList([of_webhook(row) for row in hooks], hooks[0].total if hooks else 0)
        events = await self._kept.events(limit=limit, offset=offset, sort=sort)
        return LetterList([of_event(row) for row in events], events[0].total if events else 0)

    async def counts(self) -> dict[Kind, int]:
        """Return the number of dead letters of each kind."""
        return {kind: (await self.page(kind, limit=1)).total for kind in KINDS}

    async def retry(self, kind: Kind, ids: Sequence[str], reason: str) -> LettersDone:
        """Retry the dead letters with these ids; continue if one of them cannot be retried."""
        found = LettersDone([], [])
        for id_ in ids[:AT_ONCE]:
            why = await self._retry(kind, id_, reason)
            if why is None:
                found.done.append(id_)
            else:
                found.refused.append(LetterRefused(id_, why))
        return found

    async def discard(self, kind: Kind, ids: Sequence[str], reason: str) -> LettersDone | None:
        """Discard the dead letters with these ids; None if the admin's account no longer exists."""
        ids = ids[:AT_ONCE]
        if kind == "messages":
            done = [id_ for id_ in ids if id_.isdecimal() and self._unread.discard(int(id_))]
        else:
            act = await self.doer.act(f"{kind}.discard", f"dead:{kind}", reason, {})
            if act is None:
                return None
            done = await self._discard_stored(kind, ids, act)
        return LettersDone(done, [LetterRefused(id_, GONE) for id_ in ids if id_ not in done])

    async def _discard_stored(self, kind: Kind, ids: Sequence[str], act: Act) -> list[str]:
        if kind == "jobs":
            wanted = [uuid for uuid in map(uuid_of, ids) if uuid is not None]
            there = [str(row.id) for row in await self._kept.jobs(None, wanted)]
            return await self._kept.discard("job", there, act)
        if kind == "webhooks":
            hooks = [uuid for uuid in map(uuid_of, ids) if uuid is not None]
            there = [str(row.id) for row in await self._kept.webhooks(hooks)]
            return await self._kept.discard("webhook", there, act)
        there = [row.id for row in await self._kept.events(list(ids))]
        return await self._kept.discard("event", there, act)

    async def _retry(self, kind: Kind, id_: str, reason: str) -> str | None:
        if kind == "jobs":
            return await self._retry_job(id_, reason)
        if kind == "events":
            return await self._retry_event(id_)
        if kind == "webhooks":
            return await self._retry_webhook(id_, reason)
        return self._unread.retry(int(id_)) if id_.isdecimal() else GONE

    async def _retry_job(self, id_: str, reason: str) -> str | None:
        job = uuid_of(id_)
        rows = [] if job is None else await self._kept.jobs(None, [job])
        if not rows:
            return GONE
        act = await self.doer.act("jobs.retry", f"job:{job}", reason, {})
        if act is None:
            return NO_ACCOUNT
        outcome = await retry_job(self.doer.gateway, rows[0].id, None, act)
        return None if isinstance(outcome, RetryOutcome) else said(outcome)

    async def _retry_webhook(self, id_: str, reason: str) -> str | None:
        name = uuid_of(id_)
        rows = [] if name is None else await self._kept.webhooks([name])
        if not rows:
            return GONE
        if rows[0].is_disabled:
            return "its endpoint is disabled until its owner enables it"
        act = await self.doer.act("webhooks.retry", f"webhook:{name}", reason, {})
        if act is None:
            return NO_ACCOUNT
        await self._kept.send_again(rows[0], act)
        return None

    async def _retry_event(self, id_: str) -> str | None:
        """Fetch a Stripe event, and handle it again under a new id.

        Whatever the event states is still booked only once.
        """
        gateway = self.doer.gateway
        if not await self._kept.events([id_]):
            return GONE
        try:
            if not gateway.settings.takes_payments:
                return "this gateway takes no payments"
            fetched = await gateway.ports.payments.event(id_)
        except PaymentsUnavailable:
            return "Stripe does not answer"
        event = None if fetched is None else event_of(fetched)
        if event is None:
            return "Stripe no longer has it"
        name = f"{id_}/{await self._kept.readings(id_) + 1}"
        outcome = await commit(gateway, Commit(effects=(attrs.evolve(event, event=name),)))
        assert isinstance(outcome, Posted | Replayed), outcome
        left = await self._kept.events([id_])
        return f"it was handled again, but {WHY[left[0].outcome]}" if left else None

    def _messages(self) -> list[Letter]:
        gateway = self.doer.gateway
        now, clock = gateway.ports.clock.monotonic(), gateway.ports.clock.now()
        return [
            Letter(
                id=str(each.number),
                at=clock - timedelta(seconds=max(0.0, now - each.at)),
                about=each.kind,
                whose="",
                where=each.addressee,
                reason=each.reason,
            )
            for each in reversed(self._unread.recent())
        ]


def of_job(row: DeadJob, tries: Sequence[DeadTry] = ()) -> Letter:
    """Return the dead letter of a failed job; ``tries`` may include attempts of other jobs."""
    return Letter(
        id=str(row.id),
        at=row.at,
        about=row.job_type,
        whose=row.email,
        where=row.node_name or "",
        reason=row.error_message or "",
        blame=CLASSES.get(row.error_class, ""),
        job=row.id,
        tried=row.tries,
        history=[of_try(each) for each in tries if each.job == row.id],
    )


def of_try(row: DeadTry) -> LetterTry:
    """Return a failed attempt for the history of a dead letter."""
    blame, where = CLASSES.get(row.error_class, ""), row.node_name or ""
    return LetterTry(row.unit, row.attempt, row.at, where, row.error or "", blame)


def of_event(row: DeadEvent) -> Letter:
    """Return the dead letter of a Stripe event that could not be applied."""
    return Letter(
        id=row.id,
        at=row.at,
        about=row.type,
        whose=row.email or "",
        where=row.object,
        reason=WHY[row.outcome],
        tried=row.times,
    )


def of_webhook(row: DeadWebhook) -> Letter:
    """Return the dead letter of a webhook delivery that was given up, with only the URL's host."""
    answered = "" if row.status is None else f"answered {row.status}"
    return Letter(
        id=str(row.id),
        at=row.at,
        about=row.type,
        whose=row.email,
        where=urlsplit(row.url).hostname or "",
        reason=row.error or answered,
        job=row.job_id,
        tried=row.tries,
    )


def said(outcome: object) -> str:
    """Return why a job was not retried."""
    if isinstance(outcome, Problem):
        return outcome.detail
    refusal = outcome[1] if isinstance(outcome, tuple) else outcome
    if isinstance(refusal, InsufficientCredits):
        return "its owner does not have enough credits"
    return "it cannot be dispatched now; try again"
