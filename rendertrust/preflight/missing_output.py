"""Findings about scenes without a deliverable picture, by the worker's code."""

from collections.abc import Mapping
from typing import Any, Final

import attrs


@attrs.frozen(kw_only=True)
class MissingOutput:
    """Texts of a finding."""

    code: str
    message: str
    setting: str


KNOWN: Final[Mapping[str, MissingOutput]] = {
    "format": MissingOutput(
        code="format_not_delivered",
        message="the scene writes {format}; no node delivers pictures of this format",
        setting="Output Properties > Output > File Format: PNG or OpenEXR",
    ),
    "stereoscopy": MissingOutput(
        code="stereoscopy",
        message="it renders several pictures of a frame at once; nodes deliver one",
        setting="Output Properties > Stereoscopy: off, and submit a scene for each eye",
    ),
    "no_view_layer": MissingOutput(
        code="no_view_layer",
        message="all view layers are switched off for rendering",
        setting="View Layer Properties > View Layer > Use for Rendering",
    ),
    "no_compositor_output": MissingOutput(
        code="no_compositor_output",
        message="the compositor has no picture output",
        setting="Compositor: Add > Output > Group Output, or switch off Output Properties > "
        "Post Processing > Compositing",
    ),
}


def of(facts: Mapping[str, Any]) -> list[MissingOutput]:
    """Return the findings for the facts' codes, ignoring codes of newer workers.

    A movie's format is left out, because it has a separate finding.
    """
    codes = [code for code in facts.get("unmade", ()) if code in KNOWN]
    if facts["is_movie"] and "format" in codes:
        codes.remove("format")
    return [
        attrs.evolve(KNOWN[code], message=KNOWN[code].message.format(format=facts["format"]))
        for code in codes
    ]
