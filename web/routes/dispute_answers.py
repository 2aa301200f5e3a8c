"""Disputes about an operator's work, and the operator's answers to them."""

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

import attrs
from msgspec import Meta

from rendertrust.api.earnings import WorkDispute, WorkDisputes
from rendertrust.api.refusal_code import RefusalCode
from sql.disputes import DisputeShown, NewAnswer
from web.gateway import Gateway
from web.http.operations import Call, Operations, Scope
from web.http.pagination import NOT_THERE, next_of, span_of
from web.http.problem import Problem
from web.http.responses import from_row
from web.openapi.examples import earnings as examples
from web.routes.disputes import (
    DISPUTE_NOT_FOUND,
    DisputeQuery,
    Region,
    answer_of,
    outside,
    region_of,
)

operations = Operations()
ANSWER_MOST: Final = 1_000  # characters
DECIDED: Final = Problem(
    409, "The dispute was already decided: it cannot be answered", code=RefusalCode.DISPUTE_DECIDED
)
ANSWERED: Final = Problem(
    409, "You have already answered this dispute", code=RefusalCode.DISPUTE_ANSWERED
)
AnswerText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=ANSWER_MOST,
        pattern=r"^[\s\S]*\S[\s\S]*$",
        description=f"an answer in words, at most {ANSWER_MOST} characters",
    ),
]


@attrs.frozen
class NewDisputeAnswer:
    """Your answer to a dispute, which the creator and the admin who decides read.

    ``region`` is its place in the picture.
    """

    text: AnswerText
    region: Region | None = None


@operations.get(
    "/api/v1/operators/me/disputes",
    scope=Scope.JOBS_READ,
    example=examples.WORK_DISPUTES,
)
async def index(call: Call[None, DisputeQuery]) -> WorkDisputes | Problem:
    """List the disputes about your nodes' work, newest first."""
    page, kept = call.query, call.gateway.tables.disputes
    state = None if page.state is None else page.state.upper()
    rows = await kept.about_work(call.caller, state, span_of(page))
    if rows is None:
        return NOT_THERE
    counts = await kept.counts_about_work(call.caller)
    count = sum(counts.values()) if state is None else counts.get(state, 0)
    disputes = tuple(shown(row) for row in rows[: page.limit])
    return WorkDisputes(disputes, count, next_of(rows, page.limit))


@operations.post(
    "/api/v1/disputes/{dispute_id}/answer",
    scope=Scope.JOBS_WRITE,
    refusals={409: "The dispute was already decided, or answered otherwise"},
    absent=DISPUTE_NOT_FOUND,
    request_example=examples.NEW_ANSWER,
    example=examples.WORK_DISPUTE,
)
async def answer(call: Call[NewDisputeAnswer]) -> WorkDispute | Problem:
    """Answer a dispute about your node's work, once, before it is decided."""
    body = call.body
    if (fault := outside(body.region)) is not None:
        return fault
    row = await answered(call.gateway, call.caller, call.ids["dispute_id"], body.text, body.region)
    return row if isinstance(row, Problem) else shown(row)


async def answered(
    gateway: Gateway, operator: UUID, dispute: UUID, text: str, region: Region | None
) -> DisputeShown | Problem:
    """Store an operator's answer, and return the dispute with it. Raises Unavailable."""
    kept, now = gateway.tables.disputes, gateway.ports.clock.now()
    place = None if region is None else region.shares
    await kept.keep_answer(NewAnswer(dispute, operator, text.strip(), place, now))
    row = await kept.one(dispute)
    if row is None or not is_about_work(row, operator):
        return DISPUTE_NOT_FOUND
    if row.answer is None:
        return DECIDED
    is_same = row.answer == text.strip() and _same(row.answer_region, place)
    return row if is_same else ANSWERED


def is_about_work(row: DisputeShown, user: UUID) -> bool:
    """Return True if another user disputes the work of this user's node."""
    return row.operator_id == user and row.user_id != user


def shown(row: DisputeShown) -> WorkDispute:
    """Return the row as the operator sees it."""
    return from_row(
        WorkDispute, row, state=row.state.lower(), region=region_of(row), answer=answer_of(row)
    )


def _same(kept: Sequence[float] | None, given: Sequence[float] | None) -> bool:
    return (kept and list(kept)) == (given and list(given))
