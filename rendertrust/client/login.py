"""Login at a gateway. A login stores tokens, sends them with requests, and renews them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, Protocol

import attrs

from rendertrust.api.accounts import DeviceLogin, Registered, Tokens
from rendertrust.api.refusal_code import RefusalCode, refusal_code
from rendertrust.client import paths
from rendertrust.client.errors import NotAuthenticated, NotFound, Refused
from rendertrust.client.response_decoder import read
from rendertrust.client.transport import ApiCall, Transport

NOT_LOGGED_IN = "Not logged in"
LOGIN_IS_OVER = "The session has ended"
WAITING = frozenset({RefusalCode.AUTHORIZATION_PENDING, RefusalCode.SLOW_DOWN})
SLOWER_SECONDS = 5


class TokenStore(Protocol):
    """Storage for the tokens of one gateway, in memory or in a file that processes share."""

    def read(self) -> Tokens | None:
        """Return the newest tokens."""
        ...

    def write(self, tokens: Tokens) -> None:
        """Replace the tokens."""
        ...

    def forget(self) -> None:
        """Delete the tokens."""
        ...

    def renewing(self) -> AbstractAsyncContextManager[None]:
        """Lock the tokens while they are renewed, because a refresh token can be used only once."""
        ...


@attrs.define
class MemoryTokenStore:
    """Storage of tokens in memory."""

    tokens: Tokens | None = attrs.field(default=None, repr=False)
    _lock: asyncio.Lock = attrs.field(factory=asyncio.Lock, repr=False)

    def read(self) -> Tokens | None:
        """Return the newest tokens."""
        return self.tokens

    def write(self, tokens: Tokens) -> None:
        """Replace the tokens."""
        self.tokens = tokens

    def forget(self) -> None:
        """Delete the tokens."""
        self.tokens = None

    @asynccontextmanager
    async def renewing(self) -> AsyncGenerator[None]:
        """Lock the tokens, for one task at a time."""
        async with self._lock:
            yield


@attrs.define
class Login:
    """Login that sends requests with the tokens of ``keeper``, or with an API key."""

    transport: Transport
    keeper: TokenStore
    api_key: str | None = attrs.field(default=None, repr=False)

    async def register(
        self, email: str, name: str, password: str, invitation: str | None = None
    ) -> Registered:
        """Create an account and keep the tokens of its first session."""
        body = {"email": email, "name": name, "password": password}
        if invitation is not None:
            body["invitation"] = invitation
        call = ApiCall("POST", paths.REGISTER, body, repeatable=False)
        registered = read(Registered, await self.transport.send(call))
        self.keeper.write(registered.tokens)
        return registered

    async def log_in(self, email: str, password: str, otp: str | None = None) -> Tokens:
        """Log in and keep the tokens."""
        body = {"email": email, "password": password}
        if otp is not None:
            body["otp"] = otp
        call = ApiCall("POST", paths.LOGIN, body)
        tokens = read(Tokens, await self.transport.send(call))
        self.keeper.write(tokens)
        return tokens

    async def start_by_code(self) -> DeviceLogin:
        """Start a login that its user confirms in a browser."""
        return read(DeviceLogin, await self.transport.send(ApiCall("POST", paths.DEVICE)))

    async def finish_by_code(self, started: DeviceLogin) -> Tokens:
        """Wait until the user has confirmed the login, and keep the tokens."""
        interval = started.interval
        # a poll is not repeated if its answer is lost: the tokens are given once
        call = ApiCall(
            "POST", paths.DEVICE_TOKEN, {"device_code": started.device_code}, repeatable=False
        )
        while True:
            await self.transport.sleep(interval)
            try:
                tokens = read(Tokens, await self.transport.send(call))
            except Refused as refused:
                if refusal_code(refused.code) not in WAITING:
                    raise
                interval += (
                    SLOWER_SECONDS if refusal_code(refused.code) is RefusalCode.SLOW_DOWN else 0
                )
                continue
            self.keeper.write(tokens)
            return tokens

    async def log_out(self) -> None:
        """Log out and delete the tokens. Does nothing if the session has already ended."""
        with contextlib.suppress(NotAuthenticated):
            await self.send(ApiCall("POST", paths.LOGOUT))
        self.keeper.forget()

    async def delete_account(self, password: str) -> None:
        """Delete the user's account and the tokens."""
        body = {"password": password}
        await self.send(ApiCall("POST", paths.ACCOUNT_DELETION, body, repeatable=False))
        self.keeper.forget()

    async def access_token(self) -> str:
        """Return the API key, or an access token that the gateway has just accepted."""
        if self.api_key is not None:
            return self.api_key
        await self.send(ApiCall("GET", paths.BALANCE))
        return self._kept().access_token

    async def send(self, call: ApiCall) -> Any:
        """Send a request with a token. Raises NotAuthenticated without a valid token."""
        if self.api_key is not None:
            return await self.transport.send(call, self.api_key)
        tokens = self._kept()
        try:
            return await self.transport.send(call, tokens.access_token)
        except NotAuthenticated as refused:
            fresh = await self.renewed(tokens, refused)
        return await self.transport.send(call, fresh.access_token)

    async def stream(self, call: ApiCall) -> AsyncGenerator[bytes]:
        """Stream a reply as ``Transport.stream`` does, with a token."""
        if self.api_key is not None:
            async with aclosing(self.transport.stream(call, self.api_key)) as stream:
                async for content in stream:
                    yield content
            return
        tokens = self._kept()
        try:
            async with aclosing(self.transport.stream(call, tokens.access_token)) as stream:
                async for content in stream:
                    yield content
            return
        except NotAuthenticated as refused:  # the reply arrived before any content
            fresh = await self.renewed(tokens, refused)
        async with aclosing(self.transport.stream(call, fresh.access_token)) as stream:
            async for content in stream:
                yield content

    async def renewed(self, stale: Tokens, refused: Refused | None = None) -> Tokens:
        """Return tokens newer than ``stale``; this or another process has renewed the tokens."""
        async with self.keeper.renewing():
            kept = self._kept()
            if kept != stale:
                return kept
            tokens = await self._refresh(stale, refused)
            self.keeper.write(tokens)
            return tokens

    def _kept(self) -> Tokens:
        tokens = self.keeper.read()
        if tokens is None:
            raise NotAuthenticated(401, NOT_LOGGED_IN)
        return tokens

    async def _refresh(self, stale: Tokens, refused: Refused | None) -> Tokens:
        body = {"refresh_token": stale.refresh_token}
        call = ApiCall("POST", paths.REFRESH, body, repeatable=False)
        try:
            return read(Tokens, await self.transport.send(call))
        except (NotAuthenticated, NotFound) as error:
            # Status 404 means that this gateway does not renew tokens.
            request = (refused or error).request_id
            raise NotAuthenticated(401, LOGIN_IS_OVER, request_id=request) from error
