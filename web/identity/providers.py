"""Providers of OpenID Connect: their metadata, their keys, and who a user is there."""

import asyncio
import base64
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import attrs
import orjson
import structlog
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from actors.ports import (
    Clock,
    ProviderAnswer,
    ProviderHttp,
    ProviderRequest,
    ProviderUnreachable,
)
from config.oidc_providers import ROLES, OidcProvider, OidcProviders, is_web_address
from web.identity.id_tokens import (
    LEEWAY_SECONDS,
    ExpectedToken,
    KeyUnknown,
    PublicKeyData,
    TokenRefused,
    claims_of_token,
)

log = structlog.get_logger("providers")

METADATA_SECONDS: Final = 3_600.0  # how long a provider's metadata and keys are used
KEYS_REST_SECONDS: Final = 60.0  # minimum time between two requests for a provider's keys
KEYS_MAX: Final = 100
DISCOVERY: Final = "/.well-known/openid-configuration"
GROUPS_MAX: Final = 1_000
FRESH_SECONDS: Final = 600  # how old a sign-in at the provider may be that confirms an action


class ProviderUnavailable(Exception):
    """The provider does not answer, or not as a provider does; the text is for the log."""


class CodeRefused(Exception):
    """The provider does not accept the code of its answer."""


@attrs.frozen
class SignInSecrets:
    """The secrets of one sign-in. All derive from the token in the browser's cookie, so that a
    sign-in that waits needs no secret in the database.
    """

    token: str = attrs.field(repr=False)

    @property
    def state(self) -> str:
        return self._derived("state")

    @property
    def nonce(self) -> str:
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """Return the code verifier of PKCE."""
        return self._derived("verifier")

    def is_state(self, given: str) -> bool:
        """Return True if the provider's answer belongs to this sign-in."""
        return hmac.compare_digest(self.state.encode(), given.encode(errors="replace"))

    def _derived(self, purpose: str) -> str:
        made = hmac.digest(self.token.encode(), b"rendertrust-oidc " + purpose.encode(), "sha256")
        return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


@attrs.frozen
class ProviderIdentity:
    """A user as their provider describes them. ``signed_in_at``: when they signed in there."""

    subject: str
    email: str = ""
    email_verified: bool = False
    name: str = ""
    groups: frozenset[str] = frozenset()
    signed_in_at: float | None = None  # auth_time; None: the provider does not tell

    def is_fresh(self, now: float) -> bool:
        """Return True if the user signed in at the provider in the last ten minutes."""
        at = self.signed_in_at
        return at is not None and now - FRESH_SECONDS <= at <= now + LEEWAY_SECONDS


@attrs.frozen
class ProviderMetadata:
    """The parts of a provider's metadata that sign-in uses. ``sends_issuer``: its answers name it
    (RFC 9207).
    """

    authorization: str
    token: str
    keys: str
    user_info: str
    sends_issuer: bool
    by_post: bool  # the client's secret is sent in the form


