"""The price of frames: fixed in the price table, by measured work, or by size and samples.

The price of a frame in the table pays for a reference frame. A frame that one of the gateway's
nodes measured costs in proportion to its work, of which the price pays for
``pricing.frame_seconds``. A measurement counts for the frames in its range, at every size and
number of samples. Where none of them can measure, a frame costs in proportion to its pixels
times its samples. Measurements by operators' nodes do not count, so that no operator sets their own
pay, and no creator the own price.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final
from uuid import UUID

import attrs

from config.settings import Pricing as PricingSettings
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.frame_range import FrameRangeError, parse
from rendertrust.inference.row_plan import read_plan
from rendertrust.job_types import INFERENCE, PREFLIGHT, RENDER, preflight_of
from rendertrust.preflight.frame_probe import Probe
from rendertrust.preflight.frame_work import (
    SECOND,
    FrameWork,
    ReferenceFrame,
    price_of,
    work_of,
    work_of_rows,
)
from sql.job_plan import JobPlan, Pricing
from sql.overruns import Overrun, agreed
from web.gateway import Gateway
from web.http.problem import Fault, Problem, invalid
from web.jobs.preflight_report import SceneFacts
from web.jobs.preflights import PreflightState, fleet, known_preflight, named_frames

DAY: Final = 86_400
WORK_MOST: Final = 30 * DAY * SECOND  # most work of one frame: 30 days
BY_TABLE: Final = "Each frame costs the fixed price in the price table."
UNMEASURED_ROWS: Final = (
    "This gateway prices rows by measured work: have the model measured, for free"
    " (POST /jobs/preflight)."
)
FREE: Final = "Jobs in this pool are free."
ONE: Final = (
    "A job that names neither frames nor parameters costs the fixed price in the price table."
)
MEASURED: Final = "By the work that one of the gateway's nodes measured in small renders of"
IN_PROPORTION: Final = (
    " The job's own size and samples count in proportion: what samples take by pixels"
    " \N{MULTIPLICATION SIGN} samples, and what denoising and saving take by pixels."
)
ELSEWHERE: Final = "Only uploads can be measured."
NO_VERIFIER: Final = "This gateway has no nodes that measure scenes."
ASK: Final = "None of the gateway's nodes has measured the scene yet (POST /jobs/preflight)."
AWAY: Final = "None of the gateway's nodes is connected, in this pool, to measure the scene."
STRANGER: Final = (
    "The scene was not measured by one of the gateway's nodes (have it measured again)."
)
BEYOND: Final = (
    "The job names frames outside those that were measured ({} to {}): have its frames measured"
    " (POST /jobs/preflight)."
)
LATER: Final = "A node is measuring the scene."
ROWS_BY_TABLE: Final = "Each unit of rows costs the fixed price in the price table."
OF_ROWS: Final = (
    "By the work that one of the gateway's nodes measured: {:.3g} ms for a row, and {:.2g} s for"
    " each unit, to load the model."
)
FAILED: Final = "The gateway's node could not inspect the scene."


@attrs.frozen
class Tariff:
    """The price of a job's frames.

    ``price``: the price of a frame in the price table. ``basis``: a sentence for users on what the
    price follows from; ``why``: the reason, if work was not measured, or ''. ``work``: the work of
    the frames, if the price depends on it; ``price`` then pays for ``pays_for`` seconds of work.
    ``looked``: the preflight job that measured the work; None if the work follows from size and
    samples. ``only``: the frame of a job without frames. ``measurable``: a connected node could
    measure the scene. ``owed``: the price should follow measured work, but the scene is not
    measured yet. ``unlimited``: attempts may take longer than the price pays for.
    """

    price: int
    basis: str
    why: str = ""
    work: FrameWork | None = None
    pays_for: int = 0
    looked: UUID | None = None
    only: int | None = None
    measurable: bool = False
    owed: bool = False
    unlimited: bool = False
    noun: str = "frame"  # what the price in the price table is for

    @property
    def priced_by(self) -> str:
        """The kind of price: ``table``, ``size`` or ``work``."""
        if self.work is None:
            return "table"
        return "size" if self.looked is None else "work"

    @property
    def how(self) -> str:
        """An explanation of the price for users."""
        if self.looked is None:
            return f"{self.why} {self.basis}".strip()
        noun = self.noun
        pays_for = f"The price of a {noun} in the price table pays for {self.pays_for} s of it."
        return f"{self.basis} {pays_for}"

    def of(self, frame: int) -> int:
        """Return the price of a frame."""
        if self.work is None:
            return self.price
        return price_of(self.work.of(frame), self.price, self.pays_for)

    @property
    def cost(self) -> Callable[[int], int] | int:
        """The price of every frame, or a function that returns the price of each frame."""
        if self.work is None or self.only is not None:
            return self.price if self.only is None else self.of(self.only)
        return self.of

    def ends(self, frames: Sequence[int]) -> tuple[int, int]:
        """Return the lowest and the highest price of these frames; without frames, the price of the
        job as both.
        """
        each = [self.of(frame) for frame in self._of_job(frames)]
        return (min(each), max(each)) if each else (self.price, self.price)

    def seconds(self, frames: Iterable[int]) -> float | None:
        """Return the seconds that the frames take on the node that measured them; None if no node
        has.
        """
        if self.work is None or self.looked is None:
            return None
        return self.work.seconds(self._of_job(frames))

    def pricing(self, frames: Iterable[int]) -> Pricing | None:
        """Return the basis of the price, to be recorded with the job; None if it is fixed."""
        if self.work is None:
            return None
        work = sum(map(self.work.of, self._of_job(frames)))
        return Pricing(work, self.price, self.pays_for, self.looked, self.unlimited)

    def _of_job(self, frames: Iterable[int]) -> Iterable[int]:
        return frames if self.only is None else (self.only,)


async def tariff_of(
    gateway: Gateway, user: UUID, plan: JobPlan, price: int, known: PreflightState | None
) -> Tariff | Problem:
    """Return the price of a job's frames; ``known``: the preflight that counts for the job.

    The answer is a Problem (422) if they are no frames, or if one takes more than WORK_MOST.
    """
    spec, content = plan.spec, plan.inputs.content
    try:
        named = named_frames(spec)
    except FrameRangeError as fault:
        return invalid([Fault("frames", "value", str(fault))])
    reference = reference_frame(gateway.settings.pricing)
    if spec.job_type == INFERENCE and "rows" in spec.params and reference is not None and price:
        tariff = Tariff(price, "", pays_for=reference.seconds)
        return await _of_rows(gateway, user, plan, tariff, known)
    if reference is None or spec.job_type != RENDER:
        return Tariff(price, BY_TABLE)
    if not price or not (spec.frames or spec.params):
        return Tariff(price, ONE if price else FREE)
    overruns = list[Overrun]()
    if content is not None:
        overruns = await gateway.tables.preflights.overruns(user, content)
    tariff = Tariff(price, "", pays_for=reference.seconds)
    facts = None if known is None else known.facts
    counts = facts is not None and facts.counts_for(named)
    if known is not None and known.is_ours and facts is not None and counts and facts.probe:
        probe = facts.probe.probe()
        work = _measured(facts, probe, spec.params, overruns)
        basis = measured_basis(probe, spec.params)
        tariff = attrs.evolve(tariff, basis=basis, work=work, looked=known.job)
    else:
        tariff = await _reason(gateway, user, plan, known, tariff)
        work, basis = by_size(spec.params, known, reference, overruns)
        tariff = attrs.evolve(tariff, basis=basis, work=work, unlimited=not gateway.verifiers)
    if work.most > WORK_MOST:
        said = f"takes over {WORK_MOST // SECOND // DAY} days a frame"
        return invalid([Fault("payload_ref", "too_slow", f"{said}: lower its samples or size")])
    only = None if spec.frames else _current(spec.params, facts)
    return attrs.evolve(tariff, only=only)


async def _of_rows(
    gateway: Gateway, user: UUID, plan: JobPlan, tariff: Tariff, found: PreflightState | None
) -> Tariff | Problem:
    """Return the price of units of rows: by the work of a row that a gateway's node measured."""
    content = plan.inputs.content
    tariff = attrs.evolve(tariff, noun="unit", basis=ROWS_BY_TABLE)
    model = None if found is None or not found.is_ours else found.model
    counts = model is not None and model.counts_for(plan.spec.params)
    if found is None or model is None or model.error or not counts:
        ours = (await fleet(gateway, user, preflight_of(INFERENCE), plan.spec.pool)).ours
        is_failed = found is not None and found.is_ours and (found.status == "FAILED" or counts)
        is_owed = bool(gateway.verifiers) and (content is not None or not plan.spec.payload_ref)
        measurable = is_owed and ours > 0 and not is_failed
        return attrs.evolve(tariff, measurable=measurable, owed=is_owed)
    rows = read_plan(plan.spec.params)
    overruns = await gateway.tables.preflights.overruns(user, content or b"")
    longer = {parse(frames)[0]: needs for frames, needs in _agreed(overruns, measured=True)
              if frames is not None}  # fmt: skip
    work = work_of_rows(rows, model.start, model.row).mended(longer)
    if work.most > WORK_MOST:
        said = f"take over {WORK_MOST // SECOND // DAY} days a unit"
        return invalid([Fault("params", "too_slow", f"{said}: ask for fewer rows per unit")])
    basis = OF_ROWS.format(model.row * 1000, model.start)
    return attrs.evolve(tariff, basis=basis, work=work, looked=found.job)


