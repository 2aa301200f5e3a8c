"""The gateway's address, the printer and the login of one run of the program."""

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
    """The gateway, the printer and the login of one run of the program."""

    given: str | None
    output: Printer
    credentials: CredentialsFile = attrs.field(factory=CredentialsFile)

    @property
    def named(self) -> str:
        """Return the gateway's address: --url, the environment, the last login, or the default."""
        named = self.given or os.environ.get(VARIABLE)
        return named or self.credentials.current() or DEFAULT

    @property
    def url(self) -> str:
        """Return the gateway's normalised address; raise UsageError for an invalid address."""
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

        With ``people``, a key in the environment is ignored, because ``work`` needs a user's login.
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

    def fetch(
        self, work: "Callable[[AsyncClient], Coroutine[Any, Any, Reply]]", *, people: bool = False
    ) -> Reply:
        """Run ``work``, print the result with --json, and return the result."""
        found = self.run(work, people=people)
        self.output.document(found)
        return found

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

        from rendertrust.client.transport import OWN_HOSTS

        parts = urlsplit(self.url)
        if parts.scheme == "http" and parts.hostname not in OWN_HOSTS:
            self.output.note(
                f"Warning: {self.url} is not encrypted: others on the network can read "
                "your password."
            )


pass_session = click.make_pass_decorator(CliSession)  # the session that ``app`` created


def is_interactive() -> bool:
    """Return True if the user can be asked at a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()
