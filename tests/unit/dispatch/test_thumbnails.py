"""Which previews of a unit's frames are kept."""

import base64
from typing import Any

import pytest

from actors.node_session.unit_reports import JPEG, frame_number_of, picture_of
from rendertrust.protocol import Preview


def preview(data: str = "", frame: int | None = None, **more: Any) -> Preview:
    return Preview(job_id="j", frame=frame, data=data or "AAAA", **more)


@pytest.mark.parametrize(
    ("params", "frame", "shown", "kept"),
    [
        ({"frame": 3}, 3, set(), 3),
        ({"frame": 3}, 4, set(), None),
        ({"frame": 3}, None, set(), 3),
        ({"frames": [1, 2]}, 2, {1}, 2),
        ({"frames": [1, 2]}, 2, {2}, None),
        ({}, 37, set(), 37),
        ({}, 38, {37}, None),
        ({}, None, set(), 0),
    ],
)
def test_each_frame_that_a_unit_has_is_shown_once(
    params: dict[str, Any], frame: int | None, shown: set[int], kept: int | None
) -> None:
    assert frame_number_of(preview(frame=frame), params, shown) == kept


@pytest.mark.parametrize(
    ("content", "mime", "kept"),
    [
        (JPEG + b"x", "image/jpeg", True),
        (JPEG + b"x", "image/png", False),
        (b"<svg/>", "image/jpeg", False),
    ],
)
def test_only_what_may_be_a_small_jpeg_is_kept(content: bytes, mime: str, kept: bool) -> None:
    data = base64.b64encode(content).decode()
    assert (picture_of(preview(data, mime=mime)) is not None) == kept


def test_what_is_no_base64_is_no_picture() -> None:
    assert picture_of(preview("/9j/ !!")) is None
