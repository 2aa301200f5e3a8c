"""Retry policy for mails (pure; takes the current time)."""

from datetime import datetime, timedelta
from typing import Final

import attrs

from actors.ports.mail import MailAccepted, MailOutcome, MailRefused
from sql.mails import DueMail, StoredOutcome, without_addresses

# Longest pause in seconds after each failed try: nine tries within a day.
PAUSES: Final = (60, 300, 900, 3_600, 7_200, 14_400, 28_800, 28_800)


def anonymous(became: MailOutcome, due: DueMail) -> MailOutcome:
    """Return the outcome of a try without addresses of people in the server's reply."""
    if isinstance(became, MailAccepted):
        return became
    return attrs.evolve(became, reason=without_addresses(became.reason, due.email or ""))


def retry_pause(tries: int, chance: float) -> float | None:
    """Return the seconds until a mail is tried again, or None after the last try.

    ``chance``, from 0 to 1, spreads mails that failed together between half and all of the pause.
    """
    return None if tries > len(PAUSES) else PAUSES[tries - 1] * (0.5 + chance / 2)


def settled_mail(due: DueMail, became: MailOutcome, now: datetime, chance: float) -> StoredOutcome:
    """Return the state of a mail after a try: sent, failed, or to be tried again."""
    if isinstance(became, MailAccepted):
        return StoredOutcome(due.id, due.tries, "SENT", ended_at=now)
    seconds = None if isinstance(became, MailRefused) else retry_pause(due.tries, chance)
    if seconds is None:
        return StoredOutcome(due.id, due.tries, "FAILED", error=became.reason, ended_at=now)
    at = now + timedelta(seconds=seconds)
    return StoredOutcome(due.id, due.tries, "PENDING", due_at=at, error=became.reason)
