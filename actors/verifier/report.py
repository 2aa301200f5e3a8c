"""Parser of a verifier's report, which is untrusted."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import attrs

from actors.ledger.effects import Comparison
from actors.verifier.thresholds import RegionDifference, Thresholds, is_match, of_region
from rendertrust.node.worker.formats.picture_digest import NAMED_MAX, are_its_own
from sql.units import unit_kind

CROPS_MAX: Final = 256  # crops over all view layers
WORDS_MAX: Final = 300
SAMPLES_MOST: Final = 1 << 24  # Blender's maximum
UNSEEN: Final = "its node signed pixels that the verifier cannot read in the delivered file"
OTHER_PIXELS: Final = "its node signed other pixels than the picture has"
NO_PIXELS: Final = "its node signed no pixels"
UNNAMED: Final = "its node signed a chunk without the names of its pictures"
# Renders with the same seed are ``exact`` or ``consistent`` (within the noise). Renders with other
# seeds are ``accepted``, ``refused`` or ``unsaid`` (undecided).
AcrossOutcome: TypeAlias = Literal["exact", "consistent", "accepted", "refused", "unsaid"]
PluginVerdict: TypeAlias = Literal["valid", "invalid", "unverifiable"]


@attrs.frozen
class OtherClassReport:
    """Outcome of a comparison by a device of another kind, or of drawn frames.

    ``why``: the reason, or a code for it. ``is_drawn``: OpenGL drew the frames. ``drawing``: the
    verifier's drawing class, within which drawn frames are equal.
    """

    outcome: AcrossOutcome
    why: str = ""
    is_drawn: bool = False
    drawing: str | None = None


@attrs.frozen
class Report:
    """A parsed report of a verifier on one result.

    ``compared``: differences of the crops, and, if ``is_finished``, of the rebuilt picture as the
    last element. ``fault``: the defect of the delivery. ``unable``: why the scene cannot be
    compared. ``looked``: the result was only opened, as requested. ``suspect``: why the result
    should be compared.
    """

    compared: tuple[RegionDifference, ...] = ()
    fault: str | None = None
    unable: str | None = None
    looked: bool = False
    suspect: str | None = None
    is_finished: bool = False  # the picture was rebuilt and compared
    is_whole: bool = False  # the crop is the whole frame, or the crops were cut out of it
    is_uncut: bool = False  # with ``unable``: the whole frame can be compared instead of regions
    is_unmade: bool = False  # the verifier crashed while it rebuilt the picture from the evidence
    is_loose: bool = False  # honest frames of such a scene may differ beyond the noise
    lacks_evidence: bool = False  # the ``fault`` is that no evidence was delivered
    is_unseen: bool = False  # the verifier cannot read the pixels that the node signed
    samples: int | None = None  # per pixel, as the scene was rendered
    pixels: str | None = None  # SHA-256 of the pixels as the verifier read them
    # outcome for a verifier of another device kind, or for frames that OpenGL drew
    across: OtherClassReport | None = None
    depends: str | None = None  # why honest devices of other kinds render the scene differently

    @property
    def crops(self) -> tuple[RegionDifference, ...]:
        """The differences of the crops, without the difference of the rebuilt picture."""
        return self.compared[:-1] if self.is_finished else self.compared

    @property
    def farthest(self) -> float:
        """The largest difference, in multiples of the noise."""
        return max((one.off for one in self.compared), default=0.0)

    @property
    def comparison(self) -> Comparison | None:
        """The scope of the comparison; None if nothing was compared."""
        if not self.compared:
            return None
        distance = self.farthest if math.isfinite(self.farthest) else None
        scope: Literal["regions", "whole"] = "whole" if self.is_whole else "regions"
        return Comparison(scope, self.is_finished, distance, self.is_loose)

    def rests_on_crops(self, limits: Thresholds) -> bool:
        """Return True if the delivery is wrong only in crops: there is no fault, and the picture
        matches its evidence.
        """
        if self.fault is not None:
            return False
        return self.is_made_of_evidence(limits)

    def is_made_of_evidence(self, limits: Thresholds) -> bool:
        """Return True unless the picture rebuilt from the evidence differs from the delivered
        picture.
        """
        return not self.is_finished or is_match(of_region(self.compared[-1], limits))

    def by_crop(self, count: int) -> list[tuple[RegionDifference, ...]] | None:
        """Group the differences by crop, as there is one difference per crop and view layer.

        None if the number of differences is no multiple of ``count``.
        """
        layers, left = divmod(len(self.crops), count)
        if left or not layers:
            return None
        return [self.crops[start : start + layers] for start in range(0, count * layers, layers)]


@attrs.frozen
class PluginReport:
    """A parsed report of a plugin's check. ``is_exact``: the result is equal to the last bit."""

    verdict: PluginVerdict
    reason: str = ""
    is_exact: bool = False


@attrs.frozen
class NoReport:
    """The report is missing or malformed, which is the verifier's fault."""

    reason: str


def answer(raw: Mapping[str, Any], crops: int, least: int | None = None) -> Report | NoReport:
    """Parse the report on a check that was to compare ``crops`` crops. Never raises.

    Return NoReport if crops are missing. Crops may be missing if the whole frame was compared at
    once, or if the report has at least ``least`` crops.
    """
    read = read_report(raw)
    if not (isinstance(read, Report) and read.compared and crops):
        return read
    if read.is_whole and len(read.crops) == 1:
        return read
    if least is not None and least <= len(read.crops) <= crops:
        return read
    if read.by_crop(crops) is None:
        return NoReport("the report covers other crops than requested")
    return read


