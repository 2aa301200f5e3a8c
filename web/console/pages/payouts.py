"""Payouts pages, for admins: requests for money are approved in batches, exported, and marked as
paid.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

import attrs
from msgspec import Meta

from sql.operator_accounts import PayoutShown
from sql.page import Page
from web.console.registry import MONEY, Nav, Pages
from web.console.tables import SORTED_MOST, Column, one_of, order_by, page_of, table
from web.console.view import ADMINS, OVERSEERS, Redirect, Shown, View, session_of
from web.http.converter import uuid_of
from web.http.problem import Problem
from web.identity.acting_user import ActingUser
from web.identity.second_factor import recent_factor_refusal
from web.routes import payouts as api
from web.routes.admin import Because, Reason
from web.routes.payouts import (
    BATCH_NOT_FOUND,
    PAYOUT_NOT_FOUND,
    accounts_shown,
    approved,
    paid_out,
    rejected,
)

pages = Pages()
PATH: Final = "/console/payouts"
ROWS: Final = 50
BATCH_MOST: Final = 100
USUAL: Final = "-requested_at"
TABS: Final = (
    ("To approve", "requested"),
    ("Approved", "approved"),
    ("Paid", "paid"),
    ("Rejected", "rejected"),
)
COLUMNS: Final = (
    Column("Operator", "email"),
    Column("Amount", "amount", "number"),
    Column("Units", "units", "number"),
    Column("Account"),
    Column("State", "state"),
    Column("Requested", "requested_at", "time"),
    Column("Batch"),
)
NOT_CHOSEN: Final = Problem(422, "No payout was selected")
TOO_MANY: Final = Problem(422, f"A batch has at most {BATCH_MOST} payouts: select fewer")
pages.call("/payouts/batches/{batch_id}/file", api.operations, api.batch, who=OVERSEERS)


@attrs.frozen
class PayoutsQuery:
    is_: Annotated[str, one_of(*(word for _, word in TABS))] = ""
    sort: Annotated[str, order_by(COLUMNS)] = ""
    offset: Annotated[int, Meta(ge=0, le=SORTED_MOST)] = 0


@attrs.frozen
class PayoutBatchQuery:
    sort: Annotated[str, order_by(COLUMNS[:-1])] = ""


@attrs.frozen
class BatchPaidForm:
    """Form that says that the money of a batch was sent. ``reference``: the bank's."""

    reference: Annotated[str, Meta(min_length=1, max_length=255)]
    reason: Reason


@attrs.frozen
class RejectionForm:
    """Form that rejects a payout. ``not_paid``: an admin confirms that no money was sent."""

    which: UUID
    reason: Reason
    not_paid: Annotated[str, one_of("1")] = ""


@pages.page(
    "/payouts",
    "Payouts",
    "payouts.html",
    who=OVERSEERS,
    nav=Nav("Payouts", "m", 50, "coin", MONEY, of_money=True),
    live=("tabs", "rows"),
    topics=("jobs",),
    every=10.0,
    rest=1.0,
)
async def payouts(view: View[PayoutsQuery]) -> Shown:
    """Return the payouts of all operators, newest first."""
    operators, query = view.gateway.tables.operators, view.query
    state = query.is_.upper() or None
    found = await operators.payouts(None, state, Page(SORTED_MOST)) or ()
    counts = {word: await operators.payouts_count(None, word.upper()) for _, word in TABS}
    rows = page_of(table(found, COLUMNS, query.sort, USUAL), query.offset, ROWS)
    accounts = await accounts_shown(view.gateway, rows.rows, whole=False)
    return {
        "rows": rows,
        "tabs": [
            ("All", PATH, sum(counts.values()), not query.is_),
            *((name, f"{PATH}?is={word}", counts[word], word == query.is_) for name, word in TABS),
        ],
        "accounts": accounts,
        "approvable": {
            row.id
            for row in rows.rows
            if row.state == "REQUESTED"
            and row.operator_id in accounts
            and row.operator_id != view.who.user
        },
        "sold": view.gateway.console.prices.of_credits,
        "waiting": counts["requested"],
    }


