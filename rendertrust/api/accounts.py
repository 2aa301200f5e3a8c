"""Response models for accounts, API keys and sessions."""

from datetime import datetime
from typing import Annotated

import attrs

from rendertrust.value_types import Id, Limits


@attrs.frozen
class Tokens:
    """Tokens of a session. The refresh token can be used once."""

    access_token: str = attrs.field(repr=False)
    refresh_token: str = attrs.field(repr=False)
    token_type: Annotated[str, Limits(enum=("bearer",))] = "bearer"  # noqa: S105 - the scheme, no secret


@attrs.frozen
class User:
    """A user."""

    id: Id
    email: str
    name: str
    is_active: bool


@attrs.frozen
class Registered:
    """A new account, logged in."""

    user: User
    tokens: Tokens


@attrs.frozen
class ApiKey:
    """An API key. ``hint``: its last characters; ``last_used_at`` is accurate to some minutes."""

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
    """A session. ``refreshed_at``: when its tokens were issued.

    ``current``: it is that of this request.
    """

    sid: Id
    client: str
    current: bool
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime

    @property
    def id(self) -> str:
        """The session's id."""
        return self.sid


@attrs.frozen
class Sessions:
    """A page of sessions, the most recently used first. ``count`` is the number of all."""

    sessions: tuple[Session, ...]
    count: int
