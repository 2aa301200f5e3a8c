"""Response models for accounts, API keys and sessions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import attrs

from rendertrust.api.earnings import OwnPayoutAccount
from rendertrust.value_types import SENT, Id, Limits


@attrs.frozen
class Tokens:
    """Tokens of a session. The refresh token can be used once."""

    access_token: str = attrs.field(repr=False)
    refresh_token: str = attrs.field(repr=False)
    token_type: Annotated[str, Limits(enum=("bearer",))] = "bearer"  # noqa: S105 - ``bearer`` names the scheme and is no secret


@attrs.frozen
class DeviceLogin:
    """A login that its user confirms in a browser: at ``verification_uri``, with ``user_code``.

    ``verification_uri_complete`` has the code. The program asks for tokens with ``device_code``,
    every ``interval`` seconds, for ``expires_in`` seconds.
    """

    device_code: str = attrs.field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


@attrs.frozen
class User:
    """A user of the gateway."""

    id: Id
    email: str
    name: str
    is_active: bool


@attrs.frozen
class OwnAccount:
    """The account of the caller.

    ``verified_at``: when the address was verified. ``mails``: the kinds of mail that the user gets,
    besides those about the account's security, which are always sent. ``invoice_to``: the lines of
    the buyer's name and address on invoices; empty: ``name`` and ``email``.
    """

    id: Id
    email: str
    name: str
    role: str
    created_at: datetime
    verified_at: datetime | None
    mails: tuple[str, ...]
    invoice_to: str = attrs.field(default="", metadata=SENT)


Items: TypeAlias = tuple[Mapping[str, Any], ...]


@attrs.frozen
class AccountExport:
    """Everything that the gateway stores of the caller, without secrets.

    The members after ``payout_account`` are lists of what their names say. ``trusted``: addresses
    that you trust or have invited; ``credits``: the entries of your account of credits; ``audit``:
    what admins did to your account; ``identities``: your accounts elsewhere with which you sign in.
    """

    exported_at: datetime
    gateway: str
    account: OwnAccount
    payout_account: OwnPayoutAccount | None
    sessions: Items
    factors: Items
    keys: Items
    mails: Items
    organisations: Items
    trusted: Items
    webhooks: Items
    nodes: Items
    uploads: Items
    preflights: Items
    jobs: Items
    presets: Items
    share_links: Items
    disputes: Items
    dispute_answers: Items
    purchases: Items
    credits: Items
    earnings: Items
    payout_rules: Items
    payouts: Items
    audit: Items
    identities: Items = ()


@attrs.frozen
class Registered:
    """The response to a registration: the new user, and tokens of the first session."""

    user: User
    tokens: Tokens


@attrs.frozen
class ApiKey:
    """An API key.

    ``hint`` is the key's last characters; ``last_used_at`` is accurate to some minutes.
    """

    id: Id
    name: str
    hint: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@attrs.frozen
class CreatedApiKey(ApiKey):
    """An API key with its text, which is shown only once."""

    key: str = attrs.field(repr=False, kw_only=True)


@attrs.frozen
class ApiKeys:
    """A page of API keys, newest first. ``count`` is the number of all keys."""

    keys: tuple[ApiKey, ...]
    count: int


@attrs.frozen
class Session:
    """A session. ``refreshed_at`` is the time when the session's tokens were issued.

    ``current`` is true for the session of this request.
    """

    sid: Id
    client: str
    current: bool
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime

    @property
    def id(self) -> str:
        """The id of the session, by its API name."""
        return self.sid


@attrs.frozen
class Sessions:
    """A page of sessions, the most recently used first. ``count`` is the number of all sessions."""

    sessions: tuple[Session, ...]
    count: int
