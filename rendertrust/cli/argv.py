"""The words of a command line: the options that every command has, and quick answers."""

import sys
from collections.abc import Sequence
from typing import NamedTuple

from rendertrust import __version__
from rendertrust.cli import catalogue, exit_codes


class Arguments(NamedTuple):
    """What was typed, without the options that stand anywhere."""

    rest: tuple[str, ...]
    url: str | None
    json: bool

    @property
    def command(self) -> str | None:
        """The first word that is none of the options of every command."""
        return next((word for word in self.rest if not word.startswith("-")), None)


class UrlMissing(Exception):
    """``--url`` stands last."""


def split(words: Sequence[str]) -> Arguments:
    """Take ``--url`` and ``--json`` out, wherever they stand before ``--``."""
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
    """The answer where there is nothing to do but to print it."""
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
    """What this is, for a report of a fault."""
    implementation = sys.implementation.name
    python = ".".join(map(str, sys.version_info[:3]))
    return {
        "name": "rendertrust",
        "version": __version__,
        "python": f"{implementation} {python}",
        "platform": sys.platform,
    }


def _json(value: object) -> str:
    import json  # only for those who ask for it: it costs a tenth of the start

    return json.dumps(value)
