"""Small pictures that a node shows of its frames: which are kept. Nobody opens them here."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from rendertrust.protocol import Preview

JPEG: Final = b"\xff\xd8\xff"
FRAMES_MAX: Final = 64  # of one unit


def frame_of(preview: Preview, params: Mapping[str, Any], shown: set[int]) -> int | None:
    """Of which frame it is, if one of the unit's, and not ``shown`` before; else None.

    A unit that names none has one: whichever the scene says.
    """
    named = params.get("frames") or [params["frame"]] if {"frame", "frames"} & set(params) else []
    frame = preview.frame if preview.frame is not None else (named or [0])[0]
    if frame in shown or len(shown) >= FRAMES_MAX:
        return None
    return frame if frame in named or (not named and not shown) else None


def picture_of(preview: Preview) -> bytes | None:
    """The bytes, if they may be a JPEG; None: they are none. A frame of the relay bounds them."""
    if preview.mime != "image/jpeg":
        return None
    try:
        picture = base64.b64decode(preview.data, validate=True)
    except (binascii.Error, ValueError):
        return None
    return picture if picture.startswith(JPEG) else None
