"""Requests for checks, and the secret random positions that a check compares.

Half of the crops lie where the picture has detail, which the verifier finds with a coarse render.
The node's own picture is not used for that, as a cheating node could flatten what it did not
render. This module draws random numbers, and the verifier places the crops by these numbers
(``rendertrust.node.worker.checks.crop_placement``).
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import attrs

from actors.node_session.messages import FurtherResult, RunCheck, StoredObject
from actors.scheduler.messages import LONG_AGO, Assignment
from rendertrust.job_types import VIDEO
from rendertrust.node.worker.checks.crop_placement import Drawn
from sql.checks import Pending
from sql.sampling import draw
from sql.units import Kind, evidence_key, result_key

COUNT: Final = 3  # crops of a frame or tile
IN_CHUNK: Final = 8  # of this many frames of a chunk, or fewer, one is rendered again
IN_VIDEO: Final = 16  # frames of a video that are compared with the pictures it is made from
SHOWN_MOST: Final = 16  # frames of a chunk that are compared


@attrs.frozen
class SampleRegions:
    """Random positions to compare: crops of a frame or tile (``draws``), or frames of a chunk or
    video (``shown``).
    """

    draws: tuple[Drawn, ...] = ()
    shown: tuple[float, ...] = ()


NOWHERE: Final = SampleRegions()  # the result is only opened


def places(kind: Kind, frames: int, secret: bytes, unit: bytes, result: bytes) -> SampleRegions:
    """Draw the positions to compare in a result of this kind with this number of frames.

    A frame merged from tiles is compared as a whole.
    """
    if kind in ("frame", "tile"):
        return SampleRegions(draws=tuple(draws(secret, unit, result)))
    count = {"chunk": _in_chunk(frames), "video": IN_VIDEO}.get(kind, 1)
    return SampleRegions(shown=tuple(draw(secret, b"shown", unit, result, n) for n in range(count)))


def _in_chunk(frames: int) -> int:
    """Return how many frames of a chunk are compared."""
    return min(-(-frames // IN_CHUNK), SHOWN_MOST)


def least_of(unit: Assignment) -> int | None:
    """Return the least number of frames that a report on a video must compare: one.

    The gateway does not know how many frames a video has, and a short video has fewer frames than
    positions are drawn. None for units that are no video, as their number of frames is known.
    """
    return 1 if unit.job_type == VIDEO else None


def draws(secret: bytes, unit: bytes, result: bytes) -> list[Drawn]:
    """Draw the numbers (0 to 1) that place three crops: x, y, and the cell or None.

    A crop without a cell lies anywhere, and a crop with a cell lies where there is detail. The
    first crop has no cell, the second has a cell, and the third has a cell or none, at random.
    """

    def drawn(purpose: bytes, number: int) -> float:
        return draw(secret, purpose, unit, result, number)

    found: list[Drawn] = []
    for number in range(COUNT):
        varied = number == 1 or (number == 2 and drawn(b"kind", number) < 0.5)
        cell = drawn(b"cell", number) if varied else None
        found.append((drawn(b"x", number), drawn(b"y", number), cell))
    return found


def order_for(
    pending: Pending,
    check: UUID,
    at: SampleRegions,
    *,
    whole: bool = False,
    again: SampleRegions = NOWHERE,
    same_class: bool = True,
) -> RunCheck:
    """Return the request for a check that compares at these positions.

    ``again``: positions of a second comparison, for a verifier of another device kind.
    ``same_class``: the verifier has the device class of the result's node.
    """
    row = pending.row
    assert row.sha256 is not None, "a result without SHA-256 is not checked"
    assert row.size is not None, "a result without size is not checked"
    proof, size, name = row.evidence_sha256, row.evidence_size, (pending.user, *row.id)
    return RunCheck(
        check=check,
        unit=_assignment(pending),
        picture=StoredObject(result_key(*name), row.sha256.hex(), row.size),
        evidence=None
        if proof is None
        else StoredObject(evidence_key(*name), proof.hex(), size or 0),
        draws=at.draws,
        shown=at.shown,
        whole=whole,
        across=again.draws,
        same_class=same_class,
    )


def batch_for(results: Sequence[Pending], check: UUID) -> RunCheck:
    """Return the request for one check that opens all of these results and compares none."""
    first, *others = (order_for(pending, check, NOWHERE) for pending in results)
    return attrs.evolve(
        first, further=tuple(FurtherResult(of.picture, of.evidence) for of in others)
    )


def _assignment(pending: Pending) -> Assignment:
    """Return the unit as its node received it."""
    job, unit, attempt = pending.row.id
    return Assignment(
        *(job, unit, pending.user, pending.plan, LONG_AGO, attempt),
        failures=pending.failures,
        frames=pending.frames,
        tile=pending.tile,
        parts=pending.parts,
    )
