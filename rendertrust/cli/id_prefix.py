"""Ids as arguments: whole, or a beginning that only one of the user's own has, as in Git."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import click

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.session import CliSession

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient

LEAST: Final = 4  # characters of a beginning
SEARCHED_MOST: Final = 2_000  # newest elements that are searched for a beginning
SHOWN_MOST: Final = 10
_BEGINNING: Final = re.compile(r"[0-9a-f-]+", re.IGNORECASE)
# Yields the id of each element, with words by which people recognise it.
Listing: TypeAlias = "Callable[[AsyncClient], AsyncIterator[tuple[str, str]]]"


class BeginningParam(click.ParamType[str]):
    """An id, or the beginning of one, which the command itself looks for."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text in lower case; raise a usage error for what begins no id."""
        text = str(value).strip().lower()
        if len(text) < LEAST or not _BEGINNING.fullmatch(text):
            said = f"{value!r} is not a valid UUID, nor the first {LEAST} or more characters of one"
            self.fail(said, param, ctx)
        return text


class IdParam(click.types.UUIDParameterType):
    """An id, or the beginning of the id of one of the user's own.

    ``listing`` lists the elements among which the id is looked for; ``noun`` names one of them, and
    ``command`` shows them. ``people``: an API key may not list them.
    """

    def __init__(
        self, noun: str, command: str, listing: "Listing", *, people: bool = False
    ) -> None:
        self._noun, self._command, self._listing = noun, command, listing
        self._people = people

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the id that begins with the text. An ambiguous beginning ends the command with the
        candidates.
        """
        if isinstance(value, UUID):
            return value
        with suppress(ValueError):
            return UUID(str(value).strip())
        text = BEGINNING.convert(value, param, ctx)
        session = None if ctx is None else ctx.find_object(CliSession)
        if session is None or (ctx is not None and ctx.resilient_parsing):
            return value
        return UUID(self._found(session, text))

    def _found(self, session: CliSession, text: str) -> str:
        async def search(client: "AsyncClient") -> Mapping[str, str]:
            found, searched = dict[str, str](), 0
            async for id_, words in self._listing(client):
                searched += 1
                if matches(text, id_):
                    found[id_] = words
                if searched >= SEARCHED_MOST or len(found) > SHOWN_MOST:
                    break
            return found

        return chosen(text, session.run(search, people=self._people), self._noun, self._command)


def matches(beginning: str, id_: str) -> bool:
    """Return True if the id begins so; hyphens may be left out."""
    return id_.replace("-", "").startswith(beginning.replace("-", "").lower())


def chosen(beginning: str, labels: Mapping[str, str], noun: str, command: str) -> str:
    """Return the one id that begins so; end the command if there is none, or several."""
    found = [id_ for id_ in labels if matches(beginning, id_)]
    if len(found) == 1:
        return found[0]
    hint = f"See: {command}" if command else ""
    if not found:
        detail = f"No {noun} of yours has an id that begins with {beginning}"
        raise CommandExit(Exit(exit_codes.NOT_FOUND, "not_found", detail, hint))
    lines = [f"{id_}  {labels[id_]}".rstrip() for id_ in found[:SHOWN_MOST]]
    lines += ["…"] if len(found) > SHOWN_MOST else []
    detail = f"Several ids begin with {beginning}; type more characters"
    candidates = {"candidates": found[:SHOWN_MOST]}
    raise CommandExit(Exit(exit_codes.USAGE, "ambiguous_id", detail, "\n".join(lines), candidates))


async def _jobs(client: "AsyncClient") -> AsyncIterator[tuple[str, str]]:
    async for job in client.each_job():
        yield job.id, f"{job.status}, {job.created_at:%Y-%m-%d %H:%M}"


async def _nodes(client: "AsyncClient") -> AsyncIterator[tuple[str, str]]:
    async for node in client.each_node():
        yield node.id, value_text.harmless(node.name)


async def _keys(client: "AsyncClient") -> AsyncIterator[tuple[str, str]]:
    async for key in client.each_key():
        yield key.id, f"…{key.hint}"


async def _uploads(client: "AsyncClient") -> AsyncIterator[tuple[str, str]]:
    async for upload in client.each_upload():
        yield upload.id, value_text.harmless(upload.filename)


async def _organisations(client: "AsyncClient") -> AsyncIterator[tuple[str, str]]:
    for one in (await client.organisations()).organisations:
        yield one.id, value_text.harmless(one.name)


async def _hooks(client: "AsyncClient") -> AsyncIterator[tuple[str, str]]:
    for hook in (await client.hooks()).endpoints:
        yield hook.id, value_text.harmless(hook.url)


BEGINNING: Final = BeginningParam()
JOB: Final = IdParam("job", "rendertrust jobs list", _jobs)
NODE: Final = IdParam("node", "rendertrust nodes list", _nodes)
KEY: Final = IdParam("API key", "rendertrust keys list", _keys, people=True)
UPLOAD: Final = IdParam("upload", "rendertrust uploads list", _uploads)
ORGANISATION: Final = IdParam("organisation", "rendertrust organisations list", _organisations)
HOOK: Final = IdParam("endpoint", "rendertrust webhooks list", _hooks)
