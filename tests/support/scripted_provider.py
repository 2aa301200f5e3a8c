"""A provider of OpenID Connect that does what a test asks for, right or wrong."""

import base64
import hashlib
import hmac
import html
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qs, unquote_plus, urlsplit

import attrs
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey

KEY: Final = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
OTHER_KEY: Final = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
NEW_KEY: Final = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})
CLIENT: Final = "farm"
SECRET: Final = "secret of the farm/+:"
PUBLIC: Final = ("kty", "kid", "use", "n", "e", "crv", "x", "y")


@attrs.frozen
class Asked:
    """A sign-in that the gateway has begun: the address to which it leads the browser."""

    url: str

    @property
    def values(self) -> dict[str, str]:
        """Return the parameters of the address."""
        return {name: value[0] for name, value in parse_qs(urlsplit(self.url).query).items()}

    @classmethod
    def of(cls, page: str) -> "Asked":
        """Read the address from the page that leads to the provider."""
        found = re.search(r'http-equiv="refresh" content="0; url=([^"]*)"', page)
        assert found is not None, page
        return cls(html.unescape(found[1]))


@attrs.define
class ScriptedProvider:
    """A provider.

    ``claims``: the claims of the user who signs in. ``token``: makes the ID token of its claims.
    ``metadata`` and ``user_info``: what it answers, too. ``keys``: the keys that it publishes.
    """

    issuer: str = ""
    id: str = "company"
    claims: dict[str, Any] = attrs.field(factory=dict)
    token: Callable[[dict[str, Any]], str] = attrs.field(default=lambda claims: signed(claims))  # noqa: PLW0108 - defined below
    metadata: dict[str, Any] = attrs.field(factory=dict)
    user_info: dict[str, Any] | None = None
    keys: list[Any] = attrs.field(factory=lambda: [KEY])
    statuses: dict[str, int] = attrs.field(factory=dict)  # by path, instead of 200
    served: list[str] = attrs.field(factory=list)  # the paths that were asked for
    codes: dict[str, dict[str, str]] = attrs.field(factory=dict)
    users: dict[str, dict[str, Any]] = attrs.field(factory=dict)  # claims by code
    number: int = 0

    def table(self, **more: Any) -> dict[str, Any]:
        """Return the table of settings for a gateway."""
        named = {"id": self.id, "name": self.id.title(), "issuer": self.issuer}
        return named | {"client_id": CLIENT, "client_secret": SECRET} | more

    def agree(self, asked: Asked, claims: dict[str, Any] | None = None) -> str:
        """Let the user sign in, and return the code with which the browser is sent back.

        ``claims``: of another user than ``self.claims``.
        """
        self.number += 1
        code = f"code-{self.number}"
        self.codes[code] = asked.values
        if claims is not None:
            self.users[code] = claims
        return code

    async def serve(self, request: web.Request) -> web.Response:
        """Answer a request of the gateway."""
        path = request.path
        self.served.append(path)
        if path in self.statuses:
            return web.Response(status=self.statuses[path], headers={"Location": self.issuer})
        if path == "/.well-known/openid-configuration":
            return web.json_response(self._metadata())
        if path == "/keys":
            keys = [_public(key.as_dict(private=False)) for key in self.keys]
            return web.json_response({"keys": keys})
        if path == "/me":
            assert request.headers["Authorization"] == "Bearer access"
            return web.json_response(self.user_info)
        assert path == "/token"
        return await self._tokens(request)

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_response_iss_parameter_supported": True,
            **({} if self.user_info is None else {"userinfo_endpoint": f"{self.issuer}/me"}),
            **self.metadata,
        }

    async def _tokens(self, request: web.Request) -> web.Response:
        form = await request.post()
        asked = self.codes.pop(str(form.get("code")), None)
        if "Authorization" in request.headers:
            pair = base64.b64decode(request.headers["Authorization"].removeprefix("Basic "))
            client, secret = map(unquote_plus, pair.decode().split(":"))
        else:
            client, secret = str(form["client_id"]), str(form["client_secret"])
        verifier = str(form.get("code_verifier", ""))
        made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        if (
            asked is None
            or (client, secret) != (CLIENT, SECRET)
            or form.get("redirect_uri") != asked["redirect_uri"]
            or made.decode().rstrip("=") != asked["code_challenge"]
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "248289761001",
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": asked["nonce"],
            **self.users.get(str(form.get("code")), self.claims),
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        tokens = {"id_token": self.token(claims), "access_token": "access", "token_type": "Bearer"}
        return web.json_response(tokens)


def signed(claims: dict[str, Any], key: Any = KEY, algorithm: str = "RS256") -> str:
    """Return a token with the key's id."""
    header = {"alg": algorithm, "kid": key.kid}
    return jwt.encode(header, claims, key, algorithms=[algorithm])


def signed_text(payload: str) -> str:
    """Return a token whose payload is any text."""
    return jws.serialize_compact({"alg": "RS256", "kid": KEY.kid}, payload.encode(), KEY)


def unsigned(claims: dict[str, Any]) -> str:
    """Return a token with the algorithm "none"."""
    header, body = _part(b'{"alg":"none","kid":"one"}'), signed(claims).split(".")[1]
    return f"{header}.{body}."


def with_public_key(claims: dict[str, Any]) -> str:
    """Return a token whose HS256 secret is the public key."""
    header, body = _part(b'{"alg":"HS256","kid":"one"}'), signed(claims).split(".")[1]
    text = f"{header}.{body}"
    made = hmac.digest(KEY.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{_part(made)}"


def with_other_key(claims: dict[str, Any]) -> str:
    """Return a token that is signed with a key that only has the right name."""
    return signed(claims, OTHER_KEY)


def with_other_signature(claims: dict[str, Any]) -> str:
    """Return a token whose signature was changed."""
    return signed(claims)[:-4] + "AAAA"


def with_own_key(claims: dict[str, Any]) -> str:
    """Return a token that brings the key with which it is signed."""
    header = {"alg": "RS256", "kid": "one", "jwk": _public(OTHER_KEY.as_dict(private=False))}
    return jwt.encode(header, claims, OTHER_KEY, algorithms=["RS256"])


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _public(key: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name in PUBLIC}


@asynccontextmanager
async def scripted_provider(id_: str = "company") -> AsyncGenerator[ScriptedProvider]:
    """Run a provider on a free port of this machine until the block ends."""
    provider = ScriptedProvider(id=id_)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", provider.serve)
    async with TestServer(app) as server:
        provider.issuer = str(server.make_url("")).rstrip("/")
        provider.claims = {"email": "nora@example.org", "email_verified": True, "name": "Nora"}
        yield provider