def reference_frame(settings: PricingSettings) -> ReferenceFrame | None:
    """Return the frame that the price in the price table pays for; None if every frame costs that
    price.
    """
    if not settings.frame_seconds:
        return None
    return ReferenceFrame(
        settings.frame_width,
        settings.frame_height,
        settings.frame_samples,
        settings.frame_seconds,
        settings.frame_base_percent,
    )


def _measured(
    facts: SceneFacts, probe: Probe, params: Mapping[str, Any], overruns: Sequence[Overrun]
) -> FrameWork:
    """Return the work that a gateway's node measured, corrected by overruns."""
    size = {name: params.get(name) for name in ("width", "height", "samples")}
    found: dict[int, int] = {}
    for frames, needs in _agreed(overruns, measured=True):
        numbers = (facts.frame_current,) if frames is None else parse(frames)
        found |= {number: max(needs, found.get(number, 0)) for number in numbers}
    return work_of(probe, **size).mended(found)


def measured_basis(probe: Probe, params: Mapping[str, Any]) -> str:
    """Return a sentence on the measured frames, and on a size or samples that were not measured."""
    *most, last = [str(one.frame) for one in probe.frames]
    frames = f"frames {', '.join(most)} and {last}" if most else f"frame {last}"
    own = {"width": probe.width, "height": probe.height, "samples": probe.samples}
    differs = any(params.get(name) not in (None, value) for name, value in own.items())
    return f"{MEASURED} {frames}.{IN_PROPORTION if differs else ''}"


