"""What every command is given: the gateway's address, where to print, and whose login to use."""

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
    """One call of the program."""

    given: str | None
    output: Printer
    credentials: CredentialsFile = attrs.field(factory=CredentialsFile)

    @property
    def named(self) -> str:
        """The gateway: from --url, the environment, the last login, or this machine's."""
        named = self.given or os.environ.get(VARIABLE)
        return named or self.credentials.current() or DEFAULT

    @property
    def url(self) -> str:
        """The gateway's address, in order; UsageError when it is none."""
        from rendertrust.client import address

        try:
            return address(self.named)
        except ValueError as error:
            named = f"The address {self.named!r} {error}, like {DEFAULT}"
            raise click.UsageError(named) from None

    @property
    def api_key(self) -> str | None:
        """A key that stands in for a login, from the environment."""
        return os.environ.get(API_KEY) or None

    def run(
        self,
        work: "Callable[[AsyncClient], Coroutine[Any, Any, Reply]]",
        email: str | None = None,
        *,
        people: bool = False,
    ) -> Reply:
        """What ``work`` makes of a client. ``email``: who is about to log in.

        ``people``: API keys may not do this, so one that is set is left aside.
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
        """What leaves nothing to show but that it is done: ``words``, with --json ``document``."""
        self.run(work)
        self.output.document(document or {"message": words})
        self.output.say(words)

    def _waiting(self, error: "Passing", pause: float) -> None:
        self.output.note(f"{error}; trying again in {pause:.1f} s")

    def warn_of_plain_http(self) -> None:
        """A password or token that crosses a network in the clear is worth a word."""
        from urllib.parse import urlsplit

        parts = urlsplit(self.url)
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            self.output.note(
                f"Warning: {self.url} is not encrypted: who is on the way can read your password."
            )


def session_of(context: click.Context) -> CliSession:
    """The session that ``app`` made."""
    session = context.find_object(CliSession)
    assert session is not None, "app.main makes one"
    return session


def is_interactive() -> bool:
    """Somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
