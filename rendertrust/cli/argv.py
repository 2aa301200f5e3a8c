"""Parser for the options that every command has, and answers that need no command."""

import sys
from collections.abc import Sequence
from typing import NamedTuple

from rendertrust import __version__
from rendertrust.cli import catalogue, exit_codes


class Arguments(NamedTuple):
    """The command line without the global options."""

    rest: tuple[str, ...]
    url: str | None
    json: bool

    @property
    def command(self) -> str | None:
        """The first word that is not an option."""
        return next((word for word in self.rest if not word.startswith("-")), None)


class UrlMissing(Exception):
    """``--url`` is the last word, without a value."""


def split(words: Sequence[str]) -> Arguments:
    """Return ``words`` with ``--url`` and ``--json`` taken out of the words before ``--``."""
    rest: list[str] = []
    url, json = None, False
    ahead = iter(words)
    for word in ahead:
        if word == "--json":
            json = True
        elif word == "--url":
            url = next(ahead, None)
            if url is None:
                raise UrlMissing
        elif word.startswith("--url="):
            url = word.removeprefix("--url=")
        else:
            rest.append(word)
            if word == "--":
                rest += ahead
    return Arguments(tuple(rest), url, json)


def quick(words: Arguments) -> str | None:
    """Return the text to print if no command has to run; otherwise return None."""
    match words.rest:
        case ("--help" | "-h" | "help",) | ("help", "help"):
            return catalogue.overview()
        case ("help", "exit-codes"):
            return _json(exit_codes.TABLE) if words.json else exit_codes.text()
        case ("--version" | "version",):
            return _json(version()) if words.json else f"rendertrust {__version__}"
        case _:
            return None


def version() -> dict[str, str]:
    """Return version, Python and platform, for bug reports."""
    implementation = sys.implementation.name
    python = ".".join(map(str, sys.version_info[:3]))
    return {
        "name": "rendertrust",
        "version": __version__,
        "python": f"{implementation} {python}",
        "platform": sys.platform,
    }


def _json(value: object) -> str:
    import json  # imported late: this import takes a tenth of the start-up time

    return json.dumps(value)
