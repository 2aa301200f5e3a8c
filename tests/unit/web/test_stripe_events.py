"""Reading of Stripe events: any JSON is read or skipped, and never raises an exception."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.effects import ReversalFact, SessionFact, StripeEvent
from web.money.stripe_events import event_of, is_meant

PURCHASE = "3f2b9a60-5c1d-4e0a-9a34-0d7d0a3c1b52"
KINDS = st.sampled_from(
    [
        "checkout.session.completed",
        "checkout.session.expired",
        "charge.refunded",
        "refund.created",
        "charge.dispute.closed",
        "customer.created",
    ]
)
WORDS = st.sampled_from(
    [
        "id",
        "type",
        "data",
        "object",
        "amount",
        "amount_refunded",
        "amount_total",
        "currency",
        "payment_intent",
        "status",
        "payment_status",
        "client_reference_id",
        "metadata",
        "purchase",
    ]
)
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("paid"),
        st.just("usd"), st.just(PURCHASE),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=8)
    ),
    max_leaves=12,
)  # fmt: skip


@given(event=st.dictionaries(WORDS, VALUES, max_size=5))
def test_anything_is_read_or_passed_over(event: dict[str, Any]) -> None:
    found = event_of(event)
    assert found is None or found.event == event["id"]


@given(kind=KINDS, about=st.dictionaries(WORDS, VALUES))
def test_any_object_is_read_or_passed_over(kind: str, about: dict[str, Any]) -> None:
    found = event_of({"id": "evt_1", "type": kind, "data": {"object": about}})
    assert found is not None
    fact = found.fact
    assert fact is None or is_meant(kind)
    if isinstance(fact, SessionFact):
        assert fact.amount is None or 0 <= fact.amount < 2**53
    elif fact is not None:
        assert 0 <= fact.amount < 2**53
        assert len(fact.currency) == 3


def about(**more: Any) -> dict[str, Any]:
    plain = {"id": "x_1", "amount": 7, "currency": "usd", "payment_intent": "pi_1"}
    return {**plain, **more}


def read(kind: str, **more: Any) -> StripeEvent:
    found = event_of({"id": "evt_1", "type": kind, "data": {"object": about(**more)}})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "status", "state"),
    [
        ("refund.created", "succeeded", "COUNTS"),
        ("refund.created", "pending", "COUNTS"),
        ("refund.updated", "requires_action", "PENDING"),
        ("refund.failed", "failed", "VOID"),
        ("charge.refund.updated", "canceled", "VOID"),
        ("charge.dispute.created", "needs_response", "COUNTS"),
        ("charge.dispute.updated", "under_review", "COUNTS"),
        ("charge.dispute.created", "warning_needs_response", "PENDING"),
        ("charge.dispute.closed", "warning_closed", "VOID"),
        ("charge.dispute.closed", "lost", "COUNTS"),
        ("charge.dispute.closed", "won", "VOID"),
        ("charge.dispute.funds_reinstated", "won", "VOID"),
    ],
)
def test_what_went_back(kind: str, status: str, state: str) -> None:
    of = "REFUND" if "refund" in kind else "DISPUTE"
    wanted = ReversalFact("x_1", of, "pi_1", 7, "usd", state)  # type: ignore[arg-type]
    assert read(kind, status=status).fact == wanted


def test_a_charge_is_told_by_the_sum_of_its_refunds() -> None:
    fact = read("charge.refunded", amount=100, amount_refunded=30).fact
    assert fact == ReversalFact("x_1", "CHARGE", "pi_1", 30, "usd", "COUNTS")


def test_ids_may_stand_there_as_whole_objects_and_currencies_in_capitals() -> None:
    fact = read("refund.created", payment_intent={"id": "pi_9"}, currency="USD").fact
    assert fact == ReversalFact("x_1", "REFUND", "pi_9", 7, "usd", "COUNTS")


@pytest.mark.parametrize(
    ("kind", "paid", "state"),
    [
        ("completed", "paid", "paid"),
        ("completed", "unpaid", "unpaid"),
        ("completed", "no_payment_required", "unpaid"),
        ("async_payment_succeeded", "paid", "paid"),
        ("async_payment_failed", "unpaid", "failed"),
        ("expired", "unpaid", "expired"),
    ],
)
def test_what_became_of_a_session(kind: str, paid: str, state: str) -> None:
    fact = read(f"checkout.session.{kind}", payment_status=paid, amount_total=5).fact
    assert isinstance(fact, SessionFact)
    assert (fact.state, fact.amount, fact.purchase) == (state, 5, None)


@pytest.mark.parametrize(
    "named", [{"client_reference_id": PURCHASE}, {"metadata": {"purchase": PURCHASE}}]
)
def test_a_session_names_its_purchase(named: dict[str, Any]) -> None:
    fact = read("checkout.session.completed", **named).fact
    assert isinstance(fact, SessionFact)
    assert fact.purchase == UUID(PURCHASE)
