"""The stand-in's two pages, without scripts: a page to pay, and a page to undo payments."""

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from rendertrust import money
from supervisors.engines.stripe_stand_in.stripe_state import Json, StripeState

STYLE: Final = """\
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 46rem; margin: 3rem auto; padding: 0 1rem }
main { border: 1px solid #8886; border-radius: .75rem; padding: 1.5rem 2rem }
.note { border-left: .25rem solid #b45309; padding-left: .75rem }
.amount { font-size: 2rem; margin: .5rem 0 }
button { font: inherit; padding: .5rem 1rem; border-radius: .5rem; border: 1px solid #8888 }
button.first { background: #1d4ed8; color: #fff; border-color: #1d4ed8 }
form { display: inline-block; margin: .25rem .5rem .25rem 0 }
input { font: inherit; width: 6rem; padding: .4rem }
section { border-top: 1px solid #8886; padding: .75rem 0 }
code { word-break: break-all }
"""
NOTE: Final = (
    '<p class="note">This is a stand-in for Stripe on this machine: no money moves. '
    '<a href="/">All payments</a></p>'
)


def pay_page(session: Json) -> str:
    """Return the payment page of a session."""
    head = f"<h1>{escape(str(session['description']))}</h1>{price(session)}"
    place = f"/pay/{session['id']}"
    if session["status"] == "open":
        parts = [
            button(f"{place}/card", "Pay", first=True),
            button(f"{place}/transfer", "Pay by bank transfer"),
            button(f"{place}/cancel", "Cancel"),
        ]
        body = "".join(parts)
    else:
        body = f"<p>This payment is {escape(state_of(session))}.</p>"
    return page("Pay", f"{head}{body}")


def stripe_page(stripe: StripeState) -> str:
    """Return the page of all payments, newest first, with buttons for refunds and disputes."""
    sessions = list(reversed(stripe.sessions.values()))
    parts = "".join(_session(stripe, session) for session in sessions) or "<p>Nothing yet.</p>"
    waiting = len(stripe.events)
    return page(
        "Payments", f"<h1>Payments</h1><p>{waiting} events are not delivered yet.</p>{parts}"
    )


def _session(stripe: StripeState, session: Json) -> str:
    place = f"/sessions/{session['id']}"
    words = f"{escape(str(session['description']))}, {escape(state_of(session))}"
    lines = [f"<p>{words}<br><code>{escape(session['id'])}</code></p>", price(session)]
    if session["status"] == "open":
        lines.append(f'<p><a href="/pay/{session["id"]}">Pay</a></p>')
        lines.append(button(f"{place}/expire", "Let it expire"))
    elif session["status"] == "complete" and session["payment_status"] == "unpaid":
        lines.append(button(f"{place}/succeed", "Bank transfer arrives"))
        lines.append(button(f"{place}/fail", "Bank transfer fails"))
    for charge in of(stripe.charges.values(), session):
        lines += _charge(stripe, charge)
    return f'<section id="{escape(session["id"])}">{"".join(lines)}</section>'


def _charge(stripe: StripeState, charge: Json) -> Iterator[str]:
    place, left = f"/charges/{charge['id']}", charge["amount"] - charge["amount_refunded"]
    if left:
        field = f'<input name="amount" inputmode="numeric" value="{left}" aria-label="Amount">'
        yield button(f"{place}/refund", "Refund", field)
    if not charge["disputed"]:
        yield button(f"{place}/dispute", "Dispute")
    for refund in of(stripe.refunds.values(), charge):
        yield f"<p>Refund of {refund['amount']}: {escape(refund['status'])}</p>"
        if refund["status"] == "succeeded":
            yield button(f"/refunds/{refund['id']}/fail", "The refund fails")
    for dispute in of(stripe.disputes.values(), charge):
        yield f"<p>Dispute: {escape(dispute['status'])}</p>"
        if dispute["status"] == "needs_response":
            yield button(f"/disputes/{dispute['id']}/win", "Dispute won")
            yield button(f"/disputes/{dispute['id']}/lose", "Dispute lost")


def of(rows: Iterable[Json], other: Json) -> list[Json]:
    """Return the rows with the same payment intent as ``other``."""
    intent = other["payment_intent"]
    return [row for row in rows if intent is not None and row["payment_intent"] == intent]


def state_of(session: Json) -> str:
    if session["status"] == "complete":
        return "paid" if session["payment_status"] == "paid" else "awaited by bank transfer"
    return str(session["status"])


def price(session: Json) -> str:
    found = money.price(session["amount_total"], str(session["currency"]))
    return f'<p class="amount">{escape(found)}</p>'


def button(target: str, words: str, fields: str = "", *, first: bool = False) -> str:
    kind = ' class="first"' if first else ""
    return (
        f'<form method="post" action="{escape(target)}">{fields}'
        f"<button{kind}>{escape(words)}</button></form>"
    )


def page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>"
        '<meta name="viewport" content="width=device-width">'
        '<link rel="stylesheet" href="/style.css"></head>'
        f"<body>{NOTE}<main>{body}</main></body></html>"
    )
