"""Ids as arguments: whole, or a beginning that only one of the user's own has, as in Git.

What has a name can also be given by it, if only one of the user's own has that name.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import attrs
import click

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.session import CliSession
from rendertrust.money import credit_count

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Job

LEAST: Final = 4  # characters of a beginning
SEARCHED_MOST: Final = 2_000  # newest elements that are searched for a beginning
SHOWN_MOST: Final = 10
PAGE: Final = 100
UNPAID_SINCE: Final = timedelta(days=365)
UNPAID_MOST: Final = 1_000
NAME_MAX: Final = 500  # characters
_BEGINNING: Final = re.compile(r"[0-9a-f-]+", re.IGNORECASE)
Listing: TypeAlias = "Callable[[AsyncClient], AsyncIterator[Listed]]"


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
    """An id, the beginning of the id of one of the user's own, or the name of one.

    Upper and lower case are the same in names. ``listing`` lists the elements among which the text
    is looked for; ``noun`` names one of them, and ``command`` shows them. ``people``: an API key
    may not list them.
    """

    def __init__(
        self, noun: str, command: str, listing: "Listing", *, people: bool = False
    ) -> None:
        self._noun, self._command, self._listing = noun, command, listing
        self._people = people

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the id that is meant. A text that means several ends the command with them."""
        if isinstance(value, UUID):
            return value
        text = str(value).strip()
        with suppress(ValueError):
            return UUID(text)
        if not 0 < len(text) <= NAME_MAX:
            article = "an" if self._noun[0] in "aeiouA" else "a"
            said = f"{value!r} is neither the id nor the name of {article} {self._noun}"
            self.fail(said, param, ctx)
        session = None if ctx is None else ctx.find_object(CliSession)
        if session is None or (ctx is not None and ctx.resilient_parsing):
            return value
        found = session.run(lambda client: self.meant(client, text), people=self._people)
        return UUID(only(text, found, self._noun, self._command))

    async def meant(self, client: "AsyncClient", text: str) -> Mapping[str, str]:
        """Return the elements that the text may mean, each with its label."""
        found, searched = dict[str, str](), 0
        async for one in self._listing(client):
            searched += 1
            if is_called(one.name, text) or (_is_beginning(text) and matches(text, one.id)):
                found[one.id] = value_text.harmless(one.label or one.name)
            if searched >= SEARCHED_MOST or len(found) > SHOWN_MOST:
                break
        return found


class JobParam(IdParam):
    """A job's id, the beginning of one, or the name of one of the user's own jobs.

    The gateway searches the names, so also old jobs are found by name.
    """

    name = "job"

    def __init__(self) -> None:
        super().__init__("job", "rendertrust jobs list", _jobs)

    async def meant(self, client: "AsyncClient", text: str) -> Mapping[str, str]:
        """Return the jobs that have this name or this beginning of an id, each with its label."""
        found, searched = dict[str, str](), 0
        async for job in client.each_job(name=text):
            searched += 1
            if is_called(job.name or "", text):
                found[job.id] = _label(job)
            if searched >= SEARCHED_MOST or len(found) > SHOWN_MOST:
                break
        return {**found, **(await super().meant(client, text) if _is_beginning(text) else {})}