@attrs.define
class Provider:
    """A provider with its metadata and keys, which are asked for when they are needed."""

    settings: OidcProvider
    _http: ProviderHttp
    _clock: Clock
    _loopback: bool
    _metadata: tuple[ProviderMetadata, float] | None = None
    _keys: tuple[Sequence[PublicKeyData], float] | None = None
    _failure: tuple[str, float] | None = None  # the last one
    _turn: asyncio.Lock = attrs.field(factory=asyncio.Lock)  # one request for metadata at a time

    async def metadata(self) -> ProviderMetadata:
        """Return the provider's metadata. Raises ProviderUnavailable."""
        began = self._clock.monotonic()
        async with self._turn:
            kept = self._metadata
            if kept is not None and self._clock.monotonic() - kept[1] < METADATA_SECONDS:
                return kept[0]
            try:
                self._refuse_if_failed_since(began)
                found = await self._discovered()
            except ProviderUnavailable as failure:
                self._failure = str(failure), self._clock.monotonic()
                if kept is None:
                    raise
                return kept[0]  # an old one is better than none
            self._metadata = found, self._clock.monotonic()
            return found

    async def authorization_url(
        self, secrets: SignInSecrets, redirect_uri: str, *, fresh: bool = False
    ) -> str:
        """Return the address at which the user signs in. Raises ProviderUnavailable.

        ``fresh``: the provider shall ask who the user is, even if they are signed in there.
        """
        metadata = await self.metadata()
        more = {"max_age": "0"} if fresh else {}
        return str(
            prepare_grant_uri(
                metadata.authorization,
                self.settings.client_id,
                "code",
                redirect_uri=redirect_uri,
                scope=self.settings.scopes,
                state=secrets.state,
                nonce=secrets.nonce,
                code_challenge=create_s256_code_challenge(secrets.verifier),
                code_challenge_method="S256",
                **more,
            )
        )

    async def identity(
        self, code: str, redirect_uri: str, secrets: SignInSecrets
    ) -> ProviderIdentity:
        """Exchange a code for the user's identity.

        Raises ProviderUnavailable, CodeRefused or TokenRefused.
        """
        metadata = await self.metadata()
        tokens = await self._tokens(metadata, code, redirect_uri, secrets)
        token, access = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(token, str):
            raise TokenRefused("the provider sent no ID token")
        claims = await self._claims(metadata, token, secrets.nonce)
        if self._lacks(claims) and metadata.user_info and isinstance(access, str):
            claims = {**await self._user_info(metadata, access, claims["sub"]), **claims}
        return identity_of(claims, self.settings)

    def _lacks(self, claims: Mapping[str, Any]) -> bool:
        """Return True if the user information may have claims that are missing here."""
        wanted = {"email", "name"}
        if self.settings.roles:
            wanted.add(self.settings.groups_claim)
        return not wanted <= claims.keys()

    async def _claims(
        self, metadata: ProviderMetadata, token: str, nonce: str
    ) -> Mapping[str, Any]:
        expected = ExpectedToken(self.settings.issuer, self.settings.client_id, nonce)
        now = self._clock.now()
        keys = await self._public_keys(metadata, METADATA_SECONDS)
        try:
            return claims_of_token(token, keys, expected, now)
        except KeyUnknown:
            keys = await self._public_keys(metadata, KEYS_REST_SECONDS)
            return claims_of_token(token, keys, expected, now)

    async def _public_keys(self, metadata: ProviderMetadata, age: float) -> Sequence[PublicKeyData]:
        """Return the provider's keys, which were asked for within ``age`` seconds."""
        began = self._clock.monotonic()
        async with self._turn:
            if self._keys is not None and self._clock.monotonic() - self._keys[1] < age:
                return self._keys[0]
            self._refuse_if_failed_since(began)
            try:
                document = await self._document(ProviderRequest(metadata.keys))
            except ProviderUnavailable as failure:
                self._failure = str(failure), self._clock.monotonic()
                raise
            keys = document.get("keys")
            if not isinstance(keys, list):
                raise ProviderUnavailable("its keys are not a list")
            found = [key for key in keys[:KEYS_MAX] if isinstance(key, dict)]
            self._keys = found, self._clock.monotonic()
            return found

    def _refuse_if_failed_since(self, began: float) -> None:
        """Raise ProviderUnavailable if another request failed while this one waited for its turn,
        so that waits do not add up.
        """
        if self._failure is not None and self._failure[1] > began:
            raise ProviderUnavailable(self._failure[0])

    async def _discovered(self) -> ProviderMetadata:
        issuer = self.settings.issuer
        document = await self._document(ProviderRequest(issuer.rstrip("/") + DISCOVERY))
        if document.get("issuer") != issuer:
            raise ProviderUnavailable("its metadata name another issuer")
        methods = document.get("token_endpoint_auth_methods_supported")
        by_post = isinstance(methods, list) and "client_secret_basic" not in methods
        return ProviderMetadata(
            authorization=self._endpoint(document, "authorization_endpoint"),
            token=self._endpoint(document, "token_endpoint"),
            keys=self._endpoint(document, "jwks_uri"),
            user_info=self._endpoint(document, "userinfo_endpoint", optional=True),
            sends_issuer=document.get("authorization_response_iss_parameter_supported") is True,
            by_post=by_post,
        )

    def _endpoint(self, document: Mapping[str, Any], name: str, *, optional: bool = False) -> str:
        value = document.get(name)
        if value is None and optional:
            return ""
        if not isinstance(value, str) or not is_web_address(value, loopback=self._loopback):
            raise ProviderUnavailable(f"its metadata have no {name} with https")
        return value

    async def _tokens(
        self, metadata: ProviderMetadata, code: str, redirect_uri: str, secrets: SignInSecrets
    ) -> Mapping[str, Any]:
        client, secret = self.settings.client_id, self.settings.client_secret
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": secrets.verifier,
        }
        authorization = ""
        if metadata.by_post:
            form |= {"client_id": client, "client_secret": secret}
        else:
            authorization = basic(client, secret)
        request = ProviderRequest(metadata.token, form, authorization)
        answer = await self._sent(request)
        if answer.status in (400, 401, 403):
            raise CodeRefused(f"the token endpoint answered {answer.status}: {_error_of(answer)}")
        return self._object(answer, request.url)

    async def _user_info(
        self, metadata: ProviderMetadata, access: str, subject: str
    ) -> Mapping[str, Any]:
        """Return claims of the user information, which must be about the token's subject."""
        if not access.isascii() or not access.isprintable():
            raise TokenRefused("the access token is malformed")
        request = ProviderRequest(metadata.user_info, authorization=f"Bearer {access}")
        claims = await self._document(request)
        if claims.get("sub") != subject:
            raise TokenRefused("the user information is about somebody else")
        return claims

    async def _document(self, request: ProviderRequest) -> Mapping[str, Any]:
        return self._object(await self._sent(request), request.url)

    def _object(self, answer: ProviderAnswer, url: str) -> Mapping[str, Any]:
        if answer.status != 200:
            raise ProviderUnavailable(f"{url} answered {answer.status}")
        try:
            document: Any = orjson.loads(answer.body)
        except ValueError as error:
            raise ProviderUnavailable(f"{url} did not answer with JSON") from error
        if not isinstance(document, dict):
            raise ProviderUnavailable(f"{url} did not answer with an object")
        return document

    async def _sent(self, request: ProviderRequest) -> ProviderAnswer:
        answer = await self._http.send(request)
        if isinstance(answer, ProviderUnreachable):
            raise ProviderUnavailable(f"{request.url}: {answer.reason}")
        return answer


