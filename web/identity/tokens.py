"""JSON web tokens: issue them, and verify them with a cache; new tokens for connected nodes."""

import hashlib
import hmac
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, TypeAlias
from uuid import UUID

import attrs
import jwt
from aiohttp import web
from aiohttp_jwt import JWTMiddleware

from actors.ports import Clock, NodeToken, Random
from config.settings import Jwt
from web.http.converter import uuid_of
from web.identity.keyring import Keyring, TokenKeys, given
from web.identity.roles import Scope, UserRole

ALGORITHM = "HS256"
CACHED_MAX = 10_000
TOKEN_BYTES_MAX = 4_096
# How far gateways' clocks may differ: a token of a gateway that is ahead has a time in the future.
CLOCKS_APART = timedelta(minutes=5)
CONSOLE_HOURS = 12  # after so many hours without a use of the console, a browser is signed out

# The package logs every refused token with a traceback, but refusals are routine.
logging.getLogger("aiohttp_jwt").setLevel(logging.CRITICAL)


class TokenType(Enum):
    ACCESS = "access"
    REFRESH = "refresh"
    NODE = "node"
    UNPROVED = (
        "node_unproved"  # for a key that was registered again and not proved; it opens nothing
    )
    CONSOLE = "console"  # in a browser's cookie; opens the console, and nothing of the API


@attrs.frozen
class Claims:
    """The claims of a verified token."""

    subject: UUID  # the user or the node
    family: UUID  # sid: all tokens of one login
    identity: UUID  # jti: this token
    type: TokenType
    issued: datetime
    expires: datetime
    role: UserRole = UserRole.USER
    # scopes of an API key; None: a logged-in user, who has all rights
    scopes: frozenset[Scope] | None = None


class _Presented(dict[str, Any]):
    """A stand-in for a request, for the middleware that verifies tokens: not every token comes in a
    request.

    The middleware need not check the header's scheme, as the gateway has checked it before.
    """

    method = "POST"
    path = "/"

    def __init__(self, token: str) -> None:
        super().__init__()
        self.headers = {"Authorization": f"Bearer {token}"}


_Behind: TypeAlias = Callable[[_Presented], Awaitable[None]]
_Verify: TypeAlias = Callable[[_Presented, _Behind], Awaitable[None]]


