"""A picture that its own passes do not give, where regions render differently."""

import asyncio
from typing import Any

import pytest

from actors.verifier.report import Report, answer
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import verifying
from tests.unit.verifier.test_case import OTHER_FINISH, apart, heard, whole
from tests.unit.verifier.test_several import another_gateway


def test_a_picture_that_its_passes_do_not_give_is_invalid_also_after_the_whole_frame() -> None:
    case = heard(apart(0.9), whole(OTHER_FINISH))
    assert case.verdict is not None
    assert case.verdict.outcome == "invalid", case.verdict


def test_a_scene_of_many_layers_gives_a_report() -> None:
    """Three crops of ninety view layers."""
    told = {"crops": [{"equal": True, "off": None}] * 270, "finish": {"equal": True, "off": None}}
    assert isinstance(answer(told, 3), Report)


@simulated
async def test_a_whole_frame_is_checked_where_its_verifier_connects_next() -> None:
    """A verifier that reconnects may reach another gateway."""
    async with verifying() as play, another_gateway(play) as other:
        checker = play.inspector()
        job = await play.delivered()
        await play.checks(checker, apart(0.9))
        order = await play.asked(checker)
        assert order.whole
        play.goes(checker)
        there = other.inspector()
        await asyncio.sleep(600)
        assert there.probe.ref.depth > 0, "nobody is asked"
        await other.confirms(there, apart(0.9))
        await other.ends(job, "QUEUED")


def test_a_scene_that_another_kind_of_device_cannot_compare_pays_nobody() -> None:
    """The node states its own kind. Path guiding is no region, and depends on the device."""
    told = {"unable": "Path Guiding", "uncut": True, "depends": "Path Guiding"}
    case = heard(told, device_class="optix/x86_64/5.2")
    assert case.verdict is not None
    assert (case.verdict.outcome, case.verdict.from_scene) == ("unverifiable", False)


@pytest.mark.parametrize(
    ("job_type", "params"),
    [("render", {"tile": [0, 0, 8, 8]}), ("render", {"tiles": [[0, 0, 8, 8]]}), ("video", {})],
)
def test_a_result_that_no_honest_node_makes_pays_nobody(
    job_type: str, params: dict[str, Any]
) -> None:
    """Honest nodes fail tiles of scenes that cannot be split, and videos of files that are no
    pictures.
    """
    case = heard({"unable": "the scene cannot be split"}, job_type=job_type, params=params)
    assert case.verdict is not None
    assert not case.verdict.from_scene


def test_a_fault_is_no_strike_where_honest_frames_may_differ() -> None:
    """A driver may read the number of threads and change the picture's size."""
    case = heard({"fault": "the picture is 64 by 36, not 96 by 36", "loose": True})
    assert case.verdict is not None
    assert (case.verdict.outcome, case.verdict.strike) == ("invalid", False)
