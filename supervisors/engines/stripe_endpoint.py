"""Where Stripe is, and the keys for it."""

from attrs import field, frozen


@frozen
class StripeEndpoint:
    """Our key, the secret that signs webhooks, and the base address; '' is Stripe's own."""

    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    url: str = ""
