"""The price of frames: fixed in the price table, or by the work that a gateway's node measured.

The price of a frame in the table pays for ``pricing.frame_seconds`` of that node's work, and each
measured frame costs in proportion. Measurements by operators' nodes do not count, so that no
operator sets their own pay.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final
from uuid import UUID

import attrs

from rendertrust.frame_range import parse
from rendertrust.job_spec import JobSpec
from rendertrust.job_types import PREFLIGHT, RENDER
from rendertrust.preflight.frame_work import SECOND, FrameWork, price_of, work_of
from sql.job_plan import JobPlan, Pricing
from sql.overruns import Overrun, agreed
from web.gateway import Gateway
from web.http.problem import Fault, Problem, invalid
from web.http.refusal_code import RefusalCode
from web.jobs.preflights import PreflightState, fleet, known_preflight

DAY: Final = 86_400
WORK_MOST: Final = 30 * DAY * SECOND  # most work of one frame: 30 days
BY_TABLE: Final = "Each frame costs the fixed price in the price table."
FREE: Final = "Jobs in this pool are free."
ONE: Final = "A job without frames costs the fixed price in the price table."
ELSEWHERE: Final = (
    "Only uploads can be measured; each frame costs the fixed price in the price table."
)
ASK: Final = "Until one of the gateway's nodes has measured the scene (POST /jobs/preflight)"
AWAY: Final = "None of the gateway's nodes is connected, in this pool, to measure the scene"
STRANGER: Final = "The scene was not measured by one of the gateway's nodes"
LATER: Final = "A node is measuring the scene; until it has"


@attrs.frozen
class Tariff:
    """The price of a job's frames.

    ``price``: the price of a frame in the price table. ``work``: the measured work of the frames,
    if known; ``price`` then pays for ``pays_for`` seconds of work. ``how``: an explanation for
    users. ``measurable``: a connected node could measure the scene. ``owed``: the price should
    follow measured work, but the scene is not measured yet. ``looked``: the preflight job that
    measured the work.
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
        """The price of every frame, or a function that returns the price of each frame."""
        return self.price if self.work is None else self.of

    def ends(self, frames: Sequence[int]) -> tuple[int, int]:
        """Return the lowest and the highest price of these frames; without frames, the table's
        price as both.
        """
        if self.work is None or not frames:
            return self.price, self.price
        each = [self.of(frame) for frame in frames]
        return min(each), max(each)

    def seconds(self, frames: Iterable[int]) -> float | None:
        """Return the seconds that the frames take on the node that measured them; None if no node
        has.
        """
        return None if self.work is None else self.work.seconds(frames)

    def pricing(self, frames: Iterable[int]) -> Pricing | None:
        """Return the basis of the price, to be recorded with the job; None if not measured."""
        if self.work is None:
            return None
        work = sum(map(self.work.of, frames))
        return Pricing(work, self.price, self.pays_for, self.looked)


async def tariff_of(gateway: Gateway, user: UUID, plan: JobPlan, price: int) -> Tariff | Problem:
    """Return the price of a job's frames; a Problem (422) if a frame takes more than WORK_MOST."""
    spec, content = plan.spec, plan.inputs.content
    if (why := _fixed_price_reason(gateway, spec, price)) is not None:
        return Tariff(price, why)
    if content is None and spec.payload_ref is not None:
        return Tariff(price, ELSEWHERE)
    found = None if content is None else await known_preflight(gateway, user, content)
    if content is not None and found is not None and found.is_ours:
        overruns = await gateway.tables.preflights.overruns(user, content)
        tariff = _measured(gateway, found, spec.params, price, overruns)
        if tariff is not None:
            return tariff
    ours = (await fleet(gateway, user, PREFLIGHT, spec.pool)).ours
    return Tariff(price, _unmeasured(found, ours), measurable=ours > 0, owed=True)


def _fixed_price_reason(gateway: Gateway, spec: JobSpec, price: int) -> str | None:
    """Return why all frames cost the same regardless of their work; None if they do not."""
    settings = gateway.settings
    if spec.job_type != RENDER or not settings.pricing.frame_seconds:
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
    """Return the price by the work that a gateway's node measured in its preflight; None while the
    preflight has no facts.
    """
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
        f" price of a frame in the price table pays for {pays_for} s of it."
    )
    return Tariff(price, how, work, pays_for, looked=found.job)


def _underquoted(overruns: Sequence[Overrun]) -> dict[int, int]:
    """Return the frames that took more than quoted on nodes of three owners, each with its work
    in percent of the quote.
    """
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
        why = (
            ASK if found is None or found.facts is None else f"{STRANGER} (have it measured again)"
        )
    return f"{why}{',' if why in (LATER, ASK) else ';'} {_lower(BY_TABLE)}"


def _lower(words: str) -> str:
    return words[0].lower() + words[1:]


def unmeasured(gateway: Gateway, tariff: Tariff) -> Problem | None:
    """Return the refusal to submit a scene that must be measured first; None if the scene need not
    be measured.
    """
    if not (tariff.owed and gateway.settings.pricing.look_first):
        return None
    return Problem(
        409,
        f"This gateway prices frames by measured work: have the scene measured. {tariff.how}",
        code=RefusalCode.NOT_MEASURED,
    )
