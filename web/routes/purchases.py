"""Purchases of credits: what is on sale, and where to pay."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import attrs
import structlog
from aiohttp import web
from msgspec import Meta
from yarl import URL

from actors.ledger.effects import PurchaseOpen, PurchaseSession
from actors.ledger.messages import (
    Commit,
    GuardFailed,
    IdempotencyKey,
    KeyConflict,
    Posted,
    Replayed,
)
from actors.ports import PaymentOrder, PaymentSession, PaymentsUnavailable
from rendertrust import money
from rendertrust.api.credits import Checkout, Offer, Offers
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.credit_packs import AMOUNT_MAX, KINDS_MAX, PACKS_MAX
from sql.purchases import PurchaseRow
from sql.skus import SkuRow, cheapest
from web.http.idempotency import OTHER_REQUEST, REPLAYED, key_of
from web.http.operations import TOKEN_REFUSED, Answer, Audience, Call, Operations, Scope
from web.http.problem import Fault, Problem, invalid, unavailable
from web.http.responses import from_row
from web.identity.verified_address import address_refusal
from web.money.ledger_client import commit
from web.openapi.examples import reference as examples

operations = Operations()
CHECKOUT_SECONDS: Final = 10.0  # Stripe may be on another continent
AWAY: Final = unavailable(
    "Payments are not available now; try again",
    retry_after=5,
    code=RefusalCode.PAYMENTS_UNAVAILABLE,
)
NOTHING_SOLD: Final = Problem(
    404, "Nothing is for sale: this farm takes no payments", code=RefusalCode.PAYMENTS_OFF
)
NOT_SOLD: Final = "is not for sale; see GET /api/v1/credits/skus"
TOO_MUCH: Final = f"is more than one payment can be, at most {PACKS_MAX} packages; buy fewer"
PAGES: Final = Path(__file__).parent.parent / "checkout"
POLICY: Final = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
PAGE: Final = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
log = structlog.get_logger("purchases")

Quantity = Annotated[int, Meta(ge=1, le=PACKS_MAX)]
SkuName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,49}$",
        description="a name of at most 50 small letters, digits, - and _, like cred10",
    ),
]
# A page of the console with its query. Payment providers refuse much longer addresses.
ConsolePath = Annotated[
    str,
    Meta(
        pattern=r"^/console/[!-\[\]-~]*$",
        max_length=2000,
        description="a page of the console, like /console/jobs/new",
    ),
]


@attrs.frozen
class MorePackages:
    """Further packages of a purchase, in the currency of its first one."""

    sku: SkuName
    quantity: Quantity = 1


@attrs.frozen
class NewPurchase:
    """A purchase to begin. ``sku``: the name of the package of credits; ``quantity``: how many.

    ``more``: packages of other kinds in the same payment. ``back``: the page of the console to
    which the buyer returns, like /console/jobs/new. After a payment, its query has ``bought``.
    """

    sku: SkuName
    quantity: Quantity = 1
    back: ConsolePath | None = None
    more: Annotated[list[MorePackages], Meta(max_length=KINDS_MAX - 1)] = attrs.field(
        factory=list[MorePackages]
    )


@attrs.frozen
class Cancelled:
    """``purchase``: the purchase that was not paid; ``back``: as when it began.

    Only the buyer and Stripe know the purchase's id, and its session can only be ended.
    """

    purchase: UUID | None = None
    back: ConsolePath | None = None


@operations.get(
    "/api/v1/credits/skus",
    scope=Scope.CREDITS_READ,
    example=examples.OFFERS,
)
async def offers(call: Call) -> Offers:
    """List what is on sale, by currency, the cheapest first."""
    if not call.gateway.settings.takes_payments:
        return Offers((), None)
    rows = await call.gateway.tables.skus.all()
    best = cheapest(rows, call.gateway.settings.pricing.currency)
    return Offers(tuple(map(offer, rows)), None if best is None else best.name)


@operations.post(
    "/api/v1/credits/checkout",
    scope=Scope.CREDITS_WRITE,
    answers={200: Checkout},
    refusals={404: NOTHING_SOLD.detail},
    within=CHECKOUT_SECONDS,
    idempotency=True,
    request_example=examples.NEW_PURCHASE,
    example=examples.CHECKOUT,
)
async def checkout(call: Call[NewPurchase]) -> Answer | Problem:
    """Begin a purchase and get the address of the payment page.

    The credits are added once the purchase is paid.
    """
    if not call.gateway.settings.takes_payments:
        return NOTHING_SOLD
    key = key_of(call)
    if isinstance(key, Problem):
        return key
    if (unverified := await address_refusal(call.gateway, call.caller)) is not None:
        return unverified
    begun = await _begun(call, key)
    if isinstance(begun, Problem):
        return begun
    purchase, headers = begun
    if purchase.url is not None:
        return Answer(200, Checkout(purchase.url), headers)
    title = await _title(call, purchase)
    try:
        order = order_of(call, purchase, title, call.body.back)
        session = await call.gateway.ports.payments.open(order)
    except PaymentsUnavailable as error:
        log.warning(
            "a payment session could not be created", purchase=str(purchase.id), why=str(error)
        )
        return AWAY
    return await _with_session(call, purchase, session, headers)


@operations.get(
    "/checkout/done", audience=Audience.PUBLIC, rate="probe", answers={200: str}, media="text/html"
)
async def done(call: Call) -> web.FileResponse:
    """Page to which buyers return after paying."""
    return web.FileResponse(PAGES / "done.html", headers=PAGE)


@operations.get(
    "/checkout/cancelled",
    audience=Audience.PUBLIC,
    answers={200: str, 303: None},
    media="text/html",
    rate="probe",
    within=CHECKOUT_SECONDS,
)
async def cancelled(call: Call[None, Cancelled]) -> web.FileResponse | web.Response:
    """Page to which buyers return without paying: it ends their payment session.

    It sends them on to the page of the console where they began, or to ``stripe.return_url``.
    """
    if call.query.purchase is not None:
        await _expire(call, call.query.purchase)
    there = return_url(call, "cancelled", call.query.back)
    if there is None:
        return web.FileResponse(PAGES / "cancelled.html", headers=PAGE)
    return web.Response(status=303, headers={"Location": there, "Cache-Control": "no-store"})


@operations.get(
    "/checkout/checkout.css",
    audience=Audience.PUBLIC,
    rate="probe",
    answers={200: str},
    media="text/css",
    hidden=True,
)
async def style(call: Call) -> web.FileResponse:
    """Style sheet of both pages."""
    return web.FileResponse(PAGES / "checkout.css", headers=PAGE)


async def _begun(
    call: Call[NewPurchase], key: tuple[str, bytes] | None
) -> tuple[PurchaseRow, dict[str, str]] | Problem:
    """Return the purchase (an earlier one with this key, or a new one) and response headers."""
    tables = call.gateway.tables
    kept = None if key is None else await tables.purchases.under_key(call.caller, key[0])
    if key is not None and kept is not None:
        if kept.request != key[1]:
            return OTHER_REQUEST
        return await _purchase(call, UUID(kept.answer["purchase"])), REPLAYED
    total = await _total(call)
    return total if isinstance(total, Problem) else await _open(call, total, key)


async def _total(call: Call[NewPurchase]) -> SkuRow | Problem:
    """Return the package of the order with the credits and the price of all."""
    body, skus = call.body, call.gateway.tables.skus
    ordered = [("", body.sku, body.quantity)]
    ordered += [(f"more[{at}].", each.sku, each.quantity) for at, each in enumerate(body.more)]
    first, units, amount, count = None, 0, 0, 0
    for place, name, quantity in ordered:
        sku = await skus.by_name(name)
        if sku is None or not sku.on_sale:
            return invalid([Fault(f"{place}sku", "value", NOT_SOLD)])
        first = first or sku
        if sku.currency != first.currency:
            return invalid([Fault(f"{place}sku", "value", "has another currency: buy it alone")])
        units, amount = units + sku.units * quantity, amount + sku.amount * quantity
        count += quantity
        if amount > AMOUNT_MAX or count > PACKS_MAX:
            return invalid([Fault(f"{place}quantity", "value", TOO_MUCH)])
    assert first is not None, "one package at least is ordered"
    return attrs.evolve(first, units=units, amount=amount)


async def _open(
    call: Call[NewPurchase], total: SkuRow, key: tuple[str, bytes] | None
) -> tuple[PurchaseRow, dict[str, str]] | Problem:
    id_ = call.gateway.ports.random.uuid()
    terms = (call.caller, total.name, total.units, total.amount, total.currency)
    answer = {"status": 200, "purchase": str(id_)}
    named = None if key is None else IdempotencyKey(call.caller, *key, answer=answer)
    order = Commit(effects=(PurchaseOpen(id_, *terms),), idempotency=named)
    outcome = await commit(call.gateway, order)
    if isinstance(outcome, KeyConflict):
        return OTHER_REQUEST
    if isinstance(outcome, GuardFailed):
        return TOKEN_REFUSED  # the user was deleted meanwhile
    assert isinstance(outcome, Posted | Replayed), outcome
    if isinstance(outcome, Replayed) and outcome.answer is not None:
        return await _purchase(call, UUID(outcome.answer["purchase"])), REPLAYED
    return await _purchase(call, id_), {}


async def _purchase(call: Call[Any, Any], id_: UUID) -> PurchaseRow:
    row = await call.gateway.tables.purchases.of_user(id_, call.caller)
    assert row is not None, "the purchase was inserted before, by this request or an earlier one"
    return row


async def _title(call: Call[Any, Any], purchase: PurchaseRow) -> str:
    sku = await call.gateway.tables.skus.by_name(purchase.sku)
    return purchase.sku if sku is None else sku.title_of(purchase.units)


async def _with_session(
    call: Call[Any, Any], purchase: PurchaseRow, session: PaymentSession, headers: dict[str, str]
) -> Answer | Problem:
    """Store the payment session; return the answer with the address of its page.

    Another gateway may have handled the same purchase first. Stripe then returns one session to
    both gateways; a stand-in for Stripe returns two sessions. Only the session that was stored
    first is used.
    """
    effect = PurchaseSession(purchase.id, session.id, session.url)
    outcome = await commit(call.gateway, Commit(effects=(effect,)))
    if isinstance(outcome, Posted | Replayed):
        return Answer(200, Checkout(session.url), headers)
    now = await _purchase(call, purchase.id)
    if now.url is None:
        log.error(
            "the payment session was not stored", purchase=str(purchase.id), found=str(outcome)
        )
        return AWAY
    log.warning("another payment session was stored first", purchase=str(purchase.id))
    return Answer(200, Checkout(now.url), headers)


def order_of(
    call: Call[Any, Any], purchase: PurchaseRow, title: str, back: str | None
) -> PaymentOrder:
    """Return the order for Stripe, which is always the same for one purchase."""
    return PaymentOrder(
        purchase=purchase.id,
        title=title,
        amount=purchase.amount,
        currency=purchase.currency,
        done_url=return_url(call, "done", back) or f"{call.gateway.url()}/checkout/done",
        cancelled_url=cancel_url(call, purchase.id, back),
    )


def cancel_url(call: Call[Any, Any], purchase: UUID, back: str | None) -> str:
    """Return the address that ends the purchase's session and sends the buyer back."""
    query = {"purchase": str(purchase)} | ({} if back is None else {"back": back})
    return str(URL(f"{call.gateway.url()}/checkout/cancelled").with_query(query))


def return_url(
    call: Call[Any, Any], how: Literal["done", "cancelled"], back: str | None
) -> str | None:
    """Return the address to which a buyer returns: the page ``back``, else ``stripe.return_url``
    with the outcome as ``checkout``, else None: the gateway's own page.
    """
    if back is not None:
        page = URL(f"{call.gateway.url()}{back}")
        return str(page.update_query(bought="1") if how == "done" else page)
    given = call.gateway.settings.stripe.return_url
    return str(URL(given).update_query(checkout=how)) if given else None


async def _expire(call: Call[Any, Any], purchase: UUID) -> None:
    """End the session of a purchase, unless it is paid; Stripe's event then ends the purchase."""
    session = await call.gateway.tables.purchases.open_session(purchase)
    if session is None:
        return
    try:
        await call.gateway.ports.payments.expire(session)
    except PaymentsUnavailable as error:
        log.warning("a payment session could not be ended", purchase=str(purchase), why=str(error))


def offer(row: SkuRow) -> Offer:
    """Return the row as buyers see it."""
    return from_row(Offer, row, sku=row.name, credits=money.render(row.units))
