"""Description, for creators, of delivered units that wait for their verdict."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from actors.kernel import AskFailed
from actors.verifier.messages import CheckWait, ExplainChecks, Verifier
from rendertrust.api.preflights import CheckWaitCode
from sql.gateway_totals import read_verifiers
from sql.jobs import OpenCheck
from web.gateway import Gateway
from web.jobs.check_queue import SEEN_SECONDS

ASK_SECONDS: Final = 0.5
MINUTE: Final = 60
MAY_RENDER: Final = "The gateway may have small parts of it rendered again to verify it."


@attrs.frozen
class CheckProgress:
    """A delivered unit that waits for its verdict since ``since``; ``words`` explain it.

    ``reason``: the code of the reason why it waits long; None if it does not.
    """

    words: str
    since: datetime
    reason: CheckWaitCode | None = None


async def checking_of(
    gateway: Gateway, job: UUID, units: Sequence[int]
) -> Mapping[int, CheckProgress]:
    """Return the units that wait for a verdict, by number. Raises Unavailable.

    The description does not reveal whether a result is compared. Only some results are compared.
    The owners of nodes, who may be creators or know creators, must not learn which results are.
    So reasons are given only after ``wait_seconds``, when the wait itself says as much.
    """
    if not units:
        return {}
    now, limit = gateway.ports.clock.now(), gateway.settings.verification.wait_seconds
    checks = await gateway.tables.jobs.open_checks(job, units)
    late = [one.unit for one in checks if (now - one.since).total_seconds() >= limit]
    waits = await _waits_of(gateway, job, late) if late else {}
    return {one.unit: progress_of(one, now, waits.get(one.unit)) for one in checks}


async def _waits_of(gateway: Gateway, job: UUID, units: Sequence[int]) -> Mapping[int, CheckWait]:
    """Return what is known about the units' checks. The verifiers of all gateways count; the other
    facts are of this gateway's Verifier.
    """
    if not await read_verifiers(gateway.database, SEEN_SECONDS):
        return dict.fromkeys(units, CheckWait(has_verifier=False))
    try:
        asked = ExplainChecks(job, tuple(units))
        return await gateway.registry.ref(Verifier).ask(asked, within=ASK_SECONDS)
    except (AskFailed, LookupError):
        return {}


def progress_of(check: OpenCheck, now: datetime, wait: CheckWait | None = None) -> CheckProgress:
    """Return two sentences on a delivered unit: since when it waits, and why if it waits long."""
    minutes = int((now - check.since).total_seconds()) // MINUTE
    ago = "just now" if minutes < 1 else f"{minutes} min ago"
    reason, why = (None, MAY_RENDER) if wait is None else reason_of(wait)
    words = f"It was delivered {ago}, and is charged once verified. {why}"
    return CheckProgress(words, check.since, reason)


def reason_of(wait: CheckWait) -> tuple[CheckWaitCode, str]:
    """Return the reason why a result waits long for its verdict: a code and a sentence."""
    if not wait.has_verifier:
        return "no_verifier", "No verifier that may check it is connected."
    if wait.lacks_build:
        return "no_build", "No verifier has the build of Blender with which it was rendered."
    if wait.is_running:
        return "running", "A verifier is checking it."
    if wait.is_last:
        return "repeated", (
            "A check of it failed or took too long, and is repeated when no other result waits."
        )
    before = "One other result waits" if wait.ahead == 1 else f"{wait.ahead} other results wait"
    if wait.has_used_share:
        return "share", (
            "Your results have used your share of the verifiers' time, so results of other creators"
            f" are checked first: {before[0].lower()}{before[1:]} before it."
        )
    return "queue", f"{before} before it." if wait.ahead else "It is the next to be checked."
