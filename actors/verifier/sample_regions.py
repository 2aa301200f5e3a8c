"""Where a check looks: by secret, crops of a picture half of them where much is to be seen.

Where that is says a coarse picture that the verifier makes himself. The node's own would be no use:
who cheats makes dull what he did not render. So numbers are drawn here, and placed there
(``rendertrust.node.worker.crop_placement``).
"""

from typing import Final

import attrs

from actors.scheduler.messages import Assignment
from rendertrust.node.worker.crop_placement import Drawn
from sql.sampling import draw
from sql.unit_params import VIDEO, Kind

COUNT: Final = 3
IN_CHUNK: Final = 8  # of so many frames begun one is rendered again, whole
IN_VIDEO: Final = 16  # frames that are held against their pictures
SHOWN_MOST: Final = 16


@attrs.frozen
class SampleRegions:
    """``draws`` are crops of a frame or a tile, ``shown`` which frames of a chunk or a video."""

    draws: tuple[Drawn, ...] = ()
    shown: tuple[float, ...] = ()


NOWHERE: Final = SampleRegions()  # it only looks


def places(kind: Kind, frames: int, secret: bytes, unit: bytes, result: bytes) -> SampleRegions:
    """Those of a unit of so many frames. What is made of tiles is made anew as a whole."""
    if kind in ("frame", "tile"):
        return SampleRegions(draws=tuple(draws(secret, unit, result)))
    count = {"chunk": _at_once(frames), "video": IN_VIDEO}.get(kind, 1)
    return SampleRegions(shown=tuple(draw(secret, b"shown", unit, result, n) for n in range(count)))


def _at_once(frames: int) -> int:
    return min(-(-frames // IN_CHUNK), SHOWN_MOST)


def least_of(unit: Assignment) -> int | None:
    """How many frames of a video there are at least: one in each unit that it is made of. None:
    of what is no video it is known.
    """
    return len(unit.parts) if unit.job_type == VIDEO else None


def draws(secret: bytes, unit: bytes, result: bytes) -> list[Drawn]:
    """The numbers of three crops: x, y, and the cell.

    The first is anywhere, the second where much varies, the third one or the other.
    """

    def drawn(purpose: bytes, number: int) -> float:
        return draw(secret, purpose, unit, result, number)

    found: list[Drawn] = []
    for number in range(COUNT):
        varied = number == 1 or (number == 2 and drawn(b"kind", number) < 0.5)
        cell = drawn(b"cell", number) if varied else None
        found.append((drawn(b"x", number), drawn(b"y", number), cell))
    return found
