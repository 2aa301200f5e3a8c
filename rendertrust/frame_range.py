"""Frame ranges: parsing, canonical text, and the order of rendering.

    parse("1-250")              1 to 250
    parse("1-100x2")            1, 3, 5 … 99
    parse("10,15,20-30")        10, 15, 20 to 30
    parse("-5-5")               frames before zero are frames too

A frame that is named twice is rendered once. ``canonical`` writes the same frames always as the
same text, which ``parse`` reads.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

FRAME_MAX: Final = 1_048_574  # Blender's own limit, positive and negative
FRAMES_MAX: Final = 20_000  # of one job, as a quote prices each frame
TEXT_MAX: Final = 2_000  # characters
ORDERS: Final = ("sequential", "every_nth", "middle_first")
NTH: Final = 10  # ``every_nth`` begins with every tenth frame
HOW: Final = "write it like 1-250, 1-100x2 or 10,15,20-30"
_PART: Final = re.compile(
    r"(?P<first>[+-]?[0-9]{1,18})"
    r"(?:\s*-\s*(?P<last>[+-]?[0-9]{1,18})(?:\s*x\s*(?P<step>[0-9]{1,18}))?)?"
)


class FrameRangeError(ValueError):
    """The frame range is invalid; the message says what to write instead."""


def parse(text: str) -> tuple[int, ...]:
    """Return the frames that ``text`` names, each once, ascending. Raises FrameRangeError."""
    return merged(ranges_of(text))


def ranges_of(text: str) -> list[range]:
    """Return the ranges that ``text`` names, in the order of the text. Raises FrameRangeError."""
    if len(text) > TEXT_MAX:
        raise FrameRangeError(
            f"the text is longer than {TEXT_MAX} characters; name fewer frames or ranges"
        )
    parts = [part.strip() for part in text.split(",")]
    if parts == [""]:
        raise FrameRangeError(f"no frames are named; {HOW}")
    ranges = [_part(part) for part in parts]
    named = sum(map(len, ranges))  # frames that are named twice count twice
    if named > FRAMES_MAX:
        raise _too_many("the ranges together name", named)
    return ranges


def _too_many(what: str, named: int) -> FrameRangeError:
    limit = f"a job has at most {FRAMES_MAX:,}: split them over several jobs"
    return FrameRangeError(f"{what} {named:,} frames; {limit}")


def merged(ranges: Sequence[range]) -> tuple[int, ...]:
    """Return the frames of all ranges, each once, ascending."""
    if len(ranges) == 1:
        return tuple(ranges[0])
    return tuple(sorted(set(chain.from_iterable(ranges))))


def _part(part: str) -> range:
    found = _PART.fullmatch(part)
    if found is None:
        told = f"{part[:40]!r} is not a frame or a range" if part else "there is an extra comma"
        raise FrameRangeError(f"{told}; {HOW}")
    first = int(found["first"])
    last = first if found["last"] is None else int(found["last"])
    step = 1 if found["step"] is None else int(found["step"])
    if last < first:
        raise FrameRangeError(f"{part!r} runs backwards; write {last}-{first}")
    if step < 1:
        raise FrameRangeError(f"{part!r}: the step after x must be 1 or more")
    frames = range(first, last + 1, step)
    if len(frames) > FRAMES_MAX:
        raise _too_many(f"{part!r} names", len(frames))
    if not -FRAME_MAX <= first <= last <= FRAME_MAX:
        raise FrameRangeError(f"{part!r}: frames go from -{FRAME_MAX} to {FRAME_MAX}")
    return frames


def canonical(frames: Iterable[int]) -> str:
    """Return the frames as text, ascending, with runs of three or more written as ranges."""
    left, parts = sorted(set(frames)), list[str]()
    if len(left) > 2 and left[-1] - left[0] == len(left) - 1:
        return f"{left[0]}-{left[-1]}"
    at = 0
    while at < len(left):
        end = _run(left, at)
        step = left[at + 1] - left[at] if end > at else 1
        if end - at < 2:
            parts.append(str(left[at]))
            at += 1
            continue
        parts.append(f"{left[at]}-{left[end]}" + (f"x{step}" if step > 1 else ""))
        at = end + 1
    return ",".join(parts)


def _run(frames: Sequence[int], at: int) -> int:
    """Return the last index of the run of frames with equal steps that begins at index ``at``."""
    end = at
    if at + 1 < len(frames):
        step = frames[at + 1] - frames[at]
        while end + 1 < len(frames) and frames[end + 1] - frames[end] == step:
            end += 1
    return end


def ordered(frames: Iterable[int], order: str = "sequential", nth: int = NTH) -> tuple[int, ...]:
    """Return the frames in the order in which they are rendered.

    ``every_nth`` begins with every ``nth`` frame, and then adds the frames between.
    ``middle_first`` begins with both ends, then takes the middle of each gap. Both of these orders
    show a mistake anywhere in the range early.
    """
    if order not in ORDERS:
        raise FrameRangeError(f"the order must be one of {', '.join(ORDERS)}")
    if nth < 1:
        raise FrameRangeError("every_nth needs a number of 1 or more")
    ascending = tuple(sorted(set(frames)))
    if order == "every_nth":
        return tuple(
            ascending[at] for start in range(nth) for at in range(start, len(ascending), nth)
        )
    return tuple(_middles(ascending)) if order == "middle_first" else ascending


def _middles(frames: Sequence[int]) -> Iterator[int]:
    """Yield both ends, then the middle of each gap, level by level."""
    ends = [0, len(frames) - 1] if len(frames) > 1 else [0] * len(frames)
    yield from (frames[at] for at in ends)
    level = [(0, len(frames) - 1)]
    while level:
        below: list[tuple[int, int]] = []
        for low, high in level:
            if high - low < 2:
                continue
            middle = (low + high) // 2
            yield frames[middle]
            below += [(low, middle), (middle, high)]
        level = below


def chunks(frames: Iterable[int], size: int) -> tuple[tuple[int, ...], ...]:
    """Split the frames into chunks of ``size`` (the last may be shorter), in the given order."""
    if size < 1:
        raise FrameRangeError("a chunk must have at least one frame")
    rest = iter(frames)
    return tuple(iter(lambda: tuple(islice(rest, size)), ()))
