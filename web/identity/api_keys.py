"""API keys: recognisable, checked for typos without a query, cached for five minutes."""

import hashlib
import zlib
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from actors.ports import Clock, Random
from sql.api_keys import ApiKeyHolder, ApiKeys
from web.identity.revocation_set import Revocations
from web.identity.roles import Scope
from web.identity.tokens import Claims, TokenType

PREFIX: Final = "rtk_"
BYTES: Final = 32
HINT: Final = 4
CACHED_MAX: Final = 10_000
REMEMBERED: Final = timedelta(minutes=5)
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY_LENGTH: Final = 43  # length of 32 bytes in base 62
_SUM_LENGTH: Final = 6  # length of a CRC-32 in base 62


def make_key(random: Random) -> str:
    """Return ``rtk_``, 256 random bits, and a checksum, in letters and digits."""
    secret = _base62(int.from_bytes(random.token(BYTES)), _KEY_LENGTH)
    return PREFIX + secret + _checksum(secret)


def well_formed(key: str) -> bool:
    """Return True if the key's form and checksum are right; this finds a single wrong letter."""
    secret, checksum = key[len(PREFIX) : -_SUM_LENGTH], key[-_SUM_LENGTH:]
    if not key.startswith(PREFIX) or len(secret) != _KEY_LENGTH or not key.isascii():
        return False
    return _checksum(secret) == checksum


def digest(key: str) -> bytes:
    """Return the hash to store. 256 random bits need no slow hash: they cannot be guessed."""
    return hashlib.sha256(key.encode()).digest()


class VerifiedKeys:
    """A cache of keys that were looked up recently. After a revocation the affected keys are looked
    up again.
    """

    def __init__(self, rows: ApiKeys, clock: Clock, *, cached_max: int = CACHED_MAX) -> None:
        self._rows = rows
        self._clock = clock
        self._cached_max = cached_max
        self._cache: OrderedDict[bytes, Claims] = OrderedDict()
        self._of: dict[UUID, set[bytes]] = {}  # cached digests, by the id of key or user
        self._revocations = 0

    @classmethod
    def over(cls, rows: ApiKeys, clock: Clock, revocations: Revocations) -> "VerifiedKeys":
        """Return a cache that drops keys when ``revocations`` reports them."""
        verified = cls(rows, clock)
        revocations.hear(verified.forget)
        return verified

    @property
    def cached(self) -> int:
        return len(self._cache)

    async def verify(self, key: str) -> Claims | None:
        """Return the claims of the key; None unless it is valid. Raises Unavailable."""
        if not well_formed(key):
            return None
        name, now = digest(key), self._clock.now()
        claims = self._cache.get(name)
        if claims is not None and claims.expires > now:
            return claims
        self._drop(name)
        before = self._revocations
        holder = await self._rows.use(name, now)
        if holder is None:
            return None
        claims = _claims(holder, now)
        if before == self._revocations:  # nothing was revoked while the key was looked up
            self._remember(name, claims)
        return claims

    def forget(self, ids: frozenset[UUID]) -> None:
        """Drop the keys with these ids, and all keys of users with these ids, from the cache."""
        self._revocations += 1
        for id_ in ids:
            for name in tuple(self._of.get(id_, ())):
                self._drop(name)

    def _remember(self, name: bytes, claims: Claims) -> None:
        self._cache[name] = claims
        for id_ in (claims.identity, claims.subject):
            self._of.setdefault(id_, set()).add(name)
        if len(self._cache) > self._cached_max:
            self._drop(next(iter(self._cache)))

    def _drop(self, name: bytes) -> None:
        claims = self._cache.pop(name, None)
        if claims is None:
            return
        for id_ in (claims.identity, claims.subject):
            names = self._of[id_]
            names.discard(name)
            if not names:
                del self._of[id_]


def _claims(holder: ApiKeyHolder, now: datetime) -> Claims:
    """Return the claims of a key: never the role admin, whatever the user's role, and no unknown
    scopes.
    """
    known = {scope.value: scope for scope in Scope}
    expires = min(holder.expires_at or datetime.max.replace(tzinfo=now.tzinfo), now + REMEMBERED)
    return Claims(
        subject=holder.user_id,
        family=holder.id,
        identity=holder.id,
        type=TokenType.ACCESS,
        issued=now,
        expires=expires,
        scopes=frozenset(known[name] for name in holder.scopes if name in known),
    )


def _checksum(secret: str) -> str:
    return _base62(zlib.crc32(secret.encode()), _SUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
