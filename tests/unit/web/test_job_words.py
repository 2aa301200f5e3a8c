"""The state of a job in words."""

from typing import Any, get_args

import pytest

from rendertrust.job_status import STATUSES, JobStatus
from web.console.job_words import badge_of


@pytest.mark.parametrize(
    ("status", "known", "words"),
    [
        ("QUEUED", {}, "Queued"),
        ("DISPATCHED", {}, "Starting"),
        ("RUNNING", {}, "Rendering"),
        ("RUNNING", {"progress": 0.349}, "Rendering 34 %"),
        ("RUNNING", {"progress": 0.0}, "Rendering 0 %"),
        ("RUNNING", {"job_type": "video", "progress": 0.5}, "Making the film 50 %"),
        ("RUNNING", {"job_type": "preflight"}, "Checking the scene"),
        ("RUNNING", {"job_type": "echo", "progress": 1.0}, "Running 100 %"),
        ("RUNNING", {"progress": 0.9, "is_verifying": True}, "Verifying"),
        ("PAUSED", {"paused": "owner", "progress": 0.5}, "Paused"),
        ("PAUSED", {"paused": "cap"}, "Paused at its cap"),
        ("PAUSED", {"paused": "stopped"}, "Stopping"),
        ("COMPLETED", {"progress": 1.0}, "Completed"),
        ("FAILED", {}, "Failed"),
        ("CANCELLED", {}, "Cancelled"),
    ],
)
def test_each_state_has_its_words(status: JobStatus, known: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"job_type": "render", **known}
    assert badge_of(status, **given).words == words


def test_no_state_is_without_words() -> None:
    assert {badge_of(each, "render").words for each in get_args(JobStatus)}
    assert set(STATUSES) == set(get_args(JobStatus))
