"""Invoices of purchases: who sells, who buys, and the terms with which an invoice is issued."""

from typing import Annotated, Final, TypeAlias
from uuid import UUID

from msgspec import Meta

from rendertrust.api.refusal_code import RefusalCode
from sql.invoices import InvoiceRow, InvoiceTerms
from sql.purchases import PurchaseRow
from web.gateway import Gateway
from web.http.problem import Problem

_LINE: Final = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{0,100}"
InvoiceAddress: TypeAlias = Annotated[
    str,
    Meta(
        pattern=rf"^{_LINE}(\n{_LINE}){{0,5}}$",
        max_length=500,
        description="at most six lines of 100 characters, 500 in all",
    ),
]
NO_PURCHASE: Final = Problem(
    404, "There is no such purchase of yours", code=RefusalCode.PURCHASE_NOT_FOUND
)
NOT_PAID: Final = Problem(
    409,
    "The purchase is not paid, so there is no invoice yet",
    code=RefusalCode.PURCHASE_UNPAID,
)
NO_SELLER: Final = Problem(
    404,
    "This farm issues no invoices: an admin must set its name and address in `invoices.seller`",
    code=RefusalCode.INVOICES_OFF,
)


async def invoice_of(gateway: Gateway, user: UUID, purchase: UUID) -> InvoiceRow | Problem:
    """Return the invoice of a user's purchase; the first call issues it."""
    kept = gateway.tables
    issued = await kept.invoices.of_purchase(purchase, user)
    if issued is not None:
        return issued
    row = await kept.purchases.of_user(purchase, user)
    if row is None:
        return NO_PURCHASE
    if row.state != "PAID":
        return NOT_PAID
    if not gateway.settings.invoices.seller_lines():
        return NO_SELLER
    terms = await _terms(gateway, user, row)
    made = await kept.invoices.issue(purchase, user, terms, gateway.ports.clock.now())
    return NO_PURCHASE if made is None else made


async def _terms(gateway: Gateway, user: UUID, purchase: PurchaseRow) -> InvoiceTerms:
    settings, buyer = gateway.settings.invoices, await gateway.tables.users.by_id(user)
    sku = await gateway.tables.skus.by_name(purchase.sku)
    assert buyer is not None, "users are never deleted from the table"
    return InvoiceTerms(
        seller="\n".join(settings.seller_lines()),
        buyer=buyer.invoice_to or f"{buyer.name}\n{buyer.email}",
        prefix=settings.prefix,
        title=purchase.sku if sku is None else sku.title_of(purchase.units),
        tax_name=settings.tax_name,
        tax=round(settings.tax_percent * 100) or None,
        note=settings.note,
    )
