"""Being logged in: who keeps the tokens, and how an access token that ran out is renewed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, Protocol

import attrs

from rendertrust.api.accounts import Tokens
from rendertrust.client.errors import NotAuthenticated, NotFound, Refused
from rendertrust.client.response_decoder import read
from rendertrust.client.transport import ApiCall, Transport

NOT_LOGGED_IN = "Not logged in"
LOGIN_IS_OVER = "The login is over"


class TokenStore(Protocol):
    """Who keeps the tokens of one gateway: this process alone, or a file that several share."""

    def read(self) -> Tokens | None:
        """The newest tokens there are."""
        ...

    def write(self, tokens: Tokens) -> None:
        """Keep these from now on."""
        ...

    def forget(self) -> None:
        """Keep none."""
        ...

    def renewing(self) -> AbstractAsyncContextManager[None]:
        """Only one at a time may renew: a refresh token works once."""
        ...


@attrs.define
class MemoryTokenStore:
    """Tokens that end with the process."""

    tokens: Tokens | None = attrs.field(default=None, repr=False)
    _lock: asyncio.Lock = attrs.field(factory=asyncio.Lock, repr=False)

    def read(self) -> Tokens | None:
        """What was written last."""
        return self.tokens

    def write(self, tokens: Tokens) -> None:
        """Remember."""
        self.tokens = tokens

    def forget(self) -> None:
        """Know none."""
        self.tokens = None

    @asynccontextmanager
    async def renewing(self) -> AsyncGenerator[None]:
        """One task at a time."""
        async with self._lock:
            yield


@attrs.define
class Login:
    """Requests in the name of whoever is logged in, or whose API key is given."""

    transport: Transport
    keeper: TokenStore
    api_key: str | None = attrs.field(default=None, repr=False)

    async def send(self, call: ApiCall) -> Any:
        """As ``Transport.send``, with a token; NotAuthenticated when there is none that works."""
        if self.api_key is not None:
            return await self.transport.send(call, self.api_key)
        tokens = self._kept()
        try:
            return await self.transport.send(call, tokens.access_token)
        except NotAuthenticated as refused:
            fresh = await self.renewed(tokens, refused)
        return await self.transport.send(call, fresh.access_token)

    async def stream(self, call: ApiCall) -> AsyncGenerator[bytes]:
        """As ``Transport.stream``, with a token."""
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
        except NotAuthenticated as refused:  # before anything came
            fresh = await self.renewed(tokens, refused)
        async with aclosing(self.transport.stream(call, fresh.access_token)) as stream:
            async for content in stream:
                yield content

    async def renewed(self, stale: Tokens, refused: Refused | None = None) -> Tokens:
        """Tokens newer than ``stale``: somebody else's renewal, or our own."""
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
        call = ApiCall("POST", "/api/v1/auth/refresh", body, repeatable=False)
        try:
            return read(Tokens, await self.transport.send(call))
        except (NotAuthenticated, NotFound) as error:
            # 404: this gateway does not renew at all.
            request = (refused or error).request_id
            raise NotAuthenticated(401, LOGIN_IS_OVER, request_id=request) from error
