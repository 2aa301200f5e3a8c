"""A job as a curl command, which submits the same job again."""

import shlex
from uuid import UUID

import attrs
import orjson
import pytest

from rendertrust.job_spec import JobSpec, NodeNeeds
from sql.job_plan import InputFile, Inputs
from tests.support.plans import in_frames, planned
from tests.unit.web.test_job_timeline import JOB
from web.console.curl import curl_of, spec_of
from web.http.converter import structure
from web.jobs.validation import NewJob

CUTS = (
    in_frames(),
    in_frames("1-10"),
    in_frames("1-10", order="middle_first"),
    in_frames("1-100x3,7", 4),
    in_frames("5-8", tiles="3x2", width=64, height=32),
)


@pytest.mark.parametrize("cut", CUTS)
def test_it_is_cut_in_the_same_way(cut: JobSpec) -> None:
    submitted = attrs.evolve(cut, payload_ref="s3://a/b")
    job = attrs.evolve(JOB, plan=attrs.evolve(JOB.plan, spec=submitted))
    again = structure(spec_of(job).body(), NewJob)
    assert isinstance(again, NewJob)
    assert JobSpec(**attrs.asdict(again)) == attrs.evolve(submitted, queue=True, name=JOB.name)


def test_all_that_was_said_of_it_is_said_again() -> None:
    plan = planned(
        "render",
        "s3://a/b",
        {"frame": 3},
        pool="mine",
        inputs=Inputs(InputFile("k", "a.blend", "ab", 1)),
        quoted="3",
    )
    spec = attrs.evolve(plan.spec, needs=NodeNeeds(device="gpu"))
    job = attrs.evolve(JOB, plan=attrs.evolve(plan, spec=spec), priority=1, cap=25_000)
    text = curl_of("https://farm.example/", job)
    assert text is not None
    words = shlex.split(text)
    assert words[1] == "https://farm.example/api/v1/jobs/dispatch"
    assert orjson.loads(words[-1]) == {
        "job_type": "render",
        "payload_ref": "s3://a/b",
        "name": "cathedral",
        "params": {"frame": 3},
        "queue": True,
        "priority": "high",
        "max_credits": "2.5000",
        "pool": "mine",
        "needs": {"device": "gpu"},
    }


def test_what_one_request_does_not_submit_has_none() -> None:
    """A video is made from another job's frames, so there is no request for it."""
    plan = planned("video", inputs=Inputs(frames_of=UUID(int=1)))
    assert curl_of("", attrs.evolve(JOB, plan=plan)) is None