@pages.action("/payouts/approve", who=ADMINS, form_on="/payouts")
async def approve(view: View[Because]) -> Redirect | Problem:
    """Approve the selected payouts as one batch."""
    named = [uuid_of(each) for each in dict.fromkeys(view.fields.getall("payout", []))]
    ids = [each for each in named if each is not None]
    if not ids:
        return NOT_CHOSEN
    if len(ids) > BATCH_MOST:
        return TOO_MANY
    refused = await recent_factor_refusal(view.gateway, view.who.user, session_of(view))
    if refused is not None:
        return refused
    done = await approved(_doer(view), ids, view.query.reason)
    if isinstance(done, Problem):
        return done
    words = "The payout is approved." if len(ids) == 1 else f"{len(ids)} payouts are approved."
    return Redirect(
        f"{PATH}/batches/{done.batch}", f"{words} Export the batch, and send the money."
    )


@pages.action("/payouts/reject", who=ADMINS, absent=PAYOUT_NOT_FOUND, form_on="/payouts")
async def reject(view: View[RejectionForm]) -> Redirect | Problem:
    """Reject a payout; its shares are payable again."""
    form = view.query
    row = await rejected(_doer(view), form.which, form.reason, not_paid=bool(form.not_paid))
    if isinstance(row, Problem):
        return row
    to = PATH if row.batch_id is None else f"{PATH}/batches/{row.batch_id}"
    return Redirect(to, "The payout is rejected: its earnings are payable again.")


@pages.page(
    "/payouts/batches/{id}",
    "Batch of payouts",
    "payout_batch.html",
    who=OVERSEERS,
    live=("state",),
    topics=("jobs",),
    every=10.0,
    rest=1.0,
    absent=BATCH_NOT_FOUND,
    beginning="batches_beginning",
)
async def batch(view: View[PayoutBatchQuery]) -> Shown | Problem:
    """Return a batch of approved payouts, and what is left to pay."""
    rows = await view.gateway.tables.operators.payouts_by_id(batches=[view.ids["id"]])
    if not rows:
        return BATCH_NOT_FOUND
    return {
        "title": f"Batch {str(view.ids['id'])[:8]}",
        "id": view.ids["id"],
        "rows": table(rows, COLUMNS[:-1], view.query.sort, "requested_at"),
        "accounts": await accounts_shown(view.gateway, rows, whole=view.is_admin),
        "amount": sum(row.amount for row in rows if row.state != "REJECTED"),
        "sold": view.gateway.console.prices.of_credits,
        "left": sum(row.state == "APPROVED" for row in rows),
        "reference": next((row.reference for row in rows if row.state == "PAID"), ""),
    }


@pages.action("/payouts/batches/{id}/export", who=ADMINS, form_on="/payouts/batches/{id}")
async def export(view: View) -> Redirect | Problem:
    """Redirect to the CSV file with whole accounts, once the second factor was given."""
    refused = await recent_factor_refusal(view.gateway, view.who.user, session_of(view))
    return refused or Redirect(f"{PATH}/batches/{view.ids['id']}/file?format=csv")


@pages.action(
    "/payouts/batches/{id}/paid",
    who=ADMINS,
    absent=BATCH_NOT_FOUND,
    form_on="/payouts/batches/{id}",
)
async def paid(view: View[BatchPaidForm]) -> Redirect | Problem:
    """Mark the payouts of a batch as paid."""
    form, id_ = view.query, view.ids["id"]
    rows = await paid_out(_doer(view), id_, form.reference, form.reason)
    if isinstance(rows, Problem):
        return rows
    return Redirect(f"{PATH}/batches/{id_}", _said(rows))


def _said(rows: Sequence[PayoutShown]) -> str:
    left = sum(row.state == "APPROVED" for row in rows)
    if left:
        return f"{left} payouts are left: press the button again with the same reference."
    return "The batch is marked as paid."


def _doer(view: View[Any]) -> ActingUser:
    return ActingUser(view.gateway, view.who.user, view.request_id)
