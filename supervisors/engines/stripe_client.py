"""A client of Stripe's API over Stripe's own library.

Import this module in a thread, as the import takes 0.15 s.
"""

import asyncio
import ssl
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import orjson
import stripe

from actors.ports import NotFromStripe, PaymentOrder, PaymentSession, PaymentsUnavailable
from supervisors.engines.stripe_payments import StripeEndpoint

if TYPE_CHECKING:
    from stripe import RequestOptions
    from stripe.params.checkout import SessionCreateParams

CALL_SECONDS: Final = 7.0
TOLERANCE_SECONDS: Final = 300


class StripeCaller:
    """A client for the endpoint. Create the client on the loop that uses it."""

    def __init__(self, endpoint: StripeEndpoint, context: ssl.SSLContext) -> None:
        self._secret = endpoint.webhook_secret
        connector = aiohttp.TCPConnector(ssl=context)
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        self._http = stripe.AIOHTTPClient(timeout=timeout, connector=connector)
        self._client = stripe.StripeClient(
            endpoint.secret_key,
            http_client=self._http,
            base_addresses={"api": endpoint.url.rstrip("/") or stripe.DEFAULT_API_BASE},
            max_network_retries=1,  # with the same idempotency key
        )

    async def open(self, order: PaymentOrder) -> PaymentSession:
        """Open a checkout session.

        Raises PaymentsUnavailable, whose text has no data of the buyer.
        """
        sessions = self._client.v1.checkout.sessions
        try:
            async with asyncio.timeout(CALL_SECONDS + 1):
                key: RequestOptions = {"idempotency_key": str(order.purchase)}
                session = await sessions.create_async(params_of(order), key)
        except TimeoutError as error:
            raise PaymentsUnavailable("Stripe does not answer in time") from error
        except stripe.StripeError as error:
            raise PaymentsUnavailable(_said(error)) from error
        if not session.url:
            raise PaymentsUnavailable("the session has no payment page")
        return PaymentSession(session.id, session.url)

    async def expire(self, session: str) -> None:
        """End a checkout session that is open. Raises PaymentsUnavailable."""
        try:
            async with asyncio.timeout(CALL_SECONDS + 1):
                await self._client.v1.checkout.sessions.expire_async(session)
        except TimeoutError as error:
            raise PaymentsUnavailable("Stripe does not answer in time") from error
        except stripe.InvalidRequestError:
            return  # it is paid, has ended, or is unknown
        except stripe.StripeError as error:
            raise PaymentsUnavailable(_said(error)) from error

    async def event(self, name: str) -> dict[str, Any] | None:
        """Return the Stripe event with this id, if Stripe knows it. Raises PaymentsUnavailable."""
        try:
            async with asyncio.timeout(CALL_SECONDS + 1):
                found = await self._client.v1.events.retrieve_async(name)
        except TimeoutError as error:
            raise PaymentsUnavailable("Stripe does not answer in time") from error
        except stripe.InvalidRequestError as error:
            if error.code == "resource_missing":
                return None
            raise PaymentsUnavailable(_said(error)) from error
        except stripe.StripeError as error:
            raise PaymentsUnavailable(_said(error)) from error
        return dict(found.to_dict())

    def read(self, body: bytes, signature: str) -> dict[str, Any]:
        """Verify and parse an event. Raises NotFromStripe."""
        try:
            stripe.WebhookSignature.verify_header(body, signature, self._secret, TOLERANCE_SECONDS)
        except stripe.SignatureVerificationError as error:
            raise NotFromStripe("The signature is invalid or too old") from error
        except (
            TypeError,
            ValueError,
        ) as error:  # not UTF-8, or invalid characters in the signature
            raise NotFromStripe("The body or its signature cannot be read") from error
        try:
            event = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise NotFromStripe("The body is not JSON") from error
        if not isinstance(event, dict):
            raise NotFromStripe("The body is not an event")
        return event

    async def aclose(self) -> None:
        """Close the connections."""
        closing: Any = self._http
        await closing.close_async()


def _said(error: stripe.StripeError) -> str:
    return " ".join(f"{type(error).__name__} {error.code or ''} {error}".split())


def make_context() -> ssl.SSLContext:
    """Load the certificate authorities from disk; call it in a thread."""
    return ssl.create_default_context(cafile=stripe.ca_bundle_path)


def params_of(order: PaymentOrder) -> "SessionCreateParams":
    """Return the parameters of a checkout session: one line item, and metadata with the purchase
    id.
    """
    name = str(order.purchase)
    return {
        "mode": "payment",
        "client_reference_id": name,
        "metadata": {"purchase": name},
        "payment_intent_data": {"metadata": {"purchase": name}},
        "success_url": order.done_url,
        "cancel_url": order.cancelled_url,
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": order.currency,
                    "unit_amount": order.amount,
                    "product_data": {"name": order.title},
                },
            }
        ],
    }


def sign(body: str, secret: str, at: int) -> str:
    """Return the signature header that Stripe would send with the body."""
    header: str = stripe.WebhookSignature.generate_signature_header(body, secret, at)
    return header
