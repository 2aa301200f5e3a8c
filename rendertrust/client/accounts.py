"""Accounts: who one is, where one is logged in, and keys for programs."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from rendertrust.api.accounts import (
    ApiKey,
    ApiKeys,
    CreatedApiKey,
    Registered,
    Session,
    Sessions,
    Tokens,
)
from rendertrust.client.base import ApiBase
from rendertrust.client.errors import NotAuthenticated
from rendertrust.client.pages import window
from rendertrust.client.response_decoder import read
from rendertrust.client.transport import ApiCall

_KEYS, _SESSIONS = "/api/v1/auth/keys", "/api/v1/auth/sessions"


class AccountsApi(ApiBase):
    """A part of ``AsyncClient``."""

    async def register(self, email: str, name: str, password: str) -> Registered:
        """Open an account, and be logged in. Conflict: the address has one already."""
        body = {"email": email, "name": name, "password": password}
        call = ApiCall("POST", "/api/v1/auth/register", body, repeatable=False)
        registered = read(Registered, await self._transport.send(call))
        self._keeper.write(registered.tokens)
        return registered

    async def login(self, email: str, password: str) -> Tokens:
        """Log in. NotAuthenticated: the address or the password is wrong."""
        body = {"email": email, "password": password}
        call = ApiCall("POST", "/api/v1/auth/login", body)
        tokens = read(Tokens, await self._transport.send(call))
        self._keeper.write(tokens)
        return tokens

    async def logout(self) -> None:
        """End the login, here and at the gateway; one that has ended already is as good."""
        with contextlib.suppress(NotAuthenticated):  # it is over
            await self._login.send(ApiCall("POST", "/api/v1/auth/logout"))
        self._keeper.forget()

    async def create_key(
        self, name: str, scopes: Sequence[str], *, expires_at: datetime | None = None
    ) -> CreatedApiKey:
        """An API key. The answer alone shows it; a lost answer leaves a key to be revoked."""
        body: dict[str, Any] = {"name": name, "scopes": list(scopes)}
        if expires_at is not None:
            body["expires_at"] = expires_at.isoformat()
        call = ApiCall("POST", _KEYS, body, repeatable=False)
        return read(CreatedApiKey, await self._login.send(call))

    async def keys(self, *, limit: int = 50, offset: int = 0) -> ApiKeys:
        """One's API keys, newest first; ``limit`` 1 to 100."""
        return read(ApiKeys, await self._get(_KEYS, window(limit, offset)))

    def each_key(self) -> AsyncIterator[ApiKey]:
        """All of them, page after page."""
        return self._walk(ApiKeys, _KEYS, lambda page: page.keys)

    async def revoke_key(self, key_id: str | UUID) -> None:
        """Revoke an API key. NotFound: it was, or is another's."""
        path = f"{_KEYS}/{UUID(str(key_id))}"
        await self._login.send(ApiCall("DELETE", path, repeatable=False))

    async def change_password(self, old: str, new: str) -> None:
        """Change one's password; every other login ends. Forbidden: the old one does not fit."""
        body = {"old_password": old, "new_password": new}
        await self._login.send(ApiCall("POST", "/api/v1/auth/password", body, repeatable=False))

    async def sessions(self, *, limit: int = 50, offset: int = 0) -> Sessions:
        """Where one is logged in, the one used last first."""
        return read(Sessions, await self._get(_SESSIONS, window(limit, offset)))

    def each_session(self) -> AsyncIterator[Session]:
        """All of them, page after page."""
        return self._walk(Sessions, _SESSIONS, lambda page: page.sessions)

    async def end_session(self, sid: str | UUID) -> None:
        """End a login of one's own. NotFound: it has ended, or is another's."""
        path = f"{_SESSIONS}/{UUID(str(sid))}"
        await self._login.send(ApiCall("DELETE", path, repeatable=False))

    async def access_token(self) -> str:
        """A token that the gateway took just now, for one who speaks to it by other means."""
        if self._login.api_key is not None:
            return self._login.api_key
        await self._get("/api/v1/credits/balance")
        kept = self._keeper.read()
        assert kept is not None, "a request with a token has just been answered"
        return kept.access_token
