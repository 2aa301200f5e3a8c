"""Decoding of JSON answers: unknown members are ignored, missing members are errors."""

import contextlib
import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.api.credits import Balance, History
from rendertrust.api.jobs import Job, JobList, Placed
from rendertrust.api.uploads import Upload
from rendertrust.client.errors import BadAnswer
from rendertrust.client.response_decoder import read

KINDS = (Balance, History, Job, JobList, Placed, Upload)
PLACED = {"job_id": "j", "node_id": None, "status": "QUEUED"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
# The answer of the API reference, without members that were added later.
JOB: dict[str, Any] = json.loads("""{
    "id": "uuid", "node_id": "uuid", "job_type": "render", "payload_ref": "s3://...",
    "status": "COMPLETED", "result_ref": "s3://results/...", "error_message": null,
    "retry_count": 0, "queued_at": "2026-03-13T12:00:00Z",
    "dispatched_at": "2026-03-13T12:00:01Z", "completed_at": "2026-03-13T12:05:00Z",
    "created_at": "2026-03-13T12:00:00Z", "updated_at": "2026-03-13T12:05:00Z"}""")


def test_the_references_job_is_read() -> None:
    job = read(Job, JOB)
    assert job.completed_at == datetime(2026, 3, 13, 12, 5, tzinfo=UTC)
    assert (job.progress, job.price, job.ended) == (None, None, True)


def test_fields_of_tomorrow_are_ignored() -> None:
    assert read(Placed, {**PLACED, "lane": {"x": [1]}}) == Placed("j", None, "QUEUED")


def test_an_amount_is_never_taken_from_a_number() -> None:
    with pytest.raises(BadAnswer):
        read(Balance, {"balance": 1000.0, "user_id": "u"})


@pytest.mark.parametrize("progress", [True, "0.5", math.nan, math.inf])
def test_progress_is_a_number(progress: object) -> None:
    with pytest.raises(BadAnswer):
        read(Job, {**JOB, "progress": progress})
    assert read(Job, {**JOB, "progress": 1}).progress == 1.0


def test_a_missing_field_is_named() -> None:
    with pytest.raises(BadAnswer, match="status"):
        read(Placed, {"job_id": "j", "node_id": None})


@given(JSON, st.sampled_from(KINDS))
def test_whatever_comes_is_an_answer_or_a_bad_answer(body: Any, kind: type[Any]) -> None:
    with contextlib.suppress(BadAnswer):
        assert isinstance(read(kind, body), kind)
