"""What a refund would give back: found by what admins see of a job, and told before it is done."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import attrs

from rendertrust import money
from sql.credits import RefundableUnit
from sql.job_desk import JobDesk, ListedJob, Wish
from web.console.wording import SHORT
from web.gateway import Gateway
from web.http.converter import uuid_of
from web.http.problem import Fault, Problem, invalid
from web.routes.admin_credits import NO_UNIT, NOT_CHARGED, too_much

ALL: Final = "all"
MOST: Final = 200  # units in one go: each is a commit of its own
NEWEST: Final = "-created"
NO_JOB: Final = Problem(404, "There is no such job")
NO_ID: Final = invalid(
    [Fault("job", "value", f"must be its id, or the first {SHORT} characters of it")]
)
SEVERAL: Final = invalid([Fault("job", "value", "fits several jobs: give the full id")])
ONE_BY_ONE: Final = invalid([Fault("amount", "value", "can be named for one unit, not for all")])
HEX: Final = frozenset("0123456789abcdef-")


@attrs.frozen
class Refunding:
    """Units of one job that are to be refunded, and the sum. ``left``: as many for another time."""

    job: UUID
    unit: str  # a number, or ALL
    units: Sequence[RefundableUnit]
    amount: int
    of: int  # so many units the job has
    left: int = 0


async def refunding(
    gateway: Gateway, user: UUID, name: str, unit: str, amount: str
) -> Refunding | Problem:
    """The second step of a refund; a Problem if it would give nothing back.

    ``name``: the id of a job of the user's, or how it begins. ``unit`` "": the only one.
    ``amount`` "": all that was charged.
    """
    job = await _job_of(JobDesk(gateway.database), user, name.strip().lower())
    if isinstance(job, Problem):
        return job
    units = await gateway.credits.refundable_units(job)
    if unit == ALL and len(units) > 1:
        return ONE_BY_ONE if amount else _all(job, units)
    if unit == "" and len(units) > 1:
        words = (
            f"must be one from 0 to {len(units) - 1}, or {ALL}: the job has {len(units)} of them"
        )
        return invalid([Fault("unit", "missing", words)])
    number = int(unit) if unit not in ("", ALL) else 0
    found = [each for each in units if each.number == number]
    return _one(job, found[0], amount, len(units)) if found else NO_UNIT


def _one(job: UUID, unit: RefundableUnit, amount: str, of: int) -> Refunding | Problem:
    if unit.charged == 0:
        return NOT_CHARGED
    units = money.parse(amount) if amount else unit.charged
    if units > unit.charged:
        return too_much(unit.charged)
    if unit.refunded is not None:
        return Problem(409, f"It was refunded before: {money.render(unit.refunded)} credits")
    return Refunding(job, str(unit.number), [unit], units, of)


def _all(job: UUID, units: Sequence[RefundableUnit]) -> Refunding | Problem:
    charged = [each for each in units if each.charged]
    if not charged:
        return NOT_CHARGED
    left = [each for each in charged if each.refunded is None]
    if not left:
        return Problem(409, "All that was charged for it was refunded before")
    now = left[:MOST]
    return Refunding(job, ALL, now, sum(u.charged for u in now), len(units), len(left) - len(now))


async def _job_of(desk: JobDesk, user: UUID, name: str) -> UUID | Problem:
    if uuid_of(name) is None and (len(name) < SHORT or not set(name) <= HEX):
        return NO_ID
    own = await _begin_so(desk, user, name)
    if own:
        return own[0].id if len(own) == 1 else SEVERAL
    others = await _begin_so(desk, None, name)
    if not others:
        return NO_JOB
    return Problem(404, f"It is a job of another user, {others[0].email}")


async def _begin_so(desk: JobDesk, user: UUID | None, name: str) -> Sequence[ListedJob]:
    id_ = uuid_of(name)
    return await desk.page(user, Wish(id=name if id_ is None else str(id_)), NEWEST, 2, 0)
