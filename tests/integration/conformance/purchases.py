"""Purchases on the stage: opened, paid and refunded by the events that Stripe would send."""

from uuid import UUID

import attrs

from actors.ledger.effects import (
    PurchaseOpen,
    PurchaseSession,
    ReversalFact,
    SessionFact,
    StripeEvent,
)
from actors.ledger.messages import Commit, Outcome, Posted
from sql.account_names import debt_account, user_account
from tests.integration.conformance.stage import Stage, fresh_id

CREDIT = 10_000


@attrs.frozen
class Bought:
    """A purchase of credits at one cent each."""

    purchase: UUID
    user: UUID
    credits: int

    @property
    def session(self) -> str:
        return f"cs_{self.purchase.int}"

    @property
    def intent(self) -> str:
        return f"pi_{self.purchase.int}"

    def opened(self) -> Commit:
        terms = (self.user, "cred10", self.credits * CREDIT, self.credits, "usd")
        session = PurchaseSession(self.purchase, self.session, f"https://pay/{self.session}")
        return Commit((), (PurchaseOpen(self.purchase, *terms), session))

    def said(self, state: str = "paid", **more: object) -> SessionFact:
        """Return a report of Stripe about the purchase's session."""
        fact = SessionFact(self.session, self.purchase, "paid", self.credits, "usd", self.intent)
        return attrs.evolve(fact, state=state, **more)  # type: ignore[arg-type]

    def reversal(self, id_: str, kind: str, amount: int, state: str = "COUNTS") -> ReversalFact:
        """Return a report of Stripe about a refund or dispute; one cent is one credit."""
        return ReversalFact(id_, kind, self.intent, amount, "usd", state)  # type: ignore[arg-type]


def event(fact: SessionFact | ReversalFact | None, id_: str | None = None) -> Commit:
    """Return the commit of a Stripe event; its id is new unless given."""
    name = id_ or f"evt_{fresh_id().int}"
    return Commit((), (StripeEvent(name, "type", "object", fact),))


async def new_purchase(stage: Stage, user: UUID, credits_: int) -> Bought:
    """Open a purchase that is not paid yet."""
    bought = Bought(fresh_id(), user, credits_)
    (outcome,) = await stage.commit(bought.opened())
    assert isinstance(outcome, Posted), outcome
    return bought


async def buy(stage: Stage, user: UUID, credits_: int) -> Bought:
    """Open a purchase and pay it."""
    bought = await new_purchase(stage, user, credits_)
    await tell(stage, bought.said())
    return bought


async def tell(stage: Stage, fact: SessionFact | ReversalFact) -> Outcome:
    (outcome,) = await stage.commit(event(fact))
    assert isinstance(outcome, Posted), outcome
    return outcome


async def credits_of(stage: Stage, user: UUID) -> tuple[float, float, float]:
    """Return the user's balance, the held part of it, and their debt."""
    balance, held = await stage.money(user_account(user))
    debt, _ = await stage.money(debt_account(user))
    return balance / CREDIT, held / CREDIT, -debt / CREDIT


async def platform(stage: Stage) -> tuple[float, float]:
    """Return the balances of the accounts for purchases and disputes."""
    purchases, disputes = await stage.money("purchases"), await stage.money("disputes")
    return purchases[0] / CREDIT, disputes[0] / CREDIT
