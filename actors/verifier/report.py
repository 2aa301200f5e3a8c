"""What a verifier says it saw, read as a stranger's word."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import attrs

from actors.verifier.messages import Comparison
from actors.verifier.verdict import RegionDifference, Thresholds, is_match, of_region
from rendertrust.node.worker.picture_digest import are_its_own

CROPS_MAX: Final = 256  # of all view layers
WORDS_MAX: Final = 300
SAMPLES_MOST: Final = 1 << 24  # as Blender takes
UNSEEN: Final = "its node signed for pixels that nobody sees in what it delivered"
OTHER_PIXELS: Final = "its node signed for other pixels than the picture has"
# By the same seed: equal, or within the noise. By other seeds; ``unsaid``: nothing can be said.
AcrossOutcome: TypeAlias = Literal["exact", "consistent", "accepted", "refused", "unsaid"]


@attrs.frozen
class OtherClassReport:
    """Outcome of a comparison by a device of another kind, or of frames that EEVEE drew
    (``is_drawn``). ``why``: what refuses it, or a code. ``drawing``: the verifier's drawing class.
    """

    outcome: AcrossOutcome
    why: str = ""
    is_drawn: bool = False
    drawing: str | None = None


@attrs.frozen
class Report:
    """``compared`` are the crops and the picture; ``fault``: what is wrong with what was delivered;
    ``unable``: why such a scene cannot be checked. ``looked``: nothing was compared, as asked;
    ``suspect``: why it should be.
    """

    compared: tuple[RegionDifference, ...] = ()
    fault: str | None = None
    unable: str | None = None
    looked: bool = False
    suspect: str | None = None
    is_finished: bool = False  # the picture was made anew and compared
    is_whole: bool = False  # the crops were cut out of the whole frame, or it is the whole frame
    is_uncut: bool = False  # of why it is unable: the frame may be rendered whole instead
    is_unmade: bool = False  # the checker died as it made the picture anew of the evidence
    is_loose: bool = False  # honest frames of such a scene may differ
    is_bare: bool = False  # of the fault: there is no evidence
    is_unseen: bool = False  # pixels that its node signed for
    samples: int | None = None  # of each pixel, as the scene was rendered
    pixels: str | None = None  # SHA-256 over them, as the checker saw them in the picture
    across: OtherClassReport | None = None  # by a device of another kind with evidence, or by EEVEE
    depends: str | None = None  # why honest devices of other kinds render the scene differently

    @property
    def crops(self) -> tuple[RegionDifference, ...]:
        """Without the picture."""
        return self.compared[:-1] if self.is_finished else self.compared

    @property
    def farthest(self) -> float:
        """The worst comparison, in times the noise."""
        return max((one.off for one in self.compared), default=0.0)

    @property
    def comparison(self) -> Comparison | None:
        """What was compared; None: nothing."""
        if not self.compared:
            return None
        distance = self.farthest if math.isfinite(self.farthest) else None
        return Comparison("whole" if self.is_whole else "regions", self.is_finished, distance)

    def rests_on_crops(self, limits: Thresholds) -> bool:
        """Whether nothing but them is wrong. The picture is made anew of all of the evidence."""
        if self.fault is not None:
            return False
        return self.is_made_of_evidence(limits)

    def is_made_of_evidence(self, limits: Thresholds) -> bool:
        """Return whether the picture is what its evidence gives, as far as that was compared."""
        return not self.is_finished or is_match(of_region(self.compared[-1], limits))

    def by_crop(self, count: int) -> list[tuple[RegionDifference, ...]] | None:
        """Of each of ``count`` crops how each view layer compares; None: it tells of others."""
        layers, left = divmod(len(self.crops), count)
        if left or not layers:
            return None
        return [self.crops[start : start + layers] for start in range(0, count * layers, layers)]


@attrs.frozen
class NoReport:
    """It is none: the verifier's failure, and nobody else's."""

    reason: str


def answer(told: Mapping[str, Any], crops: int, least: int | None = None) -> Report | NoReport:
    """What it says to who asked for so many crops, none of which it may leave out; or for as many
    as there are, ``least`` at least. A whole frame that cannot be cut is one. Never raises.
    """
    read = read_report(told)
    if not (isinstance(read, Report) and read.compared and crops):
        return read
    if read.is_whole and len(read.crops) == 1:
        return read
    if least is not None and least <= len(read.crops) <= crops:
        return read
    if read.by_crop(crops) is None:
        return NoReport("it tells of other crops than were asked for")
    return read


def held_to(report: Report, work: str | None) -> Report:
    """The report; a fault where its node signed, in ``work``, for other pixels than are there. What
    it signed for and nobody sees is none, as another release may see more kinds; but a receipt
    would vouch for it.
    """
    signed = None if work is None else json.loads(work)["pixels"]
    if report.fault or signed is None:
        return report
    if report.pixels is None:
        return attrs.evolve(report, is_unseen=True)
    is_right = signed["sha256"] == report.pixels and are_its_own(signed)
    return report if is_right else Report(fault=OTHER_PIXELS)


def read_report(told: Mapping[str, Any]) -> Report | NoReport:
    """What it says, whatever was asked. Never raises."""
    read = _read(told)
    if isinstance(read, NoReport):
        return read
    count = _number(told.get("samples"))
    samples = None if count is None or not 1 <= count <= SAMPLES_MOST else int(count)
    return attrs.evolve(
        read,
        pixels=_words(told.get("seen")),
        samples=samples,
        across=_across(told.get("across")),
        depends=_words(told.get("depends")),
    )


def _read(told: Mapping[str, Any]) -> Report | NoReport:
    fault, unable = _words(told.get("fault")), _words(told.get("unable"))
    if fault is not None or unable is not None:
        suspect = None if fault else _words(told.get("suspect"))
        is_uncut = told.get("uncut") is True
        is_bare = fault is not None and told.get("bare") is True
        unable = None if fault else unable
        return Report(
            fault=fault, unable=unable, suspect=suspect, is_uncut=is_uncut, is_bare=is_bare
        )
    if told.get("looked") is True:
        return Report(looked=True, suspect=_words(told.get("suspect")))
    crops, finish = told.get("crops"), told.get("finish")
    if not isinstance(crops, list) or not 1 <= len(crops) <= CROPS_MAX:
        return NoReport("it tells of no crops")
    found = [_compared(one) for one in (*crops, *([] if finish is None else [finish]))]
    if any(one is None for one in found):
        return NoReport("a comparison cannot be read")
    compared = tuple(one for one in found if one is not None)
    return Report(
        compared,
        is_finished=finish is not None,
        is_whole=told.get("whole") is True,
        is_unmade=told.get("unmade") is True,
        is_loose=told.get("loose") is True,
    )


def _across(told: object) -> OtherClassReport | None:
    if not isinstance(told, Mapping) or told.get("outcome") not in get_args(AcrossOutcome):  # pyright: ignore[reportUnknownMemberType]
        return None
    outcome = cast("AcrossOutcome", told["outcome"])
    looks: Any = told.get("looks")
    last = looks[-1] if isinstance(looks, list) and looks else []
    layers = [one for one in last if isinstance(one, Mapping)] if isinstance(last, list) else []
    if is_drawn := "drawing" in told:
        layers = [cast("Mapping[str, Any]", told)]
    why = dict.fromkeys(
        word
        for one in layers
        for word in (*_list(one.get("reasons")), one.get("unsaid"))
        if isinstance(word, str)
    )
    drawing = _words(told.get("drawing"))
    return OtherClassReport(outcome, ", ".join(why)[:WORDS_MAX], is_drawn, drawing)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _words(value: object) -> str | None:
    return value[:WORDS_MAX] if isinstance(value, str) and value else None


def _compared(told: object) -> RegionDifference | None:
    if not isinstance(told, Mapping) or type(told.get("equal")) is not bool:
        return None
    if told["equal"]:
        return RegionDifference(True, 0.0)
    if "off" not in told:
        return None
    if told["off"] is None:
        return RegionDifference(False, math.inf)
    off = _number(told["off"])
    return None if off is None or off < 0 else RegionDifference(False, off)


def _number(value: object) -> float | None:
    """A number, or the text that it is in what a node signs."""
    if isinstance(value, str):
        try:
            value = float(value[:40])
        except ValueError:
            return None
    good = type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    return float(value) if good else None  # type: ignore[arg-type]