def by_size(
    params: Mapping[str, Any],
    found: PreflightState | None,
    reference: ReferenceFrame,
    overruns: Sequence[Overrun],
) -> tuple[FrameWork, str]:
    """Return the work of every frame by its size, and a sentence on it.

    Frames that took more than quoted on nodes of three owners raise the work of all frames, as the
    size says nothing about the scene.
    """
    facts = None if found is None else found.facts
    size = frame_size(params, facts, reference, is_ours=found is not None and found.is_ours)
    needs = max((100, *(needs for _, needs in _agreed(overruns, measured=False))))
    work = FrameWork((0,), (reference.microseconds(*size),)).mended({0: needs})
    width, height, samples = size
    pixels = f"{width} \N{MULTIPLICATION SIGN} {height} pixels"
    longer = ", and by how long such frames took" if needs > 100 else ""
    return work, f"By size: {pixels} and {samples} samples for each frame{longer}."


def frame_size(
    params: Mapping[str, Any], facts: SceneFacts | None, reference: ReferenceFrame, *, is_ours: bool
) -> tuple[int, int, int]:
    """Return width, height and samples of a job's frames.

    ``facts``: those of the scene, which count if a gateway's node read them (``is_ours``). What
    another node read counts only if that is more than the reference frame has. Unknown values are
    those of the reference frame.
    """
    width, height, samples = reference.width, reference.height, reference.samples
    if facts is not None and facts.width and facts.height:
        more = facts.width * facts.height > width * height
        width, height = (facts.width, facts.height) if is_ours or more else (width, height)
    if facts is not None and facts.samples:
        samples = facts.samples if is_ours else max(facts.samples, samples)
    width, height = params.get("width") or width, params.get("height") or height
    return width, height, params.get("samples") or samples


