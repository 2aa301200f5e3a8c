"""The order of a job for a shell: it submits the same again, however the job was cut."""

import shlex
from typing import Any
from uuid import UUID

import attrs
import orjson
import pytest

from sql.jobs import ConsolePart
from tests.support.job_specs import in_frames
from tests.unit.web.test_timeline import JOB
from web.console.curl import curl_of, spec_of
from web.http.converter import structure
from web.jobs.unit_plan import UnitPlan, plan_of
from web.jobs.validation import NewJob

SIZE = {"width": 64, "height": 32}
CUTS: tuple[dict[str, Any], ...] = (
    {},
    {"frames": "1-10"},
    {"frames": "1-10", "order": "middle_first"},
    {"frames": "1-30", "order": "every_nth"},
    {"frames": "1-100x3,7", "chunk": 4},
    {"frames": "5-8", "tiles": "3x2", "order": "middle_first"},
    {"frames": "3"},
)


@pytest.mark.parametrize("cut", CUTS)
def test_it_is_cut_into_the_same_units(cut: dict[str, Any]) -> None:
    plan = plan_of(in_frames(**cut), SIZE, lambda _: 100)
    assert isinstance(plan, UnitPlan)
    whole = [piece for piece in plan.pieces if piece.tile is None]
    parts = [
        ConsolePart(number, str(piece.frames), piece.place) for number, piece in enumerate(whole)
    ]
    job = attrs.evolve(JOB, params=dict(plan.params), units=max(1, len(plan.pieces)))
    again = structure(spec_of(job, parts).body(), NewJob)
    assert isinstance(again, NewJob)
    assert again.params == SIZE
    same = in_frames(again.frames, again.chunk, again.tiles, again.order)
    assert plan_of(same, again.params, lambda _: 100) == plan


def test_all_that_was_said_of_it_is_said_again() -> None:
    params = {"frame": 3, "_pool": "mine", "_needs": {"device": "gpu"}, "_input": {"key": "k"}}
    job = attrs.evolve(JOB, params=params, priority=1, cap=25_000)
    text = curl_of("https://farm.example/", job, [])
    assert text is not None
    words = shlex.split(text)
    assert words[1] == "https://farm.example/api/v1/jobs/dispatch"
    assert orjson.loads(words[-1]) == {
        "job_type": "render",
        "payload_ref": "s3://a/b",
        "params": {"frame": 3},
        "queue": True,
        "priority": "high",
        "max_credits": "2.5000",
        "pool": "mine",
        "needs": {"device": "gpu"},
    }


def test_what_one_request_does_not_submit_has_none() -> None:
    """A video is made of a job's frames; which files a job has stood in a list that is not kept."""
    for params in ({"_frames_of": str(UUID(int=1))}, {"_manifest": {"key": "k"}}):
        assert curl_of("", attrs.evolve(JOB, params=params), []) is None
