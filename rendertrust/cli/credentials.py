"""Sessions saved between calls: one file in the XDG state folder that only its owner can read."""

import contextlib
import json
import os
import secrets
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import attrs

from rendertrust.file_lock import take

if TYPE_CHECKING:
    from rendertrust.client import Tokens

LOCKED_SECONDS_MAX: Final = 60.0
STEP_SECONDS: Final = 0.05


def default_path() -> Path:
    """Return the default path, ``~/.local/state/rendertrust/credentials.json`` on Linux."""
    import platformdirs

    return platformdirs.user_state_path("rendertrust") / "credentials.json"


@attrs.frozen
class CredentialsFile:
    """The saved sessions, one per gateway, and the gateway of the last login."""

    path: Path = attrs.field(factory=default_path)

    def current(self) -> str | None:
        """Return the gateway of the last login."""
        current = self._book().get("current")
        return current if isinstance(current, str) else None

    def email(self, url: str) -> str | None:
        """Return the e-mail address of the account that is logged in at ``url``."""
        email = self._entry(url).get("email")
        return email if isinstance(email, str) else None

    def tokens(self, url: str) -> "Tokens | None":
        """Return the tokens for the gateway at ``url``.

        Return None without tokens or if the file is broken.
        """
        from rendertrust.client import Tokens

        entry = self._entry(url)
        access, refresh = entry.get("access_token"), entry.get("refresh_token")
        if not isinstance(access, str) or not isinstance(refresh, str):
            return None
        return Tokens(access, refresh)

    def keep(self, url: str, tokens: "Tokens", email: str | None = None) -> None:
        """Save ``tokens``.

        With an ``email``, as after a login, the gateway becomes the current gateway.
        """
        self.prepare()
        with self._locked("write"):
            book = self._book()
            entry = self._entry(url, book)
            names = {"email": email or entry.get("email")}
            fresh = {"access_token": tokens.access_token, "refresh_token": tokens.refresh_token}
            logins = book.get("logins")
            book["logins"] = {**(logins if isinstance(logins, dict) else {}), url: names | fresh}
            if email is not None:
                book["current"] = url
            self._replace(json.dumps(book, indent=1).encode())

    def forget(self, url: str) -> None:
        """Delete the session of the gateway at ``url``.

        If that gateway was the current gateway, no gateway is current afterwards.
        """
        self.prepare()
        with self._locked("write"):
            book = self._book()
            logins = book.get("logins")
            kept = dict(logins) if isinstance(logins, dict) else {}
            kept.pop(url, None)
            book["logins"] = kept
            if book.get("current") == url:
                del book["current"]
            self._replace(json.dumps(book, indent=1).encode())

    def prepare(self) -> None:
        """Create the folder before the gateway is asked for tokens; raise OSError on failure."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keeper(self, url: str, email: str | None = None) -> "FileTokenStore":
        """Return a token store for one gateway, for the client."""
        return FileTokenStore(self, url, email)

    @asynccontextmanager
    async def renewing(self) -> AsyncGenerator[None]:
        """Lock the tokens for one process. A second renewal would use a spent refresh token."""
        import asyncio

        self.prepare()
        with self._lock_file("renew") as file:
            async with asyncio.timeout(LOCKED_SECONDS_MAX):
                # The lock is polled, because other processes cannot wake this process.
                while not take(file, wait=False):  # noqa: ASYNC110
                    await asyncio.sleep(STEP_SECONDS)
            yield

    def _book(self) -> dict[str, Any]:
        try:
            book = json.loads(self.path.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return book if isinstance(book, dict) else {}

    def _entry(self, url: str, book: dict[str, Any] | None = None) -> dict[str, Any]:
        logins = (self._book() if book is None else book).get("logins")
        entry = logins.get(url) if isinstance(logins, dict) else None
        return entry if isinstance(entry, dict) else {}

    @contextmanager
    def _locked(self, name: str) -> Generator[None]:
        with self._lock_file(name) as file:
            take(file, wait=True)
            yield

    def _lock_file(self, name: str) -> BinaryIO:
        path = self.path.with_name(f".{self.path.stem}.{name}.lock")
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")

    def _replace(self, content: bytes) -> None:
        fresh = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            fresh.replace(self.path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                fresh.unlink()


@attrs.frozen
class FileTokenStore:
    """The client's ``TokenStore`` over the file. ``email`` is set while a user logs in."""

    file: CredentialsFile
    url: str
    email: str | None = None

    def read(self) -> "Tokens | None":
        """Return the newest tokens, whichever process wrote the tokens."""
        return self.file.tokens(self.url)

    def write(self, tokens: "Tokens") -> None:
        """Save the tokens for the next call."""
        self.file.keep(self.url, tokens, self.email)

    def forget(self) -> None:
        """Delete the saved tokens."""
        self.file.forget(self.url)

    def renewing(self) -> "contextlib.AbstractAsyncContextManager[None]":
        """Lock the tokens, for one process at a time."""
        return self.file.renewing()
