"""Dead letters, for admins: list, retry, discard."""

from typing import Annotated, Any, Final, Literal

import attrs
from aiohttp import web
from msgspec import Meta

from rendertrust.api.refusal_code import RefusalCode
from web.http import spreadsheet
from web.http.operations import TOKEN_REFUSED, Audience, Call, Operations
from web.http.problem import Problem
from web.jobs.dead_letters import AT_ONCE, DeadLetterActions, Kind, Letter, LetterList, LettersDone
from web.openapi.examples import jobs as examples
from web.routes.admin import Limit, Reason, doer_of

NO_LETTERS: Final = Problem(
    404, "There is no such kind of dead letter", code=RefusalCode.LETTERS_NOT_FOUND
)
operations = Operations(absent=NO_LETTERS, audience=Audience.ADMIN)
COLUMNS = ("id", "at", "about", "whose", "where", "reason", "blame", "job", "tried")
FILE_MOST = 10_000  # most dead letters in a CSV file


@attrs.frozen
class Which:
    """The kind: jobs that failed for good, Stripe events that could not be applied, webhook
    deliveries that were given up, or messages of this gateway.
    """

    kind: Kind


@attrs.frozen
class LetterQuery:
    format: Literal["json", "csv"] | None = None
    limit: Limit = 50
    offset: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


@attrs.frozen
class NamedLetters:
    """The ids of the dead letters to retry or discard, and the reason."""

    ids: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=200)]],
        Meta(min_length=1, max_length=AT_ONCE),
    ]
    reason: Reason


@operations.get(
    "/api/v1/admin/dead-letters/{kind}",
    words=Which,
    also=(spreadsheet.MEDIA,),
    example=examples.DEAD_LETTERS,
)
async def index(call: Call[None, LetterQuery]) -> LetterList | web.Response:
    """List the dead letters of a kind, newest first.

    JSON is paged; CSV (``format=csv``, or by Accept) has up to 10,000 dead letters.
    """
    query, kind = call.query, _kind(call)
    if spreadsheet.wants_csv(call, query.format):
        return csv_of(kind, await _actions(call).page(kind, limit=FILE_MOST))
    return await _actions(call).page(kind, limit=query.limit, offset=query.offset)


@operations.post(
    "/api/v1/admin/dead-letters/{kind}/retry",
    words=Which,
    request_example=examples.CHOSEN_LETTERS,
    rate="dispatch",
    new_work=True,
    within=20.0,
    example=examples.LETTERS_DONE,
)
async def retry(call: Call[NamedLetters]) -> LettersDone:
    """Retry dead letters.

    A job of one unit is retried as a new job; of other jobs, the failed units are retried. A Stripe
    event is processed again; a webhook delivery or message is sent again.
    """
    return await _actions(call).retry(_kind(call), call.body.ids, call.body.reason)


@operations.post(
    "/api/v1/admin/dead-letters/{kind}/discard",
    words=Which,
    request_example=examples.CHOSEN_LETTERS,
    example=examples.LETTERS_DONE,
)
async def discard(call: Call[NamedLetters]) -> LettersDone | Problem:
    """Discard dead letters, which are then no longer listed.

    The job, event or webhook delivery itself is not changed; a message is lost.
    """
    done = await _actions(call).discard(_kind(call), call.body.ids, call.body.reason)
    return TOKEN_REFUSED if done is None else done


def csv_of(kind: Kind, page: LetterList) -> web.Response:
    """Return the dead letters as a CSV file."""
    rows = [[_cell(letter, name) for name in COLUMNS] for letter in page.letters]
    return spreadsheet.attachment(f"dead-{kind}.csv", spreadsheet.lines([COLUMNS, *rows]))


def _cell(letter: Letter, name: str) -> str:
    value = getattr(letter, name)
    if name == "at":
        return letter.at.isoformat()
    return spreadsheet.harmless("" if value is None else str(value))


def _actions(call: Call[Any, Any]) -> DeadLetterActions:
    return DeadLetterActions(doer_of(call))


def _kind(call: Call[Any, Any]) -> Any:
    return call.words["kind"]
