"""Incoming webhooks: events that Stripe sends."""

from typing import Any, Final

import attrs
import structlog

from actors.ledger.messages import Commit, Posted, Replayed
from actors.ports import NotFromStripe, PaymentsUnavailable
from rendertrust.api.refusal_code import RefusalCode
from web.http.operations import Audience, Call, Operations
from web.http.problem import Problem, unavailable
from web.money.ledger_client import commit
from web.money.stripe_events import event_of, is_meant
from web.openapi.examples import reference as examples

operations = Operations()
SIGNATURE: Final = "Stripe-Signature"
log = structlog.get_logger("webhooks")


@attrs.frozen
class Received:
    received: bool


@operations.post(
    "/api/v1/webhooks/stripe",
    audience=Audience.PUBLIC,
    body=dict[str, Any],
    raw=True,
    headers={SIGNATURE: "When and by whom the body was signed: t=…,v1=…."},
    refusals={400: "The signature is missing, invalid or too old"},
    rate="webhook",
    request_example=examples.STRIPE_EVENT,
    example=examples.RECEIVED,
)
async def stripe(call: Call[bytes]) -> Received | Problem:
    """Receive a Stripe event about a payment. Unknown events are recorded, and are no error."""
    signature = call.request.headers.get(SIGNATURE)
    if not signature:
        return Problem(
            400, f"The header {SIGNATURE} is missing", code=RefusalCode.SIGNATURE_MISSING
        )
    try:
        event = event_of(await call.gateway.ports.payments.read_event(call.body, signature))
    except NotFromStripe as error:
        return Problem(400, str(error), code=RefusalCode.SIGNATURE_INVALID)
    except PaymentsUnavailable:
        return unavailable(
            "The gateway is starting; try again", code=RefusalCode.PAYMENTS_UNAVAILABLE
        )
    if event is None:
        return Problem(400, "The body is not a Stripe event", code=RefusalCode.EVENT_INVALID)
    if event.fact is None and is_meant(event.type):
        log.warning("a Stripe event cannot be parsed", event_id=event.event, type=event.type)
    outcome = await commit(call.gateway, Commit(effects=(event,)))
    assert isinstance(outcome, Posted | Replayed), outcome
    return Received(received=True)
