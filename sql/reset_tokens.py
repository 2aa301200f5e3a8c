"""Tokens with which users choose a new password: recognisable, stored as hashes, used once."""

import hashlib
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import attrs

from sql.database import Connection
from sql.query_loader import QUERIES

PREFIX: Final = "rtr_"
BYTES: Final = 16
LIFETIME: Final = timedelta(minutes=30)
RESET_PAGE: Final = "/console/reset-password"


def reset_token(random: bytes) -> str:
    """Return the token with these 16 random bytes."""
    return PREFIX + random.hex()


def digest_of(token: str) -> bytes:
    """Return the hash to store. 128 random bits need no slow hash: they cannot be guessed."""
    return hashlib.sha256(token.strip().encode()).digest()


def reset_link(address: str, token: str) -> str:
    """Return the link to the page for a new password. Browsers send nothing after the ``#``."""
    return f"{address.rstrip('/')}{RESET_PAGE}#token={token}"


@attrs.frozen
class NewResetToken:
    """A token to insert, as its hash."""

    sha256: bytes = attrs.field(repr=False)
    expires_at: datetime


async def insert_token(
    connection: Connection, user: UUID, token: NewResetToken, now: datetime
) -> None:
    """Insert a token in the transaction of what it belongs to."""
    values = token.sha256, user, token.expires_at, now
    await connection.execute(QUERIES["password_reset_insert"], *values)
