"""Stripe events, signed as Stripe signs them, and a stand-in for Stripe."""

import io
import itertools
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from supervisors.engines.stripe_client import sign
from supervisors.engines.stripe_stand_in.engine import EmbeddedStripe
from tests.support.http_gateway import NO_STRIPE, Face

WEBHOOK = "/api/v1/webhooks/stripe"
Json = dict[str, Any]
numbers = itertools.count(1)


def event(kind: str, about: Json, id_: str | None = None) -> Json:
    """Return a Stripe event about one object."""
    name = id_ or f"evt_{next(numbers)}"
    return {"id": name, "object": "event", "type": kind, "data": {"object": about}}


def session(purchase: str, **more: Any) -> Json:
    """Return a paid checkout session: 100 credits for 10 dollars."""
    return {
        "id": f"cs_{purchase[:8]}",
        "object": "checkout.session",
        "client_reference_id": purchase,
        "payment_status": "paid",
        "amount_total": 1000,
        "currency": "usd",
        "payment_intent": f"pi_{purchase[:8]}",
        **more,
    }


def about(purchase: str, id_: str, amount: int, status: str) -> Json:
    """Return the object of a refund or a dispute of a purchase."""
    intent = f"pi_{purchase[:8]}"
    return {
        "id": id_,
        "amount": amount,
        "currency": "usd",
        "payment_intent": intent,
        "status": status,
    }


async def send(
    face: Face, body: Json | bytes, *, secret: str = NO_STRIPE.webhook_secret, age: float = 0
) -> tuple[int, Any]:
    """Send a signed event to the webhook; ``age`` is the age of the signature in seconds."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = sign(data.decode(), secret, int(time.time() - age))
    return await deliver(face, data, {"Stripe-Signature": signature})


async def deliver(face: Face, data: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json; charset=utf-8", **headers}
    async with face.client.post(WEBHOOK, data=io.BytesIO(data), headers=headers) as answer:
        return answer.status, await answer.json()


@asynccontextmanager
async def standing_in(face: Face, folder: Path) -> AsyncGenerator[EmbeddedStripe]:
    """Run a Stripe stand-in that talks to the site, and make the site use it."""
    engine = EmbeddedStripe(folder, lambda: str(face.client.make_url("")).rstrip("/"))
    face.stripe.set(await engine.start())
    try:
        yield engine
    finally:
        await engine.stop()
