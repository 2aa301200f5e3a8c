"""Prices of job types, for admins. A job keeps the price at which it was submitted."""

from datetime import datetime
from typing import Annotated

import attrs
from msgspec import Meta

from rendertrust import money
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.value_types import Credits
from sql.prices import EVERY_OTHER, PriceRow, shown
from web.http.operations import Audience, Call, Operations
from web.http.problem import Fault, Problem, invalid
from web.http.responses import from_row
from web.openapi.examples import reference as examples
from web.routes.admin import Limit, Reason, act_on

operations = Operations(audience=Audience.ADMIN)
NOTHING_THERE = Problem(404, "No price is set for the job type", code=RefusalCode.PRICE_NOT_FOUND)
ALWAYS = invalid([Fault("price", "value", f"must not be null for {EVERY_OTHER}")])

PricedType = Annotated[
    str,
    Meta(
        max_length=100,
        pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9._:/-]*)$",
        description="a job type; * stands for all without a price of their own",
    ),
]
NewAmount = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,9}(\.[0-9]{1,4})?$",
        description="a decimal string with at most 9 digits and 4 decimals, like 10.5; 0 is free",
    ),
]


@attrs.frozen
class PriceWords:
    job_type: PricedType


@attrs.frozen
class PriceQuery:
    """Filter of the price history: ``job_type``, and ``before``, the last number of the previous
    page.
    """

    job_type: PricedType | None = None
    before: Annotated[int, Meta(ge=1)] | None = None
    limit: Limit = 50


@attrs.frozen
class NewPrice:
    """A new price. ``price`` null: the job type costs the default price from now on."""

    price: NewAmount | None
    reason: Reason


@attrs.frozen
class Price:
    """The present price of a job type, per frame or per job without frames, and since when."""

    job_type: str
    price: Credits
    since: datetime
    number: int


@attrs.frozen
class PriceChange:
    """A change of a price. ``price`` null: the price was removed. ``changed_by`` '': a migration
    set the price.
    """

    number: int
    job_type: str
    price: Credits | None
    since: datetime
    changed_by: str
    reason: str


@attrs.frozen
class PriceList:
    """Present prices, and a page of their ``history``, newest first; ``next`` is the ``before``
    of the next page.
    """

    prices: list[Price]
    history: list[PriceChange]
    next: int | None


@operations.get(
    "/api/v1/admin/prices",
    example=examples.PRICES,
)
async def index(call: Call[None, PriceQuery]) -> PriceList:
    """List present prices and their history."""
    query, kept = call.query, call.gateway.tables.prices
    rows = await kept.history(query.job_type, query.before, query.limit)
    more = rows[-1].number if len(rows) == query.limit else None
    return PriceList(
        [_price(row) for row in await kept.now()], [changed(row) for row in rows], more
    )


@operations.put(
    "/api/v1/admin/prices/{job_type}",
    words=PriceWords,
    request_example=examples.NEW_PRICE,
    refusals={404: "Not a job type, or no price is set for it"},
    absent=NOTHING_THERE,
    example=examples.PRICE_CHANGE,
)
async def change(call: Call[NewPrice]) -> PriceChange | Problem:
    """Set the price of a job type for new jobs.

    Submitted jobs keep their price. Setting the present price changes nothing.
    """
    job_type, body = call.words["job_type"], call.body
    if body.price is None and job_type == EVERY_OTHER:
        return ALWAYS
    act = await act_on(call, "price.set", target_of(job_type), body.reason)
    if isinstance(act, Problem):
        return act
    units = None if body.price is None else money.parse(body.price, zero=True)
    row = await call.gateway.tables.prices.set(job_type, units, act)
    return NOTHING_THERE if row is None else changed(row)


def target_of(job_type: str) -> str:
    """Return the target's name in the audit log."""
    return f"price:{job_type}"


def _price(row: PriceRow) -> Price:
    assert row.units is not None, "the query returns only types with a price"
    return Price(row.job_type, money.render(row.units), row.since, row.number)


def changed(row: PriceRow) -> PriceChange:
    return from_row(PriceChange, row, price=shown(row.units))