class Providers:
    """All providers of the settings."""

    def __init__(
        self, settings: OidcProviders, http: ProviderHttp | None, clock: Clock, *, loopback: bool
    ) -> None:
        self.settings: Final = settings
        self._all: Mapping[str, Provider] = (
            {}
            if http is None
            else {each.id: Provider(each, http, clock, loopback) for each in settings}
        )

    def __bool__(self) -> bool:
        return bool(self._all)

    def get(self, id_: str) -> Provider | None:
        return self._all.get(id_)

    def named(self, issuer: str) -> str:
        """Return the name of an issuer's provider; the issuer, if the settings have none."""
        found = self.settings.by_issuer(issuer)
        return issuer if found is None else found.label


def basic(client: str, secret: str) -> str:
    """Return the Authorization header of a client (RFC 6749, 2.3.1)."""
    pair = urlencode({client: secret}).replace("=", ":", 1)
    return "Basic " + base64.b64encode(pair.encode()).decode()


def identity_of(claims: Mapping[str, Any], settings: OidcProvider) -> ProviderIdentity:
    """Return the identity that verified claims describe."""
    email, name = claims.get("email"), claims.get("name") or claims.get("preferred_username")
    at = claims.get("auth_time")
    return ProviderIdentity(
        subject=claims["sub"],
        email=email if isinstance(email, str) and email.isprintable() else "",
        email_verified=claims.get("email_verified") is True,
        name=name if isinstance(name, str) else "",
        groups=_groups(claims.get(settings.groups_claim)),
        signed_in_at=None if isinstance(at, bool) or not isinstance(at, int | float) else at,
    )


def role_of_groups(settings: OidcProvider, groups: frozenset[str], role: str) -> str:
    """Return the role of a user whose provider puts them into these groups.

    It is the highest one of their groups. A user in none of them loses a role that the settings
    map, and keeps any other.
    """
    given = [settings.roles[group] for group in groups & settings.roles.keys()]
    if given:
        return max(given, key=ROLES.index)
    return ROLES[0] if role in settings.roles.values() else role


def _groups(claim: Any) -> frozenset[str]:
    """Return the groups of a claim: a list, or one name. A missing claim counts as no groups."""
    if isinstance(claim, str):
        return frozenset({claim})
    if not isinstance(claim, list):
        return frozenset()
    return frozenset(each for each in claim[:GROUPS_MAX] if isinstance(each, str))


def _error_of(answer: ProviderAnswer) -> str:
    """Return the error code of a token endpoint (RFC 6749, 5.2), for the log."""
    try:
        document: Any = orjson.loads(answer.body)
    except ValueError:
        return "without JSON"
    error = document.get("error") if isinstance(document, dict) else None
    return error[:100] if isinstance(error, str) and error.isprintable() else "without a code"