def _current(params: Mapping[str, Any], facts: SceneFacts | None) -> int:
    """Return the frame of a job without frames."""
    frame = params.get("frame")
    return frame if type(frame) is int else 0 if facts is None else facts.frame_current


def _agreed(overruns: Sequence[Overrun], *, measured: bool) -> Iterator[tuple[str | None, int]]:
    """Yield the frames that took more than quoted on nodes of three owners, each with its work in
    percent of a quote by ``measured`` work, or by size.
    """
    units = groupby(overruns, key=lambda one: (one.job, one.unit, one.frames, one.measured))
    for (_, _, frames, by_work), each in units:
        needs = agreed(each)
        if needs is not None and by_work is measured:
            yield frames, needs


async def _reason(
    gateway: Gateway, user: UUID, plan: JobPlan, found: PreflightState | None, tariff: Tariff
) -> Tariff:
    """Return the tariff with the reason why no gateway's node has measured the scene."""
    if not gateway.verifiers:
        return attrs.evolve(tariff, why=NO_VERIFIER)
    if plan.inputs.content is None and plan.spec.payload_ref is not None:
        return attrs.evolve(tariff, why=ELSEWHERE)
    facts, named = None if found is None else found.facts, named_frames(plan.spec)
    if found is not None and found.is_ours and facts is not None and facts.counts_for(named):
        why = f"The scene was not measured ({facts.unprobed})."
        return attrs.evolve(tariff, why=why, owed=facts.probe_failed)
    if found is not None and found.is_ours and found.status == "FAILED":
        return attrs.evolve(tariff, why=FAILED, owed=True)
    ours = (await fleet(gateway, user, PREFLIGHT, plan.spec.pool)).ours
    return attrs.evolve(tariff, why=_wanting(found, ours), measurable=ours > 0, owed=True)


def _wanting(found: PreflightState | None, ours: int) -> str:
    """Return what keeps a scene that could be measured from being measured."""
    if found is not None and found.status == "PENDING":
        return LATER
    if not ours:
        return AWAY
    if found is None or found.facts is None:
        return ASK
    return BEYOND.format(*found.facts.measured) if found.is_ours else STRANGER


async def is_measurable(
    gateway: Gateway, user: UUID, plan: JobPlan, tariff: Tariff, known: PreflightState | None
) -> bool:
    """Return True if a connected node of the gateway could measure the job's scene, and none has.

    ``known``: the preflight that counts for the job.
    A job that names neither frames nor parameters is not priced by its measurement, but its frame
    is as soon as the job names it.
    """
    if tariff.basis != ONE:
        return tariff.measurable
    frame = 0 if known is None or known.facts is None else known.facts.frame_current
    named = attrs.evolve(plan, spec=attrs.evolve(plan.spec, params={"frame": frame}))
    of_its_frame = await known_preflight(gateway, user, named)
    of_frame = await tariff_of(gateway, user, named, tariff.price, of_its_frame)
    return isinstance(of_frame, Tariff) and of_frame.measurable


def unmeasured(gateway: Gateway, tariff: Tariff) -> Problem | None:
    """Return the refusal to submit a scene that must be measured first; None if it need not be.

    Otherwise a creator could choose the cheaper one of two prices by not having it measured.
    """
    strict = tariff.owed and gateway.settings.pricing.look_first
    if not (tariff.measurable or strict):
        return None
    if tariff.noun == "unit":
        return Problem(409, UNMEASURED_ROWS, code=RefusalCode.NOT_MEASURED)
    return Problem(
        409,
        "This gateway prices frames by measured work: have the scene measured, for free."
        f" {tariff.why}",
        code=RefusalCode.NOT_MEASURED,
    )
