"""Units that were delivered and wait for their verdict: what is waited for, in words."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from actors.kernel import AskFailed
from actors.verifier.messages import Looker, Looking, Verifier
from sql.jobs import OpenCheck
from web.gateway import Gateway

ASK_SECONDS: Final = 0.5
MINUTE: Final = 60
WHO: Final[Mapping[Looker | None, str]] = {
    "own": "A node of the gateway's own renders small parts of it again, now.",
    "other": "A node of another owner renders small parts of it again, now.",
    None: "It waits for a node that can render small parts of it again: of another owner, or of the"
    " gateway's own. Where there is none for long, it is decided without.",
}
SUSPECTED: Final = "Somebody called it wrong: another one must say so, too. "


@attrs.frozen
class Checking:
    """``words`` say who is asked, since when, and what is waited for."""

    words: str
    since: datetime


async def checking_of(gateway: Gateway, job: UUID, units: Sequence[int]) -> Mapping[int, Checking]:
    """Of those of these units that are being checked, by number. Raises Unavailable.

    Who looks is not named: whoever knew it could agree with him.
    """
    if not units:
        return {}
    open_ones = await gateway.jobs.open_checks(job, units)
    lookers = await _lookers(gateway, job) if open_ones else {}
    now = gateway.clock.now()
    return {
        one.unit: Checking(words_of(one, lookers.get(one.unit), now), one.since)
        for one in open_ones
    }


def words_of(check: OpenCheck, looker: Looker | None, now: datetime) -> str:
    """One to three sentences."""
    minutes = int((now - check.since).total_seconds()) // MINUTE
    ago = "just now" if minutes < 1 else f"{minutes} min ago"
    suspected = SUSPECTED if check.is_suspected else ""
    return f"It was delivered {ago}, and is charged when it is right. {suspected}{WHO[looker]}"


async def _lookers(gateway: Gateway, job: UUID) -> Mapping[int, Looker]:
    try:
        return await gateway.registry.ref(Verifier).ask(Looking(job), within=ASK_SECONDS)
    except (AskFailed, LookupError):
        return {}
