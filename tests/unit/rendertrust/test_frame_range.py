"""Frame ranges: accepted and refused texts, and orders that keep every frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.frame_range import (
    FRAME_MAX,
    FRAMES_MAX,
    ORDERS,
    FrameRangeError,
    canonical,
    chunks,
    ordered,
    parse,
)

FRAMES = st.sets(st.integers(-FRAME_MAX, FRAME_MAX), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("7", (7,)),
        ("1-5", (1, 2, 3, 4, 5)),
        ("1-10x3", (1, 4, 7, 10)),
        ("1-9x3", (1, 4, 7)),
        ("10,15,20-22", (10, 15, 20, 21, 22)),
        (" 3 , 1 - 2 ", (1, 2, 3)),
        ("1 - 9 x 4, -3 - -2", (-3, -2, 1, 5, 9)),
        ("-3--1", (-3, -2, -1)),
        ("-1-1", (-1, 0, 1)),
        ("5,5,4-6", (4, 5, 6)),
        ("1-1", (1,)),
        ("001-003", (1, 2, 3)),
    ],
)
def test_range_is_read(text: str, frames: tuple[int, ...]) -> None:
    assert parse(text) == frames


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no frames are named; write it like 1-250"),
        ("1,,2", "an extra comma"),
        ("1,", "an extra comma"),
        ("abc", "'abc' is not a frame or a range; write it like"),
        ("1..5", "not a frame or a range"),
        ("1-5x", "not a frame or a range"),
        ("1 2 3", "'1 2 3' is not a frame or a range; write it like"),
        ("1 0-20", "not a frame or a range"),
        ("- 5", "not a frame or a range"),
        ("1.5", "not a frame or a range"),
        ("5x2", "not a frame or a range"),
        ("9-1", "runs backwards; write 1-9"),
        ("1-9x0", "step after x must be 1 or more"),
        ("1048575-1048580", "frames go from -1048574 to 1048574"),
        ("-1048575", "frames go from"),
        ("1-20001", "'1-20001' names 20,001 frames; a job has at most 20,000: split them"),
        ("1-99999999", "'1-99999999' names 99,999,999 frames; a job has at most 20,000"),
        ("1-12000,20001-32000", "the ranges together name 24,000 frames; a job has at most"),
        (",".join(["1-19999"] * 250), "together name 4,999,750 frames"),
        ("99999999", "frames go from"),
        ("9" * 19, "not a frame or a range"),
        ("1," * 1001 + "1", "longer than 2000 characters"),
        ("\uff11-\uff12", "not a frame or a range"),
    ],
)
def test_what_cannot_be_read_says_what_to_write(text: str, words: str) -> None:
    with pytest.raises(FrameRangeError, match=words):
        parse(text)


def test_most_frames_of_one_order() -> None:
    assert len(parse(f"1-{FRAMES_MAX}")) == FRAMES_MAX


@given(st.text(alphabet="0123456789-,x +", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        frames = parse(text)
    except FrameRangeError:
        return
    assert list(frames) == sorted(set(frames))
    assert parse(canonical(frames)) == frames


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ([1, 2, 3], "1-3"),
        ([3, 1], "1,3"),
        ([1, 3, 5, 7, 8, 9, 10], "1-7x2,8-10"),
        ([-2, -1, 0], "-2-0"),
        ([4, 4], "4"),
        ([], ""),
    ],
)
def test_canonical_form(frames: list[int], text: str) -> None:
    assert canonical(frames) == text


@given(FRAMES)
def test_canonical_form_means_the_same_frames_and_is_stable(frames: set[int]) -> None:
    text = canonical(frames)
    assert parse(text) == tuple(sorted(frames))
    assert canonical(parse(text)) == text


@given(FRAMES, st.sampled_from(ORDERS), st.integers(1, 80))
def test_every_order_holds_each_frame_once(frames: set[int], order: str, nth: int) -> None:
    assert sorted(ordered(frames, order, nth)) == sorted(frames)


def test_orders() -> None:
    frames = range(1, 10)
    assert ordered(frames) == tuple(frames)
    assert ordered(frames, "every_nth", 4) == (1, 5, 9, 2, 6, 3, 7, 4, 8)
    assert ordered(frames, "middle_first") == (1, 9, 5, 3, 7, 2, 4, 6, 8)
    assert ordered([8], "middle_first") == (8,)
    assert ordered([], "middle_first") == ()


@pytest.mark.parametrize(("order", "nth"), [("random", 10), ("every_nth", 0)])
def test_unknown_order_is_refused(order: str, nth: int) -> None:
    with pytest.raises(FrameRangeError):
        ordered([1, 2], order, nth)


@given(st.lists(st.integers(), max_size=50), st.integers(1, 60))
def test_chunks_keep_order_and_size(frames: list[int], size: int) -> None:
    cut = chunks(frames, size)
    assert [frame for chunk in cut for frame in chunk] == frames
    assert all(len(chunk) == size for chunk in cut[:-1])
    assert all(1 <= len(chunk) <= size for chunk in cut)


def test_chunk_of_nothing_is_refused() -> None:
    with pytest.raises(FrameRangeError, match="at least one frame"):
        chunks([1], 0)
