"""The endpoint of Stripe."""

from attrs import field, frozen


@frozen
class StripeEndpoint:
    """Our API key, the webhook secret, and the base address; '' is Stripe's."""

    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    url: str = ""
