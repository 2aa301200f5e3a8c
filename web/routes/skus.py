"""SKUs: packages of credits on sale, set by admins."""

from datetime import datetime
from typing import Annotated, Final

import attrs
from msgspec import Meta

from rendertrust import money
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.credit_packs import AMOUNT_MAX
from rendertrust.value_types import Credits
from sql.skus import SkuRow
from web.http.operations import Audience, Call, Operations
from web.http.problem import Problem
from web.http.responses import from_row
from web.openapi.examples import reference as examples
from web.routes.admin import Reason, act_on
from web.routes.purchases import SkuName

operations = Operations(audience=Audience.ADMIN)
NO_NAME: Final = Problem(404, "This is not a valid SKU name", code=RefusalCode.SKU_NOT_FOUND)


Brought = Annotated[
    str,
    Meta(
        pattern=r"^(?=.*[1-9])[0-9]{1,9}(\.[0-9]{1,4})?$",
        description="a decimal string above 0 with at most 9 digits and 4 decimals, like 10.5",
    ),
]


@attrs.frozen
class SkuWords:
    sku: SkuName


@attrs.frozen
class Terms:
    """Terms of a SKU. ``amount`` is in the currency's smallest unit. ``on_sale`` false: the package
    cannot be bought.
    """

    title: Annotated[str, Meta(min_length=1, max_length=100)]
    credits: Brought
    amount: Annotated[int, Meta(ge=1, le=AMOUNT_MAX)]
    reason: Reason
    currency: Annotated[
        str, Meta(pattern=r"^[a-z]{3}$", description="three small letters, such as eur")
    ] = "usd"
    on_sale: bool = True


@attrs.frozen
class Sku:
    """A SKU. ``amount`` is the price in the currency's smallest unit: cents for usd."""

    sku: str
    title: str
    credits: Credits
    amount: int
    currency: str
    on_sale: bool
    changed_at: datetime


@attrs.frozen
class SkuList:
    skus: list[Sku]


@operations.get(
    "/api/v1/admin/skus",
    example=examples.SKUS,
)
async def index(call: Call) -> SkuList:
    """List all SKUs, withdrawn ones too."""
    rows = await call.gateway.tables.skus.all(withdrawn=True)
    return SkuList([shown(row) for row in rows])


@operations.put(
    "/api/v1/admin/skus/{sku}",
    words=SkuWords,
    absent=NO_NAME,
    request_example=examples.TERMS,
    example=examples.SKU,
)
async def put(call: Call[Terms]) -> Sku | Problem:
    """Set the credits and the price of a SKU for new purchases."""
    row = row_of(call.words["sku"], call.body, call.gateway.ports.clock.now())
    act = await act_on(call, "sku.put", target_of(row.name), call.body.reason, details_of(row))
    if isinstance(act, Problem):
        return act
    return shown(await call.gateway.tables.skus.put(row, act))


def target_of(sku: str) -> str:
    """Return the target's name in the audit log."""
    return f"sku:{sku}"


def row_of(name: str, terms: Terms, now: datetime) -> SkuRow:
    return SkuRow(
        name=name,
        title=terms.title,
        units=money.parse(terms.credits),
        amount=terms.amount,
        currency=terms.currency,
        on_sale=terms.on_sale,
        changed_at=now,
    )


def details_of(row: SkuRow) -> dict[str, object]:
    """Return the terms of the SKU for the audit log."""
    terms = attrs.asdict(row, filter=lambda field, _: field.name not in ("name", "changed_at"))
    return {**terms, "units": money.render(row.units)}


def shown(row: SkuRow) -> Sku:
    return from_row(Sku, row, sku=row.name, credits=money.render(row.units))
