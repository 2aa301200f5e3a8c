"""Parser of a verifier's report, which is untrusted."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import attrs

from actors.verifier.messages import Comparison
from actors.verifier.thresholds import RegionDifference, Thresholds, is_match, of_region
from rendertrust.node.worker.formats.picture_digest import NAMED_MAX, are_its_own
from sql.units import kind_of

CROPS_MAX: Final = 256  # over all view layers
WORDS_MAX: Final = 300
SAMPLES_MOST: Final = 1 << 24  # Blender's maximum
UNSEEN: Final = "its node signed pixels that the verifier cannot read in the delivered file"
OTHER_PIXELS: Final = "its node signed other pixels than the picture has"
NO_PIXELS: Final = "its node signed no pixels"
UNNAMED: Final = "its node signed a chunk without the names of its pictures"
# With the same seed: equal, or within the noise. With other seeds: accepted or refused; ``unsaid``:
# undecided.
AcrossOutcome: TypeAlias = Literal["exact", "consistent", "accepted", "refused", "unsaid"]


@attrs.frozen
class OtherClassReport:
    """Outcome of a comparison by a device of another kind, or of frames that EEVEE drew.

    ``is_drawn``: drawn by EEVEE. ``why``: the reason of a refusal, or a code. ``drawing``: the
    verifier's drawing class.
    """

    outcome: AcrossOutcome
    why: str = ""
    is_drawn: bool = False
    drawing: str | None = None


@attrs.frozen
class Report:
    """A parsed report.

    ``compared``: the crops and the picture. ``fault``: the defect of the delivery. ``unable``: why
    such a scene cannot be checked. ``looked``: the result was only opened, as requested.
    ``suspect``: why it should be compared.
    """

    compared: tuple[RegionDifference, ...] = ()
    fault: str | None = None
    unable: str | None = None
    looked: bool = False
    suspect: str | None = None
    is_finished: bool = False  # the picture was rebuilt and compared
    is_whole: bool = False  # the crops were cut out of the whole frame, or it is the whole frame
    is_uncut: bool = False  # with ``unable``: the frame may be rendered whole instead
    is_unmade: bool = False  # the verifier crashed while it rebuilt the picture from the evidence
    is_loose: bool = False  # honest frames of such a scene may differ
    is_bare: bool = False  # with ``fault``: there is no evidence
    is_unseen: bool = False  # the verifier cannot read the pixels that the node signed
    samples: int | None = None  # per pixel, as the scene was rendered
    pixels: str | None = None  # SHA-256 of the pixels as the verifier read them
    # from a device of another kind with evidence, or for EEVEE
    across: OtherClassReport | None = None
    depends: str | None = None  # why honest devices of other kinds render the scene differently

    @property
    def crops(self) -> tuple[RegionDifference, ...]:
        """The comparisons without that of the picture."""
        return self.compared[:-1] if self.is_finished else self.compared

    @property
    def farthest(self) -> float:
        """The largest distance, in multiples of the noise."""
        return max((one.off for one in self.compared), default=0.0)

    @property
    def comparison(self) -> Comparison | None:
        """The scope of the comparison; None if nothing was compared."""
        if not self.compared:
            return None
        distance = self.farthest if math.isfinite(self.farthest) else None
        return Comparison("whole" if self.is_whole else "regions", self.is_finished, distance)

    def rests_on_crops(self, limits: Thresholds) -> bool:
        """Return True if only crops are wrong.

        The picture itself follows from all of the evidence.
        """
        if self.fault is not None:
            return False
        return self.is_made_of_evidence(limits)

    def is_made_of_evidence(self, limits: Thresholds) -> bool:
        """Return True if the picture follows from its evidence, as far as that was compared."""
        return not self.is_finished or is_match(of_region(self.compared[-1], limits))

    def by_crop(self, count: int) -> list[tuple[RegionDifference, ...]] | None:
        """Group the comparisons of view layers by crop; None if the number does not match."""
        layers, left = divmod(len(self.crops), count)
        if left or not layers:
            return None
        return [self.crops[start : start + layers] for start in range(0, count * layers, layers)]


@attrs.frozen
class NoReport:
    """The report is missing or malformed, which is the verifier's failure alone."""

    reason: str


