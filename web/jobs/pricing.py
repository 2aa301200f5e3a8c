"""The price of frames: from the table, or by the work that one of the gateway's nodes measured.

The table's price of a frame pays for ``pricing.frame_seconds`` of such a node's work, and each
frame costs in proportion. Other nodes' measurements do not count: no operator sets their own pay.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final
from uuid import UUID

import attrs

from rendertrust.frame_range import parse
from rendertrust.job_spec import JobSpec
from rendertrust.preflight.work import SECOND, FrameWork, price_of, work_of
from sql.job_plan import JobPlan, Pricing
from sql.overruns import Overrun, agreed
from web.gateway import Gateway
from web.http.problem import Fault, Problem, invalid
from web.http.refusal_code import RefusalCode
from web.jobs.preflights import PreflightState, fleet, known
from web.jobs.submission import PREFLIGHT

DAY: Final = 86_400
WORK_MOST: Final = 30 * DAY * SECOND  # of one frame
BY_TABLE: Final = "Each frame costs what the table says."
FREE: Final = "It costs nothing there."
ONE: Final = "A job without frames costs what the table says."
ELSEWHERE: Final = "Only uploads can be measured; each frame costs what the table says."
ASK: Final = "Until one of the gateway's nodes has measured the scene (POST /jobs/preflight)"
AWAY: Final = "None of the gateway's nodes is connected, in this pool, to measure the scene"
STRANGER: Final = "The scene was not measured by one of the gateway's nodes"
LATER: Final = "A node is measuring the scene; until it has"


@attrs.frozen
class Tariff:
    """``price`` is the table's; with ``work`` it pays for ``pays_for`` seconds of that.

    ``how`` says it in words. ``measurable``: a connected node could measure the scene. ``owed``:
    frames of such a scene are to be measured, and these were not. ``looked`` is the job that
    measured.
    """

    price: int
    how: str
    work: FrameWork | None = None
    pays_for: int = 0
    measurable: bool = False
    owed: bool = False
    looked: UUID | None = None

    def of(self, frame: int) -> int:
        """Return the price of a frame."""
        if self.work is None:
            return self.price
        return price_of(self.work.of(frame), self.price, self.pays_for)

    @property
    def cost(self) -> Callable[[int], int] | int:
        """The price of frames: each by itself, or all alike."""
        return self.price if self.work is None else self.of

    def ends(self, frames: Sequence[int]) -> tuple[int, int]:
        """Return the prices of the cheapest and the dearest frame; without frames, the table's."""
        if self.work is None or not frames:
            return self.price, self.price
        each = [self.of(frame) for frame in frames]
        return min(each), max(each)

    def seconds(self, frames: Iterable[int]) -> float | None:
        """Return the work of frames on the machine that measured; None: not measured."""
        return None if self.work is None else self.work.seconds(frames)

    def pricing(self, frames: Iterable[int]) -> Pricing | None:
        """Return the basis of the price that is recorded with the job; None: the table."""
        if self.work is None:
            return None
        work = sum(map(self.work.of, frames))
        return Pricing(work, self.price, self.pays_for, self.looked)


async def tariff_of(gateway: Gateway, user: UUID, plan: JobPlan, price: int) -> Tariff | Problem:
    """Return the price of a job's frames. 422: too dear for anyone."""
    spec, content = plan.spec, plan.inputs.content
    if (why := _alike(gateway, spec, price)) is not None:
        return Tariff(price, why)
    if content is None and spec.payload_ref is not None:
        return Tariff(price, ELSEWHERE)
    found = None if content is None else await known(gateway, user, content)
    if content is not None and found is not None and found.is_ours:
        overruns = await gateway.tables.preflights.overruns(user, content)
        tariff = _measured(gateway, found, spec.params, price, overruns)
        if tariff is not None:
            return tariff
    ours = (await fleet(gateway, user, PREFLIGHT, spec.pool)).ours
    return Tariff(price, _unmeasured(found, ours), measurable=ours > 0, owed=True)


def _alike(gateway: Gateway, spec: JobSpec, price: int) -> str | None:
    """Return why all frames cost the same, whatever is in them."""
    settings = gateway.settings
    if spec.job_type != "render" or not settings.pricing.frame_seconds:
        return BY_TABLE
    if not gateway.verifiers:
        return BY_TABLE
    if not price:
        return FREE
    return ONE if spec.frames is None else None


def _measured(
    gateway: Gateway,
    found: PreflightState,
    params: Mapping[str, Any],
    price: int,
    overruns: Sequence[Overrun],
) -> Tariff | Problem | None:
    """Return the tariff by a measurement of the gateway's nodes; None: not measured yet."""
    facts, pays_for = found.facts, gateway.settings.pricing.frame_seconds
    if facts is None:
        return None
    if facts.probe is None:
        how = f"The scene was not measured ({facts.unprobed}); {_lower(BY_TABLE)}"
        return Tariff(price, how, owed=facts.probe_failed)
    size = {name: params.get(name) for name in ("width", "height", "samples")}
    work = work_of(facts.probe.probe(), **size).mended(_underquoted(overruns))
    if work.most > WORK_MOST:
        said = f"takes over {WORK_MOST // SECOND // DAY} days a frame"
        return invalid([Fault("payload_ref", "too_slow", f"{said}: lower its samples or size")])
    how = (
        "By the work that one of the gateway's nodes measured in small pieces of the scene: the"
        f" table's price of a frame pays for {pays_for} s of it."
    )
    return Tariff(price, how, work, pays_for, looked=found.job)


def _underquoted(overruns: Sequence[Overrun]) -> dict[int, int]:
    """Return the frames that nodes of three owners found to take more, and the percentage."""
    units = groupby(overruns, key=lambda one: (one.job, one.unit, one.frames))
    found: dict[int, int] = {}
    for (_, _, frames), each in units:
        needs = agreed(each)
        if frames is not None and needs is not None:
            found |= {number: max(needs, found.get(number, 0)) for number in parse(frames)}
    return found


def _unmeasured(found: PreflightState | None, ours: int) -> str:
    if found is not None and found.status == "PENDING":
        why = LATER
    elif not ours:
        why = AWAY
    else:
        why = ASK if found is None or found.facts is None else f"{STRANGER} (ask again)"
    return f"{why}{',' if why in (LATER, ASK) else ';'} {_lower(BY_TABLE)}"


def _lower(words: str) -> str:
    return words[0].lower() + words[1:]


def unmeasured(gateway: Gateway, tariff: Tariff) -> Problem | None:
    """Return why frames cannot be submitted at an unmeasured price; None if they can."""
    if not (tariff.owed and gateway.settings.pricing.look_first):
        return None
    return Problem(
        409,
        f"Frames are priced by their work here, and first measured. {tariff.how}",
        code=RefusalCode.NOT_MEASURED,
    )
