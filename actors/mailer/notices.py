"""Texts of the mails that users may switch off: about jobs, nodes, disputes and payouts.

Only users with a verified address get these mails. They quote two things that a user wrote: the
name of a node, to the owner who chose it, and the name of a job, to its creator.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from actors.mailer.letters import Words, moment
from rendertrust import money
from rendertrust.unit_error_code import REPORTED
from sql.mails import NOTICES_AN_HOUR, DueMail, MailKind, NoticeFacts

NAME_MOST: Final = 60  # characters of a name
# How a node failed, by the code of the failure.
FAILURES: Final[Mapping[str, str]] = {
    "stalled": "a unit made no progress",
    "too_slow": "a unit took far longer than on other nodes",
    REPORTED: "its program reported an error",
}
LAST: Final = (
    f"You got {NOTICES_AN_HOUR} mails of this kind within an hour. Further ones are left out for"
    " a while; the console shows everything."
)


@attrs.frozen
class Event:
    """An event and the moment of it. ``farm``: the gateway's address, without a slash."""

    due: DueMail
    facts: NoticeFacts
    farm: str

    @property
    def at(self) -> str:
        return moment(self.due.created_at)

    @property
    def job(self) -> tuple[str, str]:
        """The label and URL of a link to the job."""
        return "Show the job", f"{self.farm}/console/jobs/{self.facts.job_id}"

    @property
    def node(self) -> tuple[str, str]:
        """The label and URL of a link to the node."""
        return "Show the node", f"{self.farm}/console/fleet/{self.facts.node_id}"

    @property
    def dispute(self) -> str:
        """The URL of the dispute."""
        return f"{self.farm}/console/disputes/{self.due.about}"


def notice_of(due: DueMail, facts: NoticeFacts, farm: str) -> Words:
    """Return the text of a notice."""
    words = _WORDS[due.kind](Event(due, facts, farm.rstrip("/")))
    return attrs.evolve(
        words,
        below=(*words.below, *((LAST,) if due.is_last else ())),
        footer=(
            "You get this mail because you asked for mails about this job."
            if facts.is_asked
            else "You get this mail because your account asks for mails of this kind.",
            "Choose which mails you get of other jobs"
            if facts.is_asked
            else "Choose which mails you get",
            f"{farm.rstrip('/')}/console/account#mails",
        ),
    )


def _completed(event: Event) -> Words:
    facts = event.facts
    return Words(
        f"Your job {called(event)} is complete",
        (
            f"Your job {named(event)} was completed on {event.at}.",
            f"{pieces(facts)}{credit(facts.amount)} charged.",
        ),
        ("Show the job and its results", event.job[1]),
    )


def _failed(event: Event) -> Words:
    facts = event.facts
    return Words(
        f"Your job {called(event)} failed",
        (
            f"Your job {named(event)} failed on {event.at}.",
            *_losses(facts),
        ),
        ("Show what failed", event.job[1]),
        (f"You can retry {'it' if facts.units == 1 else 'failed frames'} on the page of the job.",),
    )


def _losses(facts: NoticeFacts) -> Sequence[str]:
    if facts.units == 1:
        return ("Nothing was charged.",) if not facts.amount else ()
    return (
        f"{facts.failed} of {counted(facts)} failed.",
        f"{credit(facts.amount)} charged for the others.",
    )


def _paused(event: Event) -> Words:
    facts = event.facts
    limit = "" if facts.cap is None else f" of {credit(facts.cap)}"
    return Words(
        f"Your job {called(event)} is paused at its cap",
        (
            f"Your job {named(event)} was paused on {event.at}.",
            f"The next frame would cost more than the job's cap{limit} allows.",
        ),
        event.job,
        ("Raise the cap to go on, or stop the job and keep what is complete.",),
    )


def _offline(event: Event) -> Words:
    facts, since = event.facts, event.facts.at or event.due.created_at
    node = f"{printable(facts.name)} ({facts.node_id})"
    return Words(
        "Your node is offline",
        (
            f"Your node {node} was last heard from on {moment(since)}.",
            "It gets no work until it is back.",
        ),
        event.node,
        ("If you switched the machine off yourself, there is nothing to do.",),
    )


def _failing(event: Event) -> Words:
    facts, since = event.facts, event.facts.at or event.due.created_at
    named = "".join(c for c in facts.name if c.isprintable())[:NAME_MOST]
    why = FAILURES.get(facts.state, FAILURES[REPORTED])
    return Words(
        "Your node fails often",
        (
            (
                f"By {moment(since)}, your node {named} ({facts.node_id}) had failed several jobs, "
                "and no scene is to blame."
            ),
            f"The last time, {why}.",
            "Other nodes get work before it until it finishes frames again.",
        ),
        event.node,
        (
            "The page of the node has its last error.",
            "On the machine, rendertrust node doctor finds problems and says how to fix them.",
        ),
    )


