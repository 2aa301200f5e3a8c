"""The film strip of a job's page: a window of its frames, and the frame that is shown large."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

import attrs

from rendertrust.frame_range import parse
from rendertrust.job_status import UnitStatus
from sql.jobs import ConsolePart
from sql.thumbnails import ThumbnailInfo
from web.console.job_frames import JobFrame, address_of

STRIP_MOST: Final = 256  # frames in the strip: a Blender scene has 250 by default


@attrs.frozen
class StripFrame:
    """A frame of the strip. ``unit``: the frame or chunk of the list that contains it.

    ``small``: the address of the node's thumbnail, or ''. ``full``: the address of the delivered
    picture, or '' if there is none that browsers display. ``part``: how much of it is rendered, 0
    to 1, while its node reports progress.
    """

    number: int
    unit: JobFrame
    small: str = ""
    full: str = ""

    @property
    def state(self) -> UnitStatus:
        return self.unit.state

    @property
    def part(self) -> float | None:
        return None if self.unit.progress is None else self.unit.progress.value

    @property
    def has_picture(self) -> bool:
        """True if there is something to see."""
        return bool(self.small or self.full)


@attrs.frozen
class StripWindow:
    """The units of a job from which the strip is made: ``limit`` of them, from index ``start``.

    ``before`` and ``after``: the first frame of the neighbouring windows, or None.
    """

    start: int = 0
    limit: int = STRIP_MOST
    before: int | None = None
    after: int | None = None


@attrs.frozen
class FilmStrip:
    """The frames of the strip, and the one on the stage; ``shown`` is None if there are no frames.

    ``previous`` and ``next``: the numbers of the frames beside the shown one.
    """

    frames: Sequence[StripFrame] = ()
    shown: StripFrame | None = None
    window: StripWindow = StripWindow()
    previous: int | None = None
    next: int | None = None


def window_at(parts: Sequence[ConsolePart], place: int) -> StripWindow:
    """Return the window with the unit at index ``place``; a chunk has as many frames as the first.

    Frames are counted, not units, so that a job in chunks has no longer strip than others.
    """
    if not parts:
        return StripWindow()
    limit = max(1, STRIP_MOST // len(parse(parts[0].frames)))
    start = place // limit * limit
    before = parse(parts[start - limit].frames)[0] if start else None
    after = parse(parts[start + limit].frames)[0] if start + limit < len(parts) else None
    return StripWindow(start, limit, before, after)


def strip_of(
    job: UUID,
    units: Iterable[JobFrame],
    thumbnails: Iterable[ThumbnailInfo],
    window: StripWindow,
    frame: int | None,
) -> FilmStrip:
    """Return the strip with ``frame`` on the stage; None: the first one that has a picture.

    ``thumbnails``: the thumbnails of the units' frames, the newest last.
    """
    known = {(each.unit, each.attempt, each.frame): each for each in thumbnails}
    frames = [each for unit in units for each in _frames(job, unit, known)]
    numbers = [each.number for each in frames]
    pictured = next((at for at, each in enumerate(frames) if each.has_picture), 0)
    place = numbers.index(frame) if frame in numbers else pictured
    return FilmStrip(
        frames=frames,
        shown=frames[place] if frames else None,
        window=window,
        previous=numbers[place - 1] if place else None,
        next=numbers[place + 1] if place + 1 < len(numbers) else None,
    )


def _frames(
    job: UUID, unit: JobFrame, known: Mapping[tuple[int, int, int], ThumbnailInfo]
) -> Iterable[StripFrame]:
    if unit.frames is None:
        return
    full = f"/console/frames/{job}?unit={unit.number}&of={unit.attempt}" if unit.picture else ""
    for number in parse(unit.frames):
        found = known.get((unit.number, unit.attempt, number))
        small = "" if found is None else address_of(job, number, found.made_at)
        yield StripFrame(number, unit, small, full)
