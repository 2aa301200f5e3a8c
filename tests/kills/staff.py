"""Acts of operators and an admin: pay out, grant, refund, decide, approve, set prices."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

import attrs

from tests.kills.creator import PARKED, Creator
from tests.kills.journal import Json
from tests.kills.line import Request
from tests.kills.people import Person

REASON: Final = {"reason": "kills"}
LOOKED_AT: Final = 5


@attrs.define
class Clerk:
    """An operator or admin at work; ``creators`` are the users for an admin's acts.

    ``idle`` is a node without work, whose standing an admin may change.
    """

    person: Person
    creators: Sequence[Creator]
    chance: Random
    name: str
    idle: str = ""
    number: int = 0

    def next_name(self) -> str:
        """Return a new name for a reference or an idempotency key."""
        self.number += 1
        return f"{self.name}-{self.number}"

    def amount(self) -> str:
        """Return a random amount from 1 to 10 credits."""
        return f"{self.chance.randrange(10_000, 99_999) / 10_000:.4f}"

    async def post(
        self, act: str, path: str, body: Json, *allowed: int, of: str = "", keyed: bool = False
    ) -> Any:
        """Send a POST request; return the answer, or None for a refusal that is ``allowed``."""
        key = self.next_name() if keyed else ""
        answer = await self.person.do(act, Request("POST", path, body, key), allowed, of=of)
        return answer.body if answer.is_good else None


# -- acts of an operator


async def pay_out(clerk: Clerk) -> None:
    """Request a payout of all that is payable; 409 means that nothing is."""
    body = {"to": clerk.chance.choice(["credits", "money"])}
    await clerk.post("payout", "/operators/me/payouts", body, 409, keyed=True)


async def look_at_the_earnings(clerk: Clerk) -> None:
    """Record the newest earnings, which must stay, whatever their state becomes."""
    await clerk.person.look("/operators/me/earnings?limit=10", "earnings")


# -- acts of an admin


async def grant(clerk: Clerk) -> None:
    whom = clerk.chance.choice(clerk.creators)
    body = {"user_id": whom.id, "amount": clerk.amount(), **REASON}
    path = "/admin/credits/grant"
    await clerk.post("grant", path, body, of=whom.email, keyed=True)


async def adjust(clerk: Clerk) -> None:
    """Raise or lower a creator's balance."""
    whom = clerk.chance.choice(clerk.creators)
    amount = clerk.chance.choice(["", "-"]) + clerk.amount()
    body = {"user_id": whom.id, "amount": amount, **REASON}
    path = "/admin/credits/adjust"
    await clerk.post("adjust", path, body, of=whom.email, keyed=True)


async def refund(clerk: Clerk) -> None:
    """Refund a job's charge; 409 means that the job is not charged yet, or partly
    refunded already.
    """
    whom = clerk.chance.choice(clerk.creators)
    if whom.earning:
        body = {"job_id": clerk.chance.choice(whom.earning), **REASON}
        path = "/admin/credits/refund"
        await clerk.post("refund", path, body, 409, of=whom.email, keyed=True)


async def decide(clerk: Clerk) -> None:
    """Decide an open dispute; 409 means that somebody else was faster."""
    found = await clerk.person.look(f"/admin/disputes?state=open&limit={LOOKED_AT}")
    if found["disputes"]:
        dispute = clerk.chance.choice(found["disputes"])
        path = f"/admin/disputes/{dispute['id']}/{clerk.chance.choice(['uphold', 'reject'])}"
        await clerk.post("decide", path, REASON, 409)


async def approve(clerk: Clerk) -> None:
    """Approve the requested payouts as one batch."""
    found = await clerk.person.look(f"/admin/payouts?state=requested&limit={LOOKED_AT}")
    if found["payouts"]:
        ids = [payout["id"] for payout in found["payouts"]]
        body = {"payouts": ids, **REASON}
        await clerk.post("approve", "/admin/payouts/approve", body, 409, keyed=True)


async def reject(clerk: Clerk) -> None:
    """Reject a requested payout, whose shares become payable again."""
    found = await clerk.person.look(f"/admin/payouts?state=requested&limit={LOOKED_AT}")
    if found["payouts"]:
        payout = clerk.chance.choice(found["payouts"])
        await clerk.post("reject", f"/admin/payouts/{payout['id']}/reject", REASON, 409)


async def send(clerk: Clerk) -> None:
    """Mark a batch as paid; 409 means that somebody else has marked it with another reference."""
    found = await clerk.person.look(f"/admin/payouts?state=approved&limit={LOOKED_AT}")
    if found["payouts"]:
        batch = clerk.chance.choice(found["payouts"])["batch_id"]
        body = {"reference": clerk.next_name(), **REASON}
        await clerk.post("sent", f"/admin/batches/{batch}/paid", body, 409)


async def set_a_price(clerk: Clerk) -> None:
    """Change the price of the parked job type; waiting jobs keep the price that they had."""
    body = {"price": clerk.amount(), **REASON}
    await clerk.person.do("price", Request("PUT", f"/admin/prices/{PARKED}", body))


async def change_a_standing(clerk: Clerk) -> None:
    """Change the standing of the idle node."""
    verb = clerk.chance.choice(["drain", "release", "quarantine"])
    await clerk.post("word", f"/nodes/{clerk.idle}/{verb}", REASON, 409)


Act = Callable[[Clerk], Awaitable[None]]
OPERATORS: Final[Mapping[Act, float]] = {pay_out: 1, look_at_the_earnings: 3}
ADMINS: Final[Mapping[Act, float]] = {
    grant: 10,
    adjust: 5,
    refund: 3,
    decide: 4,
    approve: 1,
    reject: 0.3,
    send: 1,
    set_a_price: 0.5,
    change_a_standing: 1,
}