def answer(told: Mapping[str, Any], crops: int, least: int | None = None) -> Report | NoReport:
    """Parse the report for a check of ``crops`` crops; none may be missing. Never raises.

    With ``least``, there may be fewer crops, but at least that many. A whole frame that cannot be
    cut counts as one.
    """
    read = read_report(told)
    if not (isinstance(read, Report) and read.compared and crops):
        return read
    if read.is_whole and len(read.crops) == 1:
        return read
    if least is not None and least <= len(read.crops) <= crops:
        return read
    if read.by_crop(crops) is None:
        return NoReport("the report covers other crops than requested")
    return read


def answers(told: Mapping[str, Any] | None, count: int) -> list[Report | None]:
    """Parse the report on a batch of ``count`` results; None: no report on this result.

    Never raises.
    """
    found = None if told is None else told.get("opened")
    if not isinstance(found, list) or len(found) != count:
        return [None] * count
    return [_answer(one) for one in found]


def _answer(told: object) -> Report | None:
    read = read_report(told) if isinstance(told, Mapping) else None
    return read if isinstance(read, Report) and not read.compared else None


def held_to(report: Report, work: str | None) -> Report:
    """Return the report, with a fault if the node signed other pixels in ``work`` than were found.

    Nobody could repeat the check of pixels that a node did not sign, or of a chunk's pictures
    without their names. If the verifier cannot read the signed pixels, that is no fault, as other
    releases may read more kinds; but a receipt would vouch for them.
    """
    if report.fault or work is None:
        return report
    document = json.loads(work)
    signed = document["pixels"]
    if report.pixels is None:
        return report if signed is None else attrs.evolve(report, is_unseen=True)
    if signed is None:
        return Report(fault=NO_PIXELS)
    is_right = signed["sha256"] == report.pixels and are_its_own(signed)
    if not is_right:
        return Report(fault=OTHER_PIXELS)
    return report if _are_named(document) else Report(fault=UNNAMED)


def _are_named(document: Mapping[str, Any]) -> bool:
    """Return True unless signed work is a chunk of few frames and does not name its pictures."""
    kind = kind_of(document.get("job_type", ""), document.get("parameters", {}))
    is_listed = isinstance(document["pixels"].get("pictures"), dict)
    return kind != "chunk" or len(document["parameters"]["frames"]) > NAMED_MAX or is_listed


def clears(report: Report, work: str | None) -> bool:
    """Return True if opening the result showed nothing wrong; ``work``: what its node signed."""
    return held_to(report, work).fault is None and report.suspect is None


def read_report(told: Mapping[str, Any]) -> Report | NoReport:
    """Parse a report without regard to its request. Never raises."""
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
    is_loose = told.get("loose") is True
    if fault is not None or unable is not None:
        suspect = None if fault else _words(told.get("suspect"))
        is_uncut = told.get("uncut") is True
        is_bare = fault is not None and told.get("bare") is True
        unable = None if fault else unable
        return Report(
            fault=fault,
            unable=unable,
            suspect=suspect,
            is_uncut=is_uncut,
            is_bare=is_bare,
            is_loose=is_loose,
        )
    if told.get("looked") is True:
        return Report(looked=True, suspect=_words(told.get("suspect")), is_loose=is_loose)
    crops, finish = told.get("crops"), told.get("finish")
    if not isinstance(crops, list) or not 1 <= len(crops) <= CROPS_MAX:
        return NoReport("the report has no crops")
    found = [_compared(one) for one in (*crops, *([] if finish is None else [finish]))]
    if any(one is None for one in found):
        return NoReport("a comparison cannot be read")
    compared = tuple(one for one in found if one is not None)
    return Report(
        compared,
        is_finished=finish is not None,
        is_whole=told.get("whole") is True,
        is_unmade=told.get("unmade") is True,
        is_loose=is_loose,
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
    """Return a number, also from a text, as nodes' signed works have it."""
    if isinstance(value, str):
        try:
            value = float(value[:40])
        except ValueError:
            return None
    good = type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    return float(value) if good else None  # type: ignore[arg-type]