class Tokens:
    """Signs with the gateway's newest key; verifies with the key that the token's ``kid`` names."""

    def __init__(
        self,
        settings: Jwt,
        clock: Clock,
        random: Random,
        keyring: Keyring | None = None,
        *,
        cached_max: int = CACHED_MAX,
    ) -> None:
        """Prepare the tokens. Without a ``keyring`` the keys are those in the settings."""
        self._settings = settings
        self._clock = clock
        self._random = random
        self._keyring = keyring or given(settings)
        self._cached_max = cached_max
        self._cache: OrderedDict[str, Claims] = OrderedDict()
        self._use(self._keyring.keys())

    @property
    def cached(self) -> int:
        return len(self._cache)

    def issue(
        self, kind: TokenType, subject: UUID, family: UUID, role: UserRole = UserRole.USER
    ) -> tuple[str, Claims]:
        """Return a signed token and its claims."""
        self._look()
        now = self._clock.now().replace(microsecond=0)
        expires = now + self._lifetime(kind)
        claims = Claims(subject, family, self._random.uuid(), kind, now, expires, role)
        payload = {
            "sub": str(subject),
            "iat": int(now.timestamp()),
            "exp": int(claims.expires.timestamp()),
            "jti": str(claims.identity),
            "sid": str(family),
            "token_type": kind.value,
            "aud": self._audience(kind),
            "iss": self._settings.issuer,
        }
        if role is not UserRole.USER:
            payload["role"] = role.value
        secret = self._keys.current
        headers = {"kid": key_id(secret)}
        return jwt.encode(payload, secret, ALGORITHM, headers=headers), claims

    async def verify(self, token: str, kind: TokenType) -> Claims | None:
        """Return the claims of the token; None unless the token is the gateway's own, of this type
        and not expired.
        """
        self._look()
        claims = self._cache.get(token)
        if claims is None:
            claims = await self._verified(token, kind)
            if claims is None:
                return None
            # a refresh token can be used once, so it is not cached
            if kind is not TokenType.REFRESH:
                self._remember(token, claims)
        if claims.expires <= self._clock.now():
            self._cache.pop(token, None)
            return None
        return claims if claims.type is kind else None

    def sign(self, text: str) -> str:
        """Return a signature of ``text`` by the current key, as proof that the gateway made an
        address.
        """
        self._look()
        return _signature(self._keys.current, text)

    def is_signed(self, text: str, signature: str) -> bool:
        """Return True if ``signature`` was made for this text with one of the keys."""
        self._look()
        given = signature.encode(errors="replace")
        made = (_signature(secret, text).encode() for secret in self._keys.all)
        return any(hmac.compare_digest(each, given) for each in made)

    def _lifetime(self, kind: TokenType) -> timedelta:
        if kind is TokenType.ACCESS:
            return timedelta(minutes=self._settings.access_minutes)
        if kind is TokenType.REFRESH:
            return timedelta(days=self._settings.refresh_days)
        if kind is TokenType.CONSOLE:
            return timedelta(hours=CONSOLE_HOURS)
        return timedelta(hours=self._settings.node_hours)

    def _audience(self, kind: TokenType) -> str:
        ours = kind in (TokenType.ACCESS, TokenType.REFRESH, TokenType.CONSOLE)
        return self._settings.audience if ours else self._settings.node_audience

    def _look(self) -> None:
        """Use the keyring's keys if they have changed."""
        keys = self._keyring.keys()
        if keys is not self._keys:
            self._use(keys)

    def _use(self, keys: TokenKeys) -> None:
        """Use ``keys``, and verify cached tokens again, as the key of a token may have been
        removed.
        """
        self._keys = keys
        self._cache.clear()
        self._secrets = {key_id(secret): secret for secret in keys.all}
        self._verifiers: dict[tuple[str, str], _Verify] = {
            (kid, audience): self._verifier(secret, audience)
            for kid, secret in self._secrets.items()
            for audience in (self._settings.audience, self._settings.node_audience)
        }

    def _verifier(self, secret: str, audience: str) -> _Verify:
        verifier: _Verify = JWTMiddleware(
            secret,
            request_property="claims",
            algorithms=[ALGORITHM],
            auth_scheme="Bearer$",
            audience=audience,
            issuer=self._settings.issuer,
        )
        return verifier

    async def _verified(self, token: str, kind: TokenType) -> Claims | None:
        if not token.isascii() or len(token) > TOKEN_BYTES_MAX or any(c in token for c in " ="):
            return None
        try:
            kid = str(jwt.get_unverified_header(token).get("kid"))
        except jwt.InvalidTokenError:
            return None
        audience = self._audience(kind)
        verifier = self._verifiers.get((kid, audience))
        if verifier is None:
            return None
        presented = _Presented(token)
        try:
            await verifier(presented, _accept)
        except web.HTTPException as refused:
            # The middleware allows no clock skew. Verify a token that is not valid yet again with
            # PyJWT, with a leeway of five minutes.
            if not isinstance(refused.__context__, jwt.ImmatureSignatureError):
                return None
            return self._early(token, kid, audience)
        return claims_of(presented["claims"])

    def _early(self, token: str, kid: str, audience: str) -> Claims | None:
        """Return the claims of a token from a gateway whose clock is ahead by at most five minutes.

        ``verify`` checks the token's expiry without this leeway.
        """
        try:
            payload = jwt.decode(
                token,
                self._secrets[kid],
                [ALGORITHM],
                audience=audience,
                issuer=self._settings.issuer,
                leeway=CLOCKS_APART,
            )
        except jwt.InvalidTokenError:
            return None
        return claims_of(payload)

    def _remember(self, token: str, claims: Claims) -> None:
        self._cache[token] = claims
        if len(self._cache) > self._cached_max:
            self._cache.popitem(last=False)


@attrs.frozen
class SignedNodeTokens:
    """``NodeTokens`` over the gateway's keys: new tokens for nodes whose socket is open."""

    tokens: Tokens
    random: Random

    def issue(self, node: UUID) -> NodeToken:
        text, claims = self.tokens.issue(TokenType.NODE, node, self.random.uuid())
        return NodeToken(text, (claims.expires - claims.issued).total_seconds())


_KINDS = {kind.value: kind for kind in TokenType}
_ROLES = {role.value: role for role in UserRole}


def _signature(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), b"rendertrust-seal\n" + text.encode(), "sha256").hexdigest()


def key_id(secret: str) -> str:
    """Return a name for a key that reveals nothing about the key."""
    return hashlib.sha256(b"rendertrust-kid\n" + secret.encode()).hexdigest()[:16]


def claims_of(payload: dict[str, Any]) -> Claims | None:
    """Return the claims of a payload whose signature is valid; None unless the payload is
    well-formed.
    """
    subject, family, identity = (uuid_of(str(payload.get(n))) for n in ("sub", "sid", "jti"))
    issued, expires = payload.get("iat"), payload.get("exp")
    kind = _KINDS.get(str(payload.get("token_type")))
    role = _ROLES.get(str(payload.get("role", UserRole.USER.value)))
    if type(issued) is not int or type(expires) is not int or kind is None or role is None:
        return None
    if subject is None or family is None or identity is None:
        return None
    try:
        times = datetime.fromtimestamp(issued, UTC), datetime.fromtimestamp(expires, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return Claims(subject, family, identity, kind, *times, role)


async def _accept(_: _Presented) -> None:
    """Do nothing: this is the handler after the middleware, which has stored the claims by then."""