class HookParam(IdParam):
    """An endpoint's id, the beginning of one, its URL, or ``none`` for no endpoint."""

    name = "endpoint"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the id as text, or ``none``."""
        return value if value == "none" else str(super().convert(value, param, ctx))


@attrs.frozen
class Listed:
    """An element among which an id or a name is looked for. ``label`` describes it to people."""

    id: str
    name: str = ""
    label: str = ""


def is_called(name: str, text: str) -> bool:
    """Return True if this is the name; upper and lower case are the same."""
    return name.casefold() == text.casefold()


def _is_beginning(text: str) -> bool:
    return len(text) >= LEAST and _BEGINNING.fullmatch(text) is not None


def only(text: str, labels: Mapping[str, str], noun: str, command: str) -> str:
    """Return the only id; end the command if there is none, or there are several."""
    if len(labels) == 1:
        return next(iter(labels))
    shown = value_text.harmless(text)
    if not labels:
        detail = f"No {noun} of yours is called {shown}, or has an id that begins so"
        raise CommandExit(Exit(exit_codes.NOT_FOUND, "not_found", detail, f"See: {command}"))
    raise _several(f"{shown} may mean more than one {noun} of yours; give an id", labels)


def _several(detail: str, labels: Mapping[str, str]) -> CommandExit:
    found = list(labels)[:SHOWN_MOST]
    lines = [f"{id_}  {labels[id_]}".rstrip() for id_ in found]
    lines += ["…"] if len(labels) > SHOWN_MOST else []
    candidates = {"candidates": found}
    return CommandExit(Exit(exit_codes.USAGE, "ambiguous_id", detail, "\n".join(lines), candidates))


def matches(beginning: str, id_: str) -> bool:
    """Return True if the id begins so; hyphens may be left out."""
    return id_.replace("-", "").startswith(beginning.replace("-", "").lower())


def chosen(beginning: str, labels: Mapping[str, str], noun: str, command: str) -> str:
    """Return the one id that begins so; end the command if there is none, or several."""
    found = {id_: label for id_, label in labels.items() if matches(beginning, id_)}
    return only(beginning, found, noun, command)


async def _jobs(client: "AsyncClient") -> AsyncIterator[Listed]:
    async for job in client.each_job():
        yield Listed(job.id, job.name or "", _label(job))


def _label(job: "Job") -> str:
    known = "" if job.name is None else f"{value_text.harmless(job.name)}, "
    return f"{known}{job.status}, {job.created_at:%Y-%m-%d %H:%M}"


async def _nodes(client: "AsyncClient") -> AsyncIterator[Listed]:
    async for node in client.each_node():
        yield Listed(node.id, node.name)


async def _keys(client: "AsyncClient") -> AsyncIterator[Listed]:
    async for key in client.each_key():
        yield Listed(key.id, key.name, f"{key.name}, …{key.hint}")


async def _uploads(client: "AsyncClient") -> AsyncIterator[Listed]:
    async for upload in client.each_upload():
        yield Listed(upload.id, upload.filename)


async def _organisations(client: "AsyncClient") -> AsyncIterator[Listed]:
    for one in (await client.organisations()).organisations:
        yield Listed(one.id, one.name)


async def _hooks(client: "AsyncClient") -> AsyncIterator[Listed]:
    for hook in (await client.hooks()).endpoints:
        yield Listed(hook.id, hook.url)


async def _share_links(client: "AsyncClient") -> AsyncIterator[Listed]:
    async for link in client.each_share_link():
        yield Listed(link.id, label=f"job {link.job_id}, unit {link.unit}")


async def _work_disputes(client: "AsyncClient") -> AsyncIterator[Listed]:
    async for one in client.each_work_dispute():
        yield Listed(one.id, label=f"{one.state}, job {one.job_id}, unit {one.unit}")


async def _unpaid_results(client: "AsyncClient") -> AsyncIterator[Listed]:
    begin = datetime.now(UTC).date() - UNPAID_SINCE
    for one in (await client.unpaid_results(first=begin, limit=UNPAID_MOST)).results:
        yield Listed(one.job_id, label=f"{one.node_name}, {one.at:%Y-%m-%d %H:%M}")


async def _join_codes(client: "AsyncClient") -> AsyncIterator[Listed]:
    for code in (await client.join_codes()).codes:
        yield Listed(code.id, label=f"made {code.created_at:%Y-%m-%d %H:%M}")


async def _deliveries(client: "AsyncClient") -> AsyncIterator[Listed]:
    for hook in (await client.hooks()).endpoints:
        after: str | None = None
        while True:
            page = await client.deliveries(hook.id, limit=100, after=after)
            for one in page.deliveries:
                yield Listed(one.id, label=f"{one.type}, {one.created_at:%Y-%m-%d %H:%M}")
            after = page.next
            if after is None:
                break


async def _trusted(client: "AsyncClient") -> AsyncIterator[Listed]:
    for one in (await client.trusted()).trusted:
        yield Listed(one.user_id, one.email)


async def _members(client: "AsyncClient") -> AsyncIterator[Listed]:
    for one in (await client.organisations()).organisations:
        if not one.joined:
            continue
        for member in (await client.organisation(one.id)).members:
            yield Listed(member.user_id, member.email)


async def _purchases(client: "AsyncClient") -> AsyncIterator[Listed]:
    for offset in range(0, SEARCHED_MOST, PAGE):
        page = await client.purchases(limit=PAGE, offset=offset)
        for made in page.purchases:
            words = f"{credit_count(made.credits)}, {made.state}"
            yield Listed(made.id, label=f"{words}, {made.created_at:%Y-%m-%d %H:%M}")
        if offset + PAGE >= page.count:
            break


BEGINNING: Final = BeginningParam()
JOB: Final = JobParam()
NODE: Final = IdParam("node", "rendertrust nodes list", _nodes)
KEY: Final = IdParam("API key", "rendertrust keys list", _keys, people=True)
UPLOAD: Final = IdParam("upload", "rendertrust uploads list", _uploads)
ORGANISATION: Final = IdParam("organisation", "rendertrust organisations list", _organisations)
SHARE_LINK: Final = IdParam("share link", "rendertrust share list", _share_links)
WORK_DISPUTE: Final = IdParam("dispute", "rendertrust disputes list", _work_disputes)
UNPAID_JOB: Final = IdParam("unpaid result", "rendertrust earnings --unpaid", _unpaid_results)
JOIN_CODE: Final = IdParam("join code", "rendertrust nodes codes list", _join_codes)
HOOK: Final = IdParam("endpoint", "rendertrust webhooks list", _hooks)
PURCHASE: Final = IdParam("purchase", "rendertrust credits purchases", _purchases)
JOB_HOOK: Final = HookParam("endpoint", "rendertrust webhooks list", _hooks)
DELIVERY: Final = IdParam("delivery", "rendertrust webhooks deliveries ENDPOINT", _deliveries)
TRUSTED: Final = IdParam("trusted user", "rendertrust trusted list", _trusted)
MEMBER: Final = IdParam("member", "rendertrust organisations show ORGANISATION", _members)