def _opened(event: Event) -> Words:
    facts = event.facts
    return Words(
        "A frame of your node is disputed",
        (
            (
                f"On {event.at}, a dispute was opened about {disputed(facts)} of the job "
                f"{facts.job_id}, which your node {printable(facts.name or '')} rendered."
            ),
            f"Withheld until it is decided: {credit(facts.share or 0)} of your earnings.",
            "You can say how it looks from your side, once, before the decision.",
        ),
        ("Show the dispute and answer", event.dispute),
    )


def _decided(event: Event) -> Words:
    facts, due = event.facts, event.due
    is_upheld = facts.state == "UPHELD"
    if due.user_id == facts.user_id:
        return Words(
            f"Your dispute was {'upheld' if is_upheld else 'rejected'}",
            (
                (
                    f"The dispute about {disputed(facts)} of your job {named(event)} was decided "
                    f"on {event.at}."
                ),
                f"It was upheld. Refunded to you: {credit(facts.amount)}."
                if is_upheld
                else "It was rejected: the charge stays.",
            ),
            ("Show the decision and its reason", event.dispute),
        )
    return Words(
        f"A dispute about your node's work was {'upheld' if is_upheld else 'rejected'}",
        (
            (
                f"The dispute about {disputed(facts)} of the job {facts.job_id} was decided on "
                f"{event.at}."
            ),
            f"It was upheld: your share of {credit(facts.share or 0)} was reversed."
            if is_upheld
            else f"It was rejected: your share of {credit(facts.share or 0)} stays yours.",
        ),
        ("Show the dispute", event.dispute),
    )


def _payout(event: Event) -> Words:
    facts = event.facts
    is_paid = event.due.kind is MailKind.PAYOUT_PAID
    return Words(
        f"Your payout was {'paid' if is_paid else 'rejected'}",
        (
            (
                f"Your payout of {credit(facts.amount)} in money, for {units(facts.units)}, was "
                f"{'paid' if is_paid else 'rejected'} on {event.at}."
            ),
            "It can take some days until the money arrives."
            if is_paid
            else "The earnings are yours: you can request them again.",
        ),
        ("Show your nodes and earnings", f"{event.farm}/console/fleet"),
    )


_WORDS: Final[Mapping[MailKind, Callable[[Event], Words]]] = {
    MailKind.JOB_COMPLETED: _completed,
    MailKind.JOB_FAILED: _failed,
    MailKind.JOB_PAUSED: _paused,
    MailKind.NODE_OFFLINE: _offline,
    MailKind.NODE_FAILING: _failing,
    MailKind.DISPUTE_OPENED: _opened,
    MailKind.DISPUTE_DECIDED: _decided,
    MailKind.PAYOUT_PAID: _payout,
    MailKind.PAYOUT_REJECTED: _payout,
}


def called(event: Event) -> str:
    """Return the job as a subject names it: ``"cathedral" (0a1b2c3d)``."""
    return f'"{printable(event.facts.job_name)}" ({str(event.facts.job_id)[:8]})'


def named(event: Event) -> str:
    """Return the job as a text names it, with its whole id."""
    return f'"{printable(event.facts.job_name)}" ({event.facts.job_id})'


def printable(name: str) -> str:
    """Return a name without characters that control terminals or the direction of text."""
    return "".join(c for c in name if c.isprintable())[:NAME_MOST]


def disputed(facts: NoticeFacts) -> str:
    """Return the disputed unit as the console names it: ``frame 5``, or ``unit 4``."""
    if not facts.frames:
        return f"unit {facts.unit}"
    return f"frame{'' if facts.frames.lstrip('-').isdigit() else 's'} {facts.frames}"


def pieces(facts: NoticeFacts) -> str:
    """Return how many units are complete, as a sentence; '' for a job of one unit."""
    return "" if facts.units == 1 else f"{counted(facts)} complete. "


def counted(facts: NoticeFacts) -> str:
    """Return the number of the job's units: ``8 frames``, or ``8 units`` if these are others."""
    return f"{facts.units} frames" if facts.has_frames else units(facts.units)


def units(number: int) -> str:
    return "1 unit" if number == 1 else f"{number} units"


def credit(amount: int) -> str:
    return money.credit_count(amount)
