"""A picture that its own passes do not give, where regions render differently."""

from actors.verifier.report import Report, answer
from tests.unit.verifier.test_case import OTHER_FINISH, apart, heard, whole


def test_a_picture_that_its_passes_do_not_give_is_invalid_also_after_the_whole_frame() -> None:
    case = heard(apart(0.9), whole(OTHER_FINISH))
    assert case.verdict is not None
    assert case.verdict.outcome == "invalid", case.verdict


def test_a_scene_of_many_layers_gives_a_report() -> None:
    """Three crops of ninety view layers."""
    told = {"crops": [{"equal": True, "off": None}] * 270, "finish": {"equal": True, "off": None}}
    assert isinstance(answer(told, 3), Report)
