"""The state of one call of the program: the gateway's address, the printer and the login."""

import os
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import click

from rendertrust.cli.credentials import CredentialsFile
from rendertrust.cli.output import Printer
from rendertrust.cli.pins import PinFile

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient
    from rendertrust.client.transport import Passing

Reply = TypeVar("Reply")
VARIABLE: Final = "RENDERTRUST_URL"
API_KEY: Final = "RENDERTRUST_API_KEY"
DEFAULT: Final = "http://localhost:8000"


@attrs.define
class CliSession:
    """The gateway, the printer and the login of one call of the program."""

    given: str | None
    output: Printer
    credentials: CredentialsFile = attrs.field(factory=CredentialsFile)

    @property
    def named(self) -> str:
        """Return the gateway's address from --url, the environment, the last login, or the
        default.
        """
        named = self.given or os.environ.get(VARIABLE)
        return named or self.credentials.current() or DEFAULT

    @property
    def url(self) -> str:
        """Return the normalised address; raise UsageError if it is invalid."""
        from rendertrust.client import address

        try:
            return address(self.named)
        except ValueError as error:
            named = f"The address {self.named!r} {error}, like {DEFAULT}"
            raise click.UsageError(named) from None

    @property
    def api_key(self) -> str | None:
        """Return the API key from the environment, which replaces a login."""
        return os.environ.get(API_KEY) or None

    def run(
        self,
        work: "Callable[[AsyncClient], Coroutine[Any, Any, Reply]]",
        email: str | None = None,
        *,
        people: bool = False,
    ) -> Reply:
        """Run ``work`` with a client, and return its result. ``email`` is set while a user logs in.

        ``people``: API keys may not do this, so a key in the environment is ignored.
        """
        import asyncio

        from rendertrust.client import AsyncClient

        url = self.url
        keeper = self.credentials.keeper(url, email)
        key = None if people or email else self.api_key

        async def with_client() -> Reply:
            async with AsyncClient(
                url, keeper=keeper, api_key=key, waiting=self._waiting, pins=PinFile(url)
            ) as client:
                return await work(client)

        return asyncio.run(with_client())

    def do(
        self,
        work: "Callable[[AsyncClient], Coroutine[Any, Any, object]]",
        words: str,
        **document: Any,
    ) -> None:
        """Run ``work``, then print ``words``, or ``document`` with --json."""
        self.run(work)
        self.output.document(document or {"message": words})
        self.output.say(words)

    def _waiting(self, error: "Passing", pause: float) -> None:
        self.output.note(f"{error}; trying again in {pause:.1f} s")

    def warn_of_plain_http(self) -> None:
        """Warn before a password or token crosses a network unencrypted."""
        from urllib.parse import urlsplit

        parts = urlsplit(self.url)
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            self.output.note(
                f"Warning: {self.url} is not encrypted: others on the network can read "
                "your password."
            )


def session_of(context: click.Context) -> CliSession:
    """Return the session that ``app`` created."""
    session = context.find_object(CliSession)
    assert session is not None, "app.main creates the session"
    return session


def is_interactive() -> bool:
    """Return True if there is a terminal to ask at."""
    return sys.stdin.isatty() and sys.stderr.isatty()
