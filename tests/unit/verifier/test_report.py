"""Reports of verifiers, read as untrusted JSON."""

import hashlib
import json
import math
from typing import Any

import pytest

from actors.verifier.report import OTHER_PIXELS, NoReport, Report, answer, held_to, read_report
from actors.verifier.thresholds import RegionDifference

EQUAL = {"equal": True}
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
    assert isinstance(answer({"crops": [EQUAL] * 6}, 3), Report), "of two view layers"
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
