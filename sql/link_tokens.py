"""Tokens in links that users get by mail or from an admin: recognisable, stored as hashes, used
once.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final

import attrs

BYTES: Final = 16
TOKEN_MAX: Final = 100  # characters of a token that somebody sends


@attrs.frozen
class LinkKind:
    """Purpose of a link. ``prefix`` begins its tokens; ``page`` is the console's page for it."""

    prefix: str
    page: str
    lifetime: timedelta


RESET: Final = LinkKind("rtr_", "/console/reset-password", timedelta(minutes=30))
FIRST_PASSWORD: Final = LinkKind(
    "rtr_", f"{RESET.page}?first=1", timedelta(days=3)
)  # of a new account
VERIFICATION: Final = LinkKind("rtv_", "/console/verify-address", timedelta(hours=24))
PAYOUT_STOP: Final = LinkKind("rtp_", "/console/stop-payout-change", timedelta(hours=72))


@attrs.frozen
class LinkToken:
    """A token that was made now; ``sha256`` is what the database stores."""

    text: str = attrs.field(repr=False)
    sha256: bytes = attrs.field(repr=False)
    expires_at: datetime


def link_token(kind: LinkKind, random: bytes, now: datetime) -> LinkToken:
    """Return the token with these 16 random bytes."""
    text = kind.prefix + random.hex()
    return LinkToken(text, digest_of(text), now + kind.lifetime)


def digest_of(token: str) -> bytes:
    """Return the hash to store. 128 random bits need no slow hash: they cannot be guessed."""
    return hashlib.sha256(token.strip().encode()).digest()


def link_of(kind: LinkKind, address: str, token: str) -> str:
    """Return the link to the page of a kind. Browsers send nothing after the ``#``."""
    return f"{address.rstrip('/')}{kind.page}#token={token}"
