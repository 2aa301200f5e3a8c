"""In-memory Stripe: one session per purchase, and signatures that need no key."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from actors.ports import NotFromStripe, PaymentOrder, PaymentSession, PaymentsUnavailable

TOLERANCE_SECONDS = 300


class TwinPayments:
    """A Payments port; ``away`` makes it fail, and ``sign`` signs a webhook as Stripe would."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self.away = False
        self.opened: dict[UUID, PaymentOrder] = {}
        self.expired: set[str] = set()
        self.told: dict[str, Mapping[str, Any]] = {}

    async def open(self, order: PaymentOrder) -> PaymentSession:
        if self.away or self.opened.setdefault(order.purchase, order) != order:
            raise PaymentsUnavailable("Stripe is away, or the key was used for another order")
        name = f"cs_{order.purchase.hex}"
        return PaymentSession(name, f"https://pay.example/{name}")

    async def expire(self, session: str) -> None:
        if self.away:
            raise PaymentsUnavailable("away")
        if any(session == f"cs_{purchase.hex}" for purchase in self.opened):
            self.expired.add(session)

    async def event(self, name: str) -> Mapping[str, Any] | None:
        if self.away:
            raise PaymentsUnavailable("away")
        return self.told.get(name)

    def sign(self, body: bytes, at: float) -> str:
        return f"{at}:{len(body)}:{hash(body)}"

    async def read_event(self, body: bytes, signature: str) -> Mapping[str, Any]:
        at = signature.partition(":")[0]
        fresh = at.replace(".", "").isdigit() and float(at) >= self.now - TOLERANCE_SECONDS
        if not fresh or signature != self.sign(body, float(at)):
            raise NotFromStripe("The signature is invalid or too old")
        try:
            event = json.loads(body)
        except ValueError as error:
            raise NotFromStripe("The body is not JSON") from error
        if not isinstance(event, dict):
            raise NotFromStripe("The body is not an event")
        return event
