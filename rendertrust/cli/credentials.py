"""Where logins are kept between calls: one file in the XDG state folder, its owner's alone."""

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
    """``~/.local/state/rendertrust/credentials.json`` on Linux."""
    import platformdirs

    return platformdirs.user_state_path("rendertrust") / "credentials.json"


@attrs.frozen
class CredentialsFile:
    """The logins, one per gateway, and which gateway was logged in to last."""

    path: Path = attrs.field(factory=default_path)

    def current(self) -> str | None:
        """The gateway of the last login."""
        current = self._book().get("current")
        return current if isinstance(current, str) else None

    def email(self, url: str) -> str | None:
        """Who is logged in there."""
        email = self._entry(url).get("email")
        return email if isinstance(email, str) else None

    def tokens(self, url: str) -> "Tokens | None":
        """The tokens for that gateway; None when there are none, or the file is broken."""
        from rendertrust.client import Tokens

        entry = self._entry(url)
        access, refresh = entry.get("access_token"), entry.get("refresh_token")
        if not isinstance(access, str) or not isinstance(refresh, str):
            return None
        return Tokens(access, refresh)

    def keep(self, url: str, tokens: "Tokens", email: str | None = None) -> None:
        """Keep ``tokens``; with an ``email``, as at a login, the gateway becomes current."""
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
        """Keep nothing of that gateway; if it was the current one, there is none."""
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
        """Make the folder, or raise OSError: before anything is asked of a gateway."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keeper(self, url: str, email: str | None = None) -> "FileTokenStore":
        """The tokens of one gateway, as the client wants them."""
        return FileTokenStore(self, url, email)

    @asynccontextmanager
    async def renewing(self) -> AsyncGenerator[None]:
        """One process at a time: another's renewal would make our refresh token void."""
        import asyncio

        self.prepare()
        with self._lock_file("renew") as file:
            async with asyncio.timeout(LOCKED_SECONDS_MAX):
                # Other processes raise no event here.
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
    """The client's ``Keeper`` over the file. ``email``: who is just logging in."""

    file: CredentialsFile
    url: str
    email: str | None = None

    def read(self) -> "Tokens | None":
        """The newest, whichever process wrote them."""
        return self.file.tokens(self.url)

    def write(self, tokens: "Tokens") -> None:
        """Keep them for the next call too."""
        self.file.keep(self.url, tokens, self.email)

    def forget(self) -> None:
        """For the next call too."""
        self.file.forget(self.url)

    def renewing(self) -> "contextlib.AbstractAsyncContextManager[None]":
        """One process at a time."""
        return self.file.renewing()
