"""Tokens of invitations: recognisable, never stored, and in links only after the ``#``."""

import hashlib
from typing import Final
from urllib.parse import urlencode

from actors.ports import Random

PREFIX: Final = "rti_"
BYTES: Final = 16
TOKEN_MAX: Final = 100  # characters of a token that somebody sends
SIGN_UP: Final = "/console/sign-up"


def make_token(random: Random) -> str:
    """Return ``rti_`` and 128 random bits in hexadecimal."""
    return PREFIX + random.token(BYTES).hex()


def digest_of(token: str) -> bytes:
    """Return the hash to store. 128 random bits need no slow hash: they cannot be guessed."""
    return hashlib.sha256(token.strip().encode()).digest()


def link_of(address: str, token: str, email: str | None = None) -> str:
    """Return the link to the sign-up page, which shows the e-mail address that is invited, if any.

    Browsers send nothing after the ``#`` to a server.
    """
    known = f"?{urlencode({'email': email})}" if email else ""
    return f"{address.rstrip('/')}{SIGN_UP}{known}#invitation={token}"
