"""How long frames will take, from small pieces of some of them that a node tried."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from rendertrust.preflight.price import spread_of
from web.jobs.scene_facts import SceneFacts

SOME: Final = 1_000  # frames that are looked at


@attrs.frozen
class Estimate:
    """Seconds of one node's work for all ``frames``: ``likely``, and between which bounds.

    ``least`` is when everywhere were as the piece that took least, ``most`` as the one that took
    most. ``elapsed`` is ``likely`` shared among the ``slots`` that could work on it now; None where
    there is none. ``how`` says what was tried.
    """

    frames: int
    least: float
    likely: float
    most: float
    slots: int
    elapsed: float | None
    how: str


def estimate_of(
    facts: SceneFacts, frames: Sequence[int], params: Mapping[str, Any], slots: int
) -> Estimate | None:
    """Of these frames, else of the one that is meant; None where none could be tried."""
    if facts.probe is None:
        return None
    wanted = frames or (params.get("frame", facts.frame_current),)
    some = wanted[:: -(-len(wanted) // SOME)]  # they lie on few lines: some tell of all
    spread = spread_of(
        facts.probe.probe(),
        some,
        width=params.get("width"),
        height=params.get("height"),
        samples=params.get("samples"),
    )
    each, side_by_side = len(wanted) / len(some), min(slots, len(wanted))
    return Estimate(
        frames=len(wanted),
        least=round(spread.least * each, 1),
        likely=round(spread.likely * each, 1),
        most=round(spread.most * each, 1),
        slots=slots,
        elapsed=round(spread.likely * each / side_by_side, 1) if side_by_side else None,
        how=_how(facts),
    )


def _how(facts: SceneFacts) -> str:
    assert facts.probe is not None, "asked before"
    tried = ", ".join(str(one.frame) for one in facts.probe.frames)
    threads = facts.probe.threads
    by = f"{threads} thread{'' if threads == 1 else 's'}"
    adaptive = " Adaptive sampling may make it less." if facts.is_adaptive else ""
    return (
        f"Small pieces of the frames {tried} were rendered by one node with {by}; other nodes may"
        " be faster or slower. On top come, with each unit, starting Blender, fetching the scene"
        f" and sending the pictures, which takes seconds; and denoising and compositing.{adaptive}"
    )
