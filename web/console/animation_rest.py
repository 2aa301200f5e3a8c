"""The frames of an animation that a job of a few test frames leaves."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from rendertrust.frame_range import FRAMES_MAX, TEXT_MAX, canonical, parse
from rendertrust.job_spec import JobSpec
from rendertrust.job_types import RENDER
from sql.jobs import ConsoleJob
from web.console.curl import spec_of
from web.console.job_again import address_of
from web.gateway import Gateway

TESTS_MAX: Final = 10  # frames of a job that counts as a test


@attrs.frozen
class AnimationRest:
    """Frames of the scene's range that a job does not render.

    ``address``: the form of a new job of these frames, with the same settings.
    """

    count: int
    address: str


async def rest_of(gateway: Gateway, job: ConsoleJob) -> AnimationRest | None:
    """Return the rest of the animation of a job of test frames.

    Return None if the job is no test, or if no node has checked its scene.
    """
    content = job.plan.inputs.content
    if job.job_type != RENDER or content is None or not 1 < job.units <= TESTS_MAX:
        return None
    rows = await gateway.tables.preflights.of(job.user_id, content)
    facts = next((row.facts for row in rows if row.facts is not None), None)
    if facts is None:
        return None
    spec = spec_of(job)
    rest = frames_left(spec, facts)
    frames = canonical(rest)
    if not rest or len(frames) > TEXT_MAX:
        return None
    # A limit of the money for a few frames says nothing about the others.
    others = attrs.evolve(spec, frames=frames, max_credits=None)
    return AnimationRest(len(rest), address_of(others, job.file))


def frames_left(spec: JobSpec, facts: Mapping[str, Any]) -> Sequence[int]:
    """Return the frames of the scene's range that a job of test frames does not render."""
    if spec.frames is None or not facts.get("opened"):
        return ()
    tests = set(parse(spec.frames))
    whole = range(facts["frame_start"], facts["frame_end"] + 1, facts.get("frame_step", 1))
    if len(whole) > FRAMES_MAX or len(tests) > TESTS_MAX or any(one not in whole for one in tests):
        return ()
    return [frame for frame in whole if frame not in tests]
