"""Dead letters, for admins: what came to nothing, tried again or put aside."""

from typing import Annotated, Any, Literal

import attrs
from aiohttp import web
from msgspec import Meta

from web.http import spreadsheet
from web.http.operations import TOKEN_REFUSED, Audience, Call, Operations
from web.http.problem import Problem
from web.http.refusal_code import RefusalCode
from web.http.responses import REQUEST_ID
from web.identity.admin_identity import AdminIdentity
from web.jobs.dead_letters import AT_ONCE, DeadLetterActions, Kind, Letter, LetterList, LettersDone
from web.openapi.examples import letters as examples
from web.routes.admin import Limit, Reason

operations = Operations()
ABSENT = "There is no such kind of dead letter"
COLUMNS = ("id", "at", "about", "whose", "where", "reason", "blame", "job", "tried")
FILE_MOST = 10_000  # letters in a file


@attrs.frozen
class Which:
    """jobs that failed for good, events of Stripe's that did not fit, webhooks that were given up,
    messages of this gateway.
    """

    kind: Kind


@attrs.frozen
class LetterQuery:
    format: Literal["json", "csv"] | None = None
    limit: Limit = 50
    offset: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


@attrs.frozen
class NamedLetters:
    """Those with these ids, and why."""

    ids: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=200)]],
        Meta(min_length=1, max_length=AT_ONCE),
    ]
    reason: Reason


@operations.get(
    "/api/v1/admin/dead-letters/{kind}",
    audience=Audience.ADMIN,
    words=Which,
    query=LetterQuery,
    answers={200: LetterList},
    also=spreadsheet.MEDIA,
    refusals={404: ABSENT},
    absent=ABSENT,
    absent_code=RefusalCode.LETTERS_NOT_FOUND,
    rate="read",
    example=examples.LETTERS,
)
async def index(call: Call[None, LetterQuery]) -> LetterList | web.Response:
    """What came to nothing and waits for somebody, newest first.

    JSON comes in pages; CSV (``format=csv``, or by Accept) has all of them.
    """
    query, kind = call.query, _kind(call)
    if spreadsheet.wants_csv(call, query.format):
        return csv_of(kind, await _desk(call).page(kind, limit=FILE_MOST))
    return await _desk(call).page(kind, limit=query.limit, offset=query.offset)


@operations.post(
    "/api/v1/admin/dead-letters/{kind}/retry",
    audience=Audience.ADMIN,
    words=Which,
    body=NamedLetters,
    request_example=examples.NAMED,
    answers={200: LettersDone},
    refusals={404: ABSENT},
    absent=ABSENT,
    absent_code=RefusalCode.LETTERS_NOT_FOUND,
    rate="dispatch",
    new_work=True,
    within=20.0,
    example=examples.DONE,
)
async def retry(call: Call[NamedLetters]) -> LettersDone:
    """Try each again: a job as a new job, the frames of one that failed in that job, an event read
    anew, a webhook sent and a message told once more.
    """
    return await _desk(call).retry(_kind(call), call.body.ids, call.body.reason)


@operations.post(
    "/api/v1/admin/dead-letters/{kind}/discard",
    audience=Audience.ADMIN,
    words=Which,
    body=NamedLetters,
    request_example=examples.NAMED,
    answers={200: LettersDone},
    refusals={404: ABSENT},
    absent=ABSENT,
    absent_code=RefusalCode.LETTERS_NOT_FOUND,
    rate="write",
    example=examples.DONE,
)
async def discard(call: Call[NamedLetters]) -> LettersDone | Problem:
    """Put them aside: they are listed no more. What they are about stays as it is."""
    done = await _desk(call).discard(_kind(call), call.body.ids, call.body.reason)
    return TOKEN_REFUSED if done is None else done


def csv_of(kind: Kind, page: LetterList) -> web.Response:
    """A file to save."""
    rows = [[_cell(letter, name) for name in COLUMNS] for letter in page.letters]
    return spreadsheet.attachment(f"dead-{kind}.csv", spreadsheet.lines([COLUMNS, *rows]))


def _cell(letter: Letter, name: str) -> str:
    value = getattr(letter, name)
    if name == "at":
        return letter.at.isoformat()
    return spreadsheet.harmless("" if value is None else str(value))


def _desk(call: Call[Any, Any]) -> DeadLetterActions:
    return DeadLetterActions(AdminIdentity(call.gateway, call.caller, call.request[REQUEST_ID]))


def _kind(call: Call[Any, Any]) -> Any:
    return call.words["kind"]
