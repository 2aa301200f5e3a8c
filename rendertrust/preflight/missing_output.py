"""Scenes that make no picture which can be delivered: what is said of each, by the node's code."""

from collections.abc import Mapping
from typing import Any, Final

import attrs


@attrs.frozen(kw_only=True)
class MissingOutput:
    """What a finding says."""

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
        message="it is rendered for several eyes at once; nodes render one picture of a frame",
        setting="Output Properties > Stereoscopy: off, and a scene for each eye",
    ),
    "no_view_layer": MissingOutput(
        code="no_view_layer",
        message="none of its view layers is rendered, so nothing would be",
        setting="View Layer Properties > View Layer > Use for Rendering",
    ),
    "no_compositor_output": MissingOutput(
        code="no_compositor_output",
        message="its compositor puts out no picture",
        setting="Compositor: Add > Output > Group Output, or switch off Output Properties > "
        "Post Processing > Compositing",
    ),
}


def of(facts: Mapping[str, Any]) -> list[MissingOutput]:
    """Those that the facts name; what a newer node knows more is left out, as is a movie's format,
    which has a finding of its own.
    """
    codes = [code for code in facts.get("unmade", ()) if code in KNOWN]
    if facts["is_movie"] and "format" in codes:
        codes.remove("format")
    return [
        attrs.evolve(KNOWN[code], message=KNOWN[code].message.format(format=facts["format"]))
        for code in codes
    ]
