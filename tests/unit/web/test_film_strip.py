"""The film strip: which frames it has, and which one is on the stage."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from rendertrust.frame_range import parse
from sql.jobs import ConsolePart
from sql.thumbnails import ThumbnailInfo
from web.console.film_strip import STRIP_MOST, StripWindow, strip_of, window_at
from web.console.job_frames import JobFrame

JOB = UUID(int=7)
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def frame(number: int, frames: str, state: Any = "COMPLETED", *, picture: bool = True) -> JobFrame:
    return JobFrame(
        number=number,
        name=frames,
        state=state,
        attempt=1,
        node=None,
        picture=picture,
        file=picture,
        size=None,
        held=0,
        paid=0,
        is_refunded=False,
        took=None,
        note="",
        error="",
        frames=frames,
    )


def parts_of(count: int, chunk: int) -> list[ConsolePart]:
    firsts = range(1, count * chunk + 1, chunk)
    return [
        ConsolePart(at, f"{n}-{n + chunk - 1}" if chunk > 1 else f"{n}", at)
        for at, n in enumerate(firsts)
    ]


@given(st.integers(1, 900), st.integers(1, 64), st.data())
def test_the_windows_have_each_unit_once_and_lead_to_each_other(
    count: int, chunk: int, data: st.DataObject
) -> None:
    parts = parts_of(count, chunk)
    place = data.draw(st.integers(0, count - 1))
    window = window_at(parts, place)
    assert window.start <= place < window.start + window.limit
    assert window.limit * chunk <= max(STRIP_MOST, chunk)
    assert window_at(parts, window.start) == window, "a unit is in one window"
    for there, first in (
        (window.before, window.start - window.limit),
        (window.after, window.start + window.limit),
    ):
        if there is None:
            assert not 0 <= first < count
        else:
            assert there == parse(parts[first].frames)[0]


def test_the_chosen_frame_is_on_the_stage_between_its_neighbours() -> None:
    units = [frame(n, str(n + 1)) for n in range(5)]
    strip = strip_of(JOB, units, [], StripWindow(), 3)
    assert strip.shown is not None
    assert (strip.previous, strip.shown.number, strip.next) == (2, 3, 4)
    assert strip.shown.full == f"/console/frames/{JOB}?unit=2&of=1"
    first, last = (strip_of(JOB, units, [], StripWindow(), number) for number in (1, 5))
    assert (first.previous, first.next) == (None, 2)
    assert (last.previous, last.next) == (4, None)


def test_without_a_choice_the_first_picture_is_shown_or_the_first_frame() -> None:
    waiting = frame(0, "1", "QUEUED", picture=False)
    units = [waiting, frame(1, "2")]
    shown = strip_of(JOB, units, [], StripWindow(), None).shown
    assert shown is not None
    assert shown.number == 2
    shown = strip_of(JOB, [waiting], [], StripWindow(), None).shown
    assert shown is not None
    assert (shown.number, shown.has_picture) == (1, False)
    assert strip_of(JOB, [], [], StripWindow(), 4).shown is None


def test_each_frame_of_a_chunk_has_its_own_thumbnail_of_the_present_attempt() -> None:
    chunk = frame(0, "1-3", "RUNNING", picture=False)
    sent = [
        ThumbnailInfo(0, 2, 1, NOON),
        ThumbnailInfo(0, 3, 0, NOON),
        ThumbnailInfo(9, 1, 1, NOON),
    ]
    strip = strip_of(JOB, [chunk], sent, StripWindow(), 2)
    assert [each.number for each in strip.frames] == [1, 2, 3]
    assert [bool(each.small) for each in strip.frames] == [False, True, False]
    assert strip.shown is not None
    assert f"/console/previews/{JOB}?frame=2" in strip.shown.small
