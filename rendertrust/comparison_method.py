"""Methods of comparing a result with renders that cannot equal it: codes, and their sentences."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class ComparisonMethod(StrEnum):
    """How a verdict was found if the result was not compared with a render of the same seeds.

    ``OTHER_SEEDS``: with renders of other seeds, as the verifier has another kind of device.
    ``OTHER_DRIVER`` and ``SAME_DRIVER``: frames by EEVEE, with frames that another graphics driver,
    or the same one, drew.
    """

    OTHER_SEEDS = "other-seeds"
    OTHER_DRIVER = "other-driver"
    SAME_DRIVER = "same-driver"


SENTENCES: Final[Mapping[ComparisonMethod, str]] = {
    ComparisonMethod.OTHER_SEEDS: "compared with renders of other seeds",
    ComparisonMethod.OTHER_DRIVER: "compared with frames by another graphics driver",
    ComparisonMethod.SAME_DRIVER: "compared with frames by the same graphics driver",
}


def describe(method: ComparisonMethod, detail: str = "") -> str:
    """Return the sentence for a method, and the detail that varies."""
    return f"{SENTENCES[method]}: {detail}" if detail else SENTENCES[method]
