"""Dead letters: what failed, retried or discarded, through the API or in the console.

There are four kinds. Jobs that failed for good are retried as new jobs; in jobs of several units,
the failed ones are tried again. Stripe events that could not be applied are fetched and handled
again. Webhooks that were given up are sent again. Messages that reached no actor are sent again;
they belong to this gateway alone, and are lost when it stops.
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
from sql.audit import Act
from sql.dead_letters import NEWEST, DeadEvent, DeadJob, DeadLetters, DeadTry, DeadWebhook
from web.http.converter import uuid_of
from web.http.problem import Problem
from web.identity.admin_identity import AdminIdentity
from web.jobs.job_control import retried
from web.jobs.submission import RetryOutcome
from web.money.ledger_client import commit
from web.money.stripe_events import event_of

Kind: TypeAlias = Literal["jobs", "events", "webhooks", "messages"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
AT_ONCE: Final = 100
TRIES_MOST: Final = 100  # shown per job
GONE: Final = "it is not a dead letter (any longer)"
WHY: Final = {
    "REFUSED": "what was paid is not what the purchase costs, or it was paid by another session",
    "EARLY": "the purchase that it is about has not been paid",
}
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
    """A failed attempt at a unit of a job; both are counted as its units are."""

    unit: int
    attempt: int
    at: datetime
    where: str
    reason: str
    blame: str


@attrs.frozen
class Letter:
    """One dead letter. ``about`` is what it is, ``whose`` whom it concerns, ``where`` it failed.

    ``id`` is a job's, an event's, or the number of a message. ``history``: the last hundred failed
    attempts of a job.
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
    """A page of dead letters, the newest first; ``total`` is how many there are."""

    letters: list[Letter]
    total: int


@attrs.frozen
class LetterRefused:
    """A dead letter that nothing was done to, and why."""

    id: str
    why: str


@attrs.frozen
class LettersDone:
    """The outcome for each of the given ids."""

    done: list[str]
    refused: list[LetterRefused]


@attrs.frozen
class DeadLetterActions:
    """The dead letters of one gateway; ``doer`` is who acts on them."""

    doer: AdminIdentity

    @property
    def _kept(self) -> DeadLetters:
        return DeadLetters(self.doer.gateway.database)

    @property
    def _unread(self) -> Unread:
        return self.doer.gateway.tree.unread()

    async def page(
        self, kind: Kind, *, limit: int = AT_ONCE, offset: int = 0, sort: str = NEWEST
    ) -> LetterList:
        """Return a page, sorted by a member of ``Letter`` (- descending); messages newest first."""
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
        """Try each again; one that cannot be retried does not stop the others."""
        found = LettersDone([], [])
        for id_ in ids[:AT_ONCE]:
            why = await self._retry(kind, id_, reason)
            if why is None:
                found.done.append(id_)
            else:
                found.refused.append(LetterRefused(id_, why))
        return found

    async def discard(self, kind: Kind, ids: Sequence[str], reason: str) -> LettersDone | None:
        """Discard them; None if the doer's account no longer exists."""
        ids = ids[:AT_ONCE]
        if kind == "messages":
            done = [id_ for id_ in ids if id_.isdecimal() and self._unread.discard(int(id_))]
        else:
            act = await self.doer.act(f"{kind}.discard", f"dead:{kind}", reason, {})
            if act is None:
                return None
            done = await self._put_aside(kind, ids, act)
        return LettersDone(done, [LetterRefused(id_, GONE) for id_ in ids if id_ not in done])

    async def _put_aside(self, kind: Kind, ids: Sequence[str], act: Act) -> list[str]:
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
            return "you have no account any more"
        outcome = await retried(self.doer.gateway, rows[0].id, None, act)
        return None if isinstance(outcome, RetryOutcome) else said(outcome)

    async def _retry_webhook(self, id_: str, reason: str) -> str | None:
        name = uuid_of(id_)
        rows = [] if name is None else await self._kept.webhooks([name])
        if not rows:
            return GONE
        if rows[0].is_disabled:
            return "its endpoint is disabled, until its owner enables it"
        act = await self.doer.act("webhooks.retry", f"webhook:{name}", reason, {})
        if act is None:
            return "you have no account any more"
        await self._kept.send_again(rows[0], act)
        return None

    async def _retry_event(self, id_: str) -> str | None:
        """Handle it as if it had just arrived, under a new id; its fact counts only once."""
        gateway = self.doer.gateway
        if not await self._kept.events([id_]):
            return GONE
        try:
            told = await gateway.ports.payments.event(id_)
        except PaymentsUnavailable:
            return "Stripe does not answer"
        event = None if told is None else event_of(told)
        if event is None:
            return "Stripe no longer has it"
        name = f"{id_}/{await self._kept.readings(id_) + 1}"
        outcome = await commit(gateway, Commit(effects=(attrs.evolve(event, event=name),)))
        assert isinstance(outcome, Posted | Replayed), outcome
        left = await self._kept.events([id_])
        return f"it was read again, and still {WHY[left[0].outcome]}" if left else None

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
    """Return a failed job as a letter; ``tries`` are of several jobs."""
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
    """Return an attempt for the history of a letter."""
    blame, where = CLASSES.get(row.error_class, ""), row.node_name or ""
    return LetterTry(row.unit, row.attempt, row.at, where, row.error or "", blame)


def of_event(row: DeadEvent) -> Letter:
    """Return an event that could not be applied as a letter."""
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
    """Return a delivery that was given up as a letter, with only the host of its URL."""
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
        return "its owner has not the credits for it"
    return "it cannot be placed now; try again"
