"""Purchases on the stage: opened, paid, given back, by the events that Stripe would send."""

from uuid import UUID

import attrs

from actors.ledger.messages import (
    Commit,
    Outcome,
    Posted,
    PurchaseOpen,
    PurchaseSession,
    ReversalFact,
    SessionFact,
    StripeEvent,
    debt_account,
    user_account,
)
from tests.integration.conformance.stage import Stage, fresh_id

CREDIT = 10_000


@attrs.frozen
class Bought:
    """One purchase: so many credits at a cent each."""

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
        """A fact about its session."""
        fact = SessionFact(self.session, self.purchase, "paid", self.credits, "usd", self.intent)
        return attrs.evolve(fact, state=state, **more)  # type: ignore[arg-type]

    def back(self, id_: str, kind: str, amount: int, state: str = "COUNTS") -> ReversalFact:
        """A fact about what went back, in cents, which are credits."""
        return ReversalFact(id_, kind, self.intent, amount, "usd", state)  # type: ignore[arg-type]


def event(fact: SessionFact | ReversalFact | None, id_: str | None = None) -> Commit:
    """An event of its own, or with an id that is known."""
    name = id_ or f"evt_{fresh_id().int}"
    return Commit((), (StripeEvent(name, "type", "object", fact),))


async def new_purchase(stage: Stage, user: UUID, credits_: int) -> Bought:
    """Opened, not paid."""
    bought = Bought(fresh_id(), user, credits_)
    (outcome,) = await stage.commit(bought.opened())
    assert isinstance(outcome, Posted), outcome
    return bought


async def buy(stage: Stage, user: UUID, credits_: int) -> Bought:
    """Opened and paid."""
    bought = await new_purchase(stage, user, credits_)
    await tell(stage, bought.said())
    return bought


async def tell(stage: Stage, fact: SessionFact | ReversalFact) -> Outcome:
    (outcome,) = await stage.commit(event(fact))
    assert isinstance(outcome, Posted), outcome
    return outcome


async def credits_of(stage: Stage, user: UUID) -> tuple[float, float, float]:
    """What he has, what of it is held, and what he owes."""
    balance, held = await stage.money(user_account(user))
    debt, _ = await stage.money(debt_account(user))
    return balance / CREDIT, held / CREDIT, -debt / CREDIT


async def platform(stage: Stage) -> tuple[float, float]:
    """The accounts purchases and disputes."""
    purchases, disputes = await stage.money("purchases"), await stage.money("disputes")
    return purchases[0] / CREDIT, disputes[0] / CREDIT