def plugins_answer(raw: Mapping[str, Any]) -> PluginReport | NoReport:
    """Parse the report of a plugin's check. Never raises."""
    verdict = raw.get("verdict")
    if verdict not in get_args(PluginVerdict):
        return NoReport("the report has no verdict")
    reason = _words(raw.get("reason")) or ""
    is_exact = verdict == "valid" and raw.get("exact") is True
    return PluginReport(cast("PluginVerdict", verdict), reason, is_exact)


def answers(raw: Mapping[str, Any] | None, count: int) -> list[Report | None]:
    """Parse the report on a batch of ``count`` results; None for a result without a report.

    Never raises.
    """
    found = None if raw is None else raw.get("opened")
    if not isinstance(found, list) or len(found) != count:
        return [None] * count
    return [_answer(one) for one in found]


def _answer(raw: object) -> Report | None:
    read = read_report(raw) if isinstance(raw, Mapping) else None
    return read if isinstance(read, Report) and not read.compared else None


def held_to(report: Report, work: str | None) -> Report:
    """Return the report, with a fault if the node signed other pixels in ``work`` than were found.

    A check must be repeatable from the signed work, so unsigned pixels, or a chunk's pictures
    without their names, are a fault. If the verifier cannot read the signed pixels, that is no
    fault (``is_unseen``), as other versions of the verifier may read more kinds of pictures.
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
    """Return False if the signed work record is of a chunk of up to NAMED_MAX frames, but does not
    name their pictures.
    """
    kind = unit_kind(document.get("job_type", ""), document.get("parameters", {}))
    is_listed = isinstance(document["pixels"].get("pictures"), dict)
    return kind != "chunk" or len(document["parameters"]["frames"]) > NAMED_MAX or is_listed


def clears(report: Report, work: str | None) -> bool:
    """Return True if opening the result showed nothing wrong; ``work``: what its node signed."""
    return held_to(report, work).fault is None and report.suspect is None


def read_report(raw: Mapping[str, Any]) -> Report | NoReport:
    """Parse a report without comparing it with the check that was requested. Never raises."""
    read = _read(raw)
    if isinstance(read, NoReport):
        return read
    count = _number(raw.get("samples"))
    samples = None if count is None or not 1 <= count <= SAMPLES_MOST else int(count)
    return attrs.evolve(
        read,
        pixels=_words(raw.get("seen")),
        samples=samples,
        across=_across(raw.get("across")),
        depends=_words(raw.get("depends")),
    )


def _read(raw: Mapping[str, Any]) -> Report | NoReport:
    fault, unable = _words(raw.get("fault")), _words(raw.get("unable"))
    is_loose = raw.get("loose") is True
    if fault is not None or unable is not None:
        suspect = None if fault else _words(raw.get("suspect"))
        is_uncut = raw.get("uncut") is True
        lacks_evidence = fault is not None and raw.get("bare") is True
        unable = None if fault else unable
        return Report(
            fault=fault,
            unable=unable,
            suspect=suspect,
            is_uncut=is_uncut,
            lacks_evidence=lacks_evidence,
            is_loose=is_loose,
        )
    if raw.get("looked") is True:
        return Report(looked=True, suspect=_words(raw.get("suspect")), is_loose=is_loose)
    crops, finish = raw.get("crops"), raw.get("finish")
    if not isinstance(crops, list) or not 1 <= len(crops) <= CROPS_MAX:
        return NoReport("the report has no crops")
    found = [_compared(one) for one in (*crops, *([] if finish is None else [finish]))]
    if any(one is None for one in found):
        return NoReport("a comparison cannot be read")
    compared = tuple(one for one in found if one is not None)
    return Report(
        compared,
        is_finished=finish is not None,
        is_whole=raw.get("whole") is True,
        is_unmade=raw.get("unmade") is True,
        is_loose=is_loose,
    )


def _across(raw: object) -> OtherClassReport | None:
    if not isinstance(raw, Mapping) or raw.get("outcome") not in get_args(AcrossOutcome):  # pyright: ignore[reportUnknownMemberType]
        return None
    outcome = cast("AcrossOutcome", raw["outcome"])
    looks: Any = raw.get("looks")
    last = looks[-1] if isinstance(looks, list) and looks else []
    layers = [one for one in last if isinstance(one, Mapping)] if isinstance(last, list) else []
    if is_drawn := "drawing" in raw:
        layers = [cast("Mapping[str, Any]", raw)]
    why = dict.fromkeys(
        word
        for one in layers
        for word in (*_list(one.get("reasons")), one.get("unsaid"))
        if isinstance(word, str)
    )
    drawing = _words(raw.get("drawing"))
    return OtherClassReport(outcome, ", ".join(why)[:WORDS_MAX], is_drawn, drawing)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _words(value: object) -> str | None:
    return value[:WORDS_MAX] if isinstance(value, str) and value else None


def _compared(raw: object) -> RegionDifference | None:
    if not isinstance(raw, Mapping) or type(raw.get("equal")) is not bool:
        return None
    if raw["equal"]:
        return RegionDifference(True, 0.0)
    if "off" not in raw:
        return None
    if raw["off"] is None:
        return RegionDifference(False, math.inf)
    off = _number(raw["off"])
    return None if off is None or off < 0 else RegionDifference(False, off)


def _number(value: object) -> float | None:
    """Return a finite number, also from a text, as signed work records contain numbers as texts."""
    if isinstance(value, str):
        try:
            value = float(value[:40])
        except ValueError:
            return None
    good = type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    return float(value) if good else None  # type: ignore[arg-type]
