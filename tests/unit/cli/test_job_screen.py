"""The live view of a job on terminals of several sizes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.api.preflights import Waiting
from rendertrust.api.units import Unit
from rendertrust.cli import value_text
from rendertrust.cli.job_grid import summary
from rendertrust.cli.job_screen import JobScreen
from rendertrust.cli.jobs import facts
from rendertrust.client import Job
from rendertrust.job_status import STATUSES, UNIT_STATUSES
from rendertrust.job_words import job_words, part_rendered
from tests.unit.cli.test_job_grid import job
from tests.unit.cli.test_unit_table import unit
from web.console.job_words import badge_of

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
NODE = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
JOB = "1a2b3c4d-7425-40de-944b-e07fc1f90ae7"


def of(status: str = "RUNNING", **more: Any) -> Job:
    return attrs.evolve(job(status), **{"id": JOB, "name": "cathedral", **more})


def several(state: str, *numbers: int, **more: Any) -> list[Unit]:
    return [unit(number=n, frames=str(n), state=state, **more) for n in numbers]


def running(*numbers: int, seconds: float = 75, **more: Any) -> list[Unit]:
    at = NOW - timedelta(seconds=seconds)
    usual = {"attempt": 1, "node_id": NODE, "started_at": at, "progress": 0.5}
    return several("RUNNING", *numbers, **(usual | more))


def lines(
    of_job: Job, units: list[Unit], left: float | None = None, size: tuple[int, int] = (80, 24)
) -> list[str]:
    return [line.plain for line in JobScreen(of_job, units, left, NOW).lines(*size)]


def test_running_frames_have_a_line_each_and_the_rest_is_counted() -> None:
    units = [
        *several("COMPLETED", 1, 2),
        *several("VERIFYING", 3),
        *running(4),
        *running(5, attempt=2, progress=None, copy_node_id=JOB),
        *several("DISPATCHED", 6),
        *several("QUEUED", 7, 8, 9, 10),
    ]
    found = lines(of(units=10, done=2, charged="20.0000"), units, 400.0)
    assert found == [
        "Rendering  cathedral (1a2b3c4d)",
        "FRAME  NODE       DONE       TIME",
        "    4  7c9e6679   50 %  1 min 15 s",
        "    5  7c9e6679      -  1 min 15 s  attempt 2, also on 1a2b3c4d",
        "2 completed, 1 verifying, 1 assigned, 4 waiting; 20 credits",
        f"{'█' * 15}{'░' * 30}  35 % rendered  done about {value_text.clock(400.0, NOW)}",
    ]


def test_more_running_frames_than_rows_are_counted() -> None:
    found = lines(of(units=500), running(*range(1, 501)), size=(80, 12))
    assert len(found) == 11
    assert "and 493 more running" in found[-2]


def test_a_picture_is_two_lines() -> None:
    at = NOW - timedelta(seconds=75)
    picture = of(units=1, progress=0.5, node_id=NODE, dispatched_at=at, retry_count=1)
    found = lines(picture, [], 45.0)
    assert found == [
        "Rendering  cathedral (1a2b3c4d)  node 7c9e6679, attempt 2, 1 min 15 s",
        f"{'█' * 27}{'░' * 27}  50 %  done about {value_text.clock(45.0, NOW)}",
    ]
    assert lines(of("COMPLETED", units=1, charged="1.0000"), []) == [
        "Completed  cathedral (1a2b3c4d)",
        "1 credit",
        f"{'█' * 60}  100 %",
    ]


def test_a_later_estimate_says_why() -> None:
    found = lines(of(units=2, eta_reason="more_work"), running(1, 2), 60.0)
    assert found[-1] == "later because frames are rendered again"


def test_units_that_are_completed_after_the_job_was_read_stay_rendered() -> None:
    units = [*several("COMPLETED", 1, 2, 3), *several("VERIFYING", 4, 5, 6)]
    found = lines(of(units=6, done=2), units)
    assert found[-1].endswith("  100 % rendered")


def test_what_does_not_go_on_says_why() -> None:
    waiting = Waiting("no_node", "No node is there that renders.")
    found = lines(of("QUEUED", units=2), several("QUEUED", 1, 2, waiting=waiting))
    assert found[-1] == "No node is there that renders."
    found = lines(of("PAUSED", units=2, paused="cap"), several("QUEUED", 1, 2))
    assert found[-1] == "at its cap; raise it: rendertrust jobs cap 1a2b3c4d CREDITS"


def test_the_last_failure_is_told_harmlessly() -> None:
    units = [
        *several("FAILED", 1, error_message="old", ended_at=NOW - timedelta(seconds=9)),
        *several("FAILED", 2, error_message="no \x1b[2J\ncamera", ended_at=NOW),
    ]
    found = lines(of(units=2, failed=2), units)
    assert found[-3] == "2 failed"
    assert found[-1] == "frame 2 failed: no \N{REPLACEMENT CHARACTER}[2J camera"


def test_a_terminal_without_other_characters_gets_a_bar_of_ascii() -> None:
    found = JobScreen(of(units=2, done=1), [], None, NOW, ascii_only=True).lines(30, 24)
    assert found[-1].plain.isascii()


@given(
    st.sampled_from(STATUSES),
    st.lists(st.sampled_from(UNIT_STATUSES), min_size=1, max_size=60),
    st.integers(20, 200),
    st.integers(4, 60),
    st.none() | st.floats(0, 1e6),
)
def test_it_is_never_higher_than_the_terminal(
    status: str, states: list[str], width: int, height: int, left: float | None
) -> None:
    units = [
        one for n, state in enumerate(states) for one in several(state, n, error_message="it broke")
    ]
    found = lines(of(status, units=len(states), paused="owner"), units, left, (width, height))
    assert len(found) < height
    assert found[0].startswith(job_words(status, "render", paused="owner"))


def test_list_watch_and_console_say_the_same_of_a_job() -> None:
    """Half of four frames are delivered, one is half rendered: 62 %. Then all are delivered."""
    units = [*several("COMPLETED", 1), *several("VERIFYING", 2), *running(3), *several("QUEUED", 4)]
    moment = of(units=4, done=1, progress=part_rendered(4, 1, 1.5))
    for state, part in ((moment, "62 %"), (attrs.evolve(moment, verifying=True), None)):
        badge = badge_of("RUNNING", "render", progress=state.progress, is_verifying=part is None)
        words = "Verifying" if part is None else f"Rendering {part}"
        assert badge.words == words
        assert summary(state, None).startswith(f"{words}, 1 of 4 done")
        shown = lines(state, units)
        assert shown[0].split()[0] == words.split(maxsplit=1)[0]
        assert part is None or f"  {part} rendered" in shown[-1]
        assert facts(state)["status"] == words.split(maxsplit=1)[0]
