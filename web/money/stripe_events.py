"""Parser of Stripe events, as far as purchases depend on them (pure)."""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from actors.ledger.effects import ReversalFact, SessionFact, StripeEvent
from web.http.converter import uuid_of

INTEGER_MAX: Final = 2**53 - 1
_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}", re.ASCII)
_CURRENCY: Final = re.compile(r"[a-z]{3}", re.ASCII)
# A session's outcome by the event's type. A completed session may still be unpaid.
_ENDED: Final = {
    "checkout.session.async_payment_failed": "failed",
    "checkout.session.expired": "expired",
}
_COMPLETED: Final = ("checkout.session.completed", "checkout.session.async_payment_succeeded")
_REFUND: Final = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
_REFUNDS: Final = {"requires_action": "PENDING", "failed": "VOID", "canceled": "VOID"}
_DISPUTES: Final = {
    "warning_needs_response": "PENDING",  # the bank inquires, and has taken nothing yet
    "warning_under_review": "PENDING",
    "warning_closed": "VOID",
    "prevented": "VOID",
    "won": "VOID",
}


def event_of(event: Mapping[str, Any]) -> StripeEvent | None:
    """Return the event for the Ledger; None if it is invalid. Events of unknown types change
    nothing in the books.
    """
    name, kind = _id(event.get("id")), _id(event.get("type"))
    if name is None or kind is None:
        return None
    data = event.get("data")
    about = data.get("object") if isinstance(data, dict) else None
    if not isinstance(about, dict):
        return StripeEvent(name, kind, "")
    return StripeEvent(name, kind, _id(about.get("id")) or "", _fact(kind, about))


def is_meant(kind: str) -> bool:
    """Return True if events of this type are handled."""
    session = kind in _ENDED or kind in _COMPLETED
    return session or kind in ("charge.refunded", *_REFUND) or kind.startswith("charge.dispute.")


def _fact(kind: str, about: Mapping[str, Any]) -> SessionFact | ReversalFact | None:
    if kind in _ENDED or kind in _COMPLETED:
        return _session(kind, about)
    if kind == "charge.refunded":
        return _reversal(about, "CHARGE", about.get("amount_refunded"), "COUNTS")
    if kind in _REFUND:
        state = _REFUNDS.get(str(about.get("status")), "COUNTS")
        return _reversal(about, "REFUND", about.get("amount"), state)
    if kind.startswith("charge.dispute."):
        state = _DISPUTES.get(str(about.get("status")), "COUNTS")
        return _reversal(about, "DISPUTE", about.get("amount"), state)
    return None


def _session(kind: str, about: Mapping[str, Any]) -> SessionFact | None:
    session = _id(about.get("id"))
    if session is None:
        return None
    paid = "paid" if about.get("payment_status") == "paid" else "unpaid"
    return SessionFact(
        session=session,
        purchase=_purchase(about),
        state=_ENDED.get(kind, paid),  # type: ignore[arg-type]
        amount=_amount(about.get("amount_total")),
        currency=_currency(about.get("currency")),
        payment_intent=_reference(about.get("payment_intent")),
    )


def _purchase(about: Mapping[str, Any]) -> UUID | None:
    metadata = about.get("metadata")
    named = about.get("client_reference_id")
    if not named and isinstance(metadata, dict):
        named = metadata.get("purchase")
    return uuid_of(named) if isinstance(named, str) else None


def _reversal(about: Mapping[str, Any], kind: str, amount: Any, state: str) -> ReversalFact | None:
    id_, intent = _id(about.get("id")), _reference(about.get("payment_intent"))
    units, currency = _amount(amount), _currency(about.get("currency"))
    if id_ is None or intent is None or units is None or currency is None:
        return None
    return ReversalFact(id_, kind, intent, units, currency, state)  # type: ignore[arg-type]


def _reference(value: Any) -> str | None:
    """Return the id of another object, which may be embedded as a whole."""
    return _id(value.get("id") if isinstance(value, dict) else value)


def _id(value: Any) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _amount(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= INTEGER_MAX else None


def _currency(value: Any) -> str | None:
    lower = value.lower() if isinstance(value, str) else ""
    return lower if _CURRENCY.fullmatch(lower) else None
