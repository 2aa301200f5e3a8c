"""Reports of verifiers, parsed as untrusted JSON."""

import hashlib
import json
import math
from typing import Any

import pytest

from actors.verifier.report import (
    NO_PIXELS,
    OTHER_PIXELS,
    UNNAMED,
    NoReport,
    Report,
    answer,
    held_to,
    read_report,
)
from actors.verifier.thresholds import RegionDifference
from rendertrust.node.worker.formats.picture_digest import of_named

EQUAL = {"equal": True}
NAMED = {"0001.png": "11" * 32, "0002.png": "22" * 32}
PIXELS = hashlib.sha256(b"pixels").hexdigest()


def test_each_crop_is_read_as_it_compares() -> None:
    crops = [EQUAL, {"equal": False, "off": 0.25}, {"equal": False, "off": None}]
    read = read_report({"crops": crops})
    assert isinstance(read, Report)
    assert read.compared == (
        RegionDifference(True, 0),
        RegionDifference(False, 0.25),
        RegionDifference(False, math.inf),
    )


@pytest.mark.parametrize(
    "crop",
    [
        *({"equal": 1}, {"equal": "yes"}, {}, {"equal": False}, "equal"),
        *({"equal": False, "off": off} for off in (-1, math.nan, math.inf, "near", True)),
    ],
)
def test_what_does_not_say_how_it_compares_is_no_report(crop: Any) -> None:
    assert isinstance(read_report({"crops": [EQUAL, crop]}), NoReport)


def test_no_crop_that_was_asked_for_may_be_left_out() -> None:
    assert isinstance(answer({"crops": [EQUAL] * 3}, 3), Report)
    assert isinstance(answer({"crops": [EQUAL] * 6}, 3), Report), "three places in two view layers"
    for told in (1, 2, 4):
        assert isinstance(answer({"crops": [EQUAL] * told}, 3), NoReport)


def test_a_node_is_held_to_the_pixels_that_it_signed_for() -> None:
    report = Report((RegionDifference(True, 0),), pixels=PIXELS)
    assert held_to(report, None) is report
    assert held_to(report, json.dumps({"pixels": {"sha256": PIXELS}})) is report
    other = json.dumps({"pixels": {"sha256": "ab" * 32}})
    assert held_to(report, other) == Report(fault=OTHER_PIXELS)
    unseen = held_to(Report(report.compared), other)
    assert (unseen.is_unseen, unseen.fault) == (True, None)


@pytest.mark.parametrize(
    ("frames", "pixels", "fault"),
    [
        ([1, 2], {"pictures": NAMED}, None),
        ([1, 2], {}, UNNAMED),
        ([1, 2], {"pictures": None}, UNNAMED),
        ([1, 2], {"pictures": {}}, OTHER_PIXELS),
        ([*range(65)], {}, None),
        ([1], {}, None),
        (None, {}, None),
        (None, None, NO_PIXELS),
        ([1, 2], None, NO_PIXELS),
    ],
)
def test_a_node_signs_for_pixels_and_names_the_pictures_of_a_chunk(
    frames: list[int] | None, pixels: dict[str, Any] | None, fault: str | None
) -> None:
    """Without both, nobody could repeat the check of a single frame."""
    seen = of_named(NAMED)
    signed = None if pixels is None else {"sha256": seen, **pixels}
    parameters = {} if frames is None else {"frames": frames}
    work = json.dumps({"pixels": signed, "job_type": "render", "parameters": parameters})
    assert held_to(Report(looked=True, pixels=seen), work).fault == fault
    assert held_to(Report(looked=True), work).is_unseen is (signed is not None)
