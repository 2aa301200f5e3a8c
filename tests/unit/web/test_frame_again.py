"""The plan of a job that renders one frame of another job again."""

from typing import Any
from uuid import UUID

import pytest

from rendertrust.preflight.frame_work import SECOND
from sql.job_plan import NewUnit, Pricing
from sql.jobs import JobTerms, PagedUnit, PastJob
from tests.support.plans import planned
from web.jobs.frame_again import again_id, plan_again

JOB, USER = UUID(int=1), UUID(int=2)
TERMS = JobTerms(100_000, 3, active=True, before=None)


def unit(number: int, frames: str | None, price: int = 0) -> PagedUnit:
    names = (
        *("node_id", "result_key", "result_sha256", "result_size", "error_class", "error_code"),
        *("error_message", "assigned_at", "started_at", "ended_at"),
    )
    blank: dict[str, Any] = dict.fromkeys(names)
    return PagedUnit(
        number=number,
        frames=frames,
        tile=None,
        state="COMPLETED",
        attempt=1,
        price=price,
        verified=True,
        missing=0,
        **blank,
    )


def past(**spec: Any) -> PastJob:
    pricing = spec.pop("pricing", None)
    plan = planned("render", params={"width": 64, "height": 32}, pricing=pricing, **spec)
    return PastJob(
        id=JOB,
        user_id=USER,
        name="cathedral",
        plan=plan,
        status="COMPLETED",
        price=0,
        units=9,
        retried_by=None,
    )


def test_one_frame_has_the_terms_of_its_job_and_no_limit_of_its_money() -> None:
    row = past(
        frames="1-9", priority="high", max_credits="5", pool="trusted", video="MP4", quoted="4"
    )
    plan = plan_again(row, unit(4, "5"), 70_000, TERMS)
    assert plan.units == (NewUnit(70_000, frames="5"),)
    spec = plan.spec
    assert (spec.frames, spec.pool, spec.priority, spec.queue) == ("5", "trusted", "normal", True)
    assert (spec.max_credits, spec.quoted, spec.video) == (None, None, None)
    assert (plan.again_of, plan.params) == (JOB, row.plan.params)
    assert plan.name == "cathedral frame 5"


def test_a_frame_is_free_where_jobs_are_free_now() -> None:
    free = JobTerms(0, 3, active=True, before=None)
    assert plan_again(past(frames="1-9"), unit(4, "5"), 70_000, free).price == 0


def test_measured_work_costs_in_proportion_to_the_price_table() -> None:
    row = past(frames="1-9", pricing=Pricing(90 * SECOND, 50_000, 60))
    plan = plan_again(row, unit(4, "5"), 25_000, TERMS)
    assert plan.price == 50_000, "half a minute, at a price that has doubled"
    assert plan.pricing == Pricing(30 * SECOND, 100_000, 60)


def test_a_chunk_stays_a_chunk_and_costs_its_frames() -> None:
    plan = plan_again(past(frames="1-9", chunk=3), unit(1, "4-6"), 300_000, TERMS)
    assert plan.units == (NewUnit(300_000, frames="4-6"),)
    assert plan.spec.chunk == 3


def test_a_frame_in_tiles_is_cut_again_and_costs_its_price_once() -> None:
    plan = plan_again(past(frames="1-2", tiles="2x1"), unit(5, "2"), 100_000, TERMS)
    assert [each.frames for each in plan.units] == ["2", "2", "2"]
    assert plan.price == 100_000
    assert plan.units[0].feeds == 2


def test_a_job_without_frames_is_one_unit() -> None:
    plan = plan_again(past(), unit(0, None), 100_000, TERMS)
    assert plan.units == (NewUnit(100_000),)
    assert plan.spec.frames is None


@pytest.mark.parametrize("other", [(JOB, 2, 0), (JOB, 1, 1), (USER, 1, 0)])
def test_each_job_has_its_own_id(other: tuple[UUID, int, int]) -> None:
    assert again_id(JOB, 1, 0) == again_id(JOB, 1, 0)
    assert again_id(JOB, 1, 0) != again_id(*other)
