"""What a render order may say, and what the worker's end means."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rendertrust.node.plugin import Completed, Failed, Task
from rendertrust.node.plugins.render import order_of, result_of, scene_of
from rendertrust.node.process import Ending


def task(*names: str) -> Task:
    return Task(
        job_id="j",
        job_type="render",
        payload_ref="x",
        unit=None,
        attempt=None,
        params={},
        folder=Path("/nowhere"),
        inputs={name: Path("/nowhere") / name for name in names},
        threads=1,
        on_progress=lambda share, detail: None,
    )


def test_order_holds_what_was_asked_for_alone() -> None:
    assert order_of({}) == {}
    assert order_of({"resolution": [64, 36]}) == {"width": 64, "height": 36}
    asked = {"frame": -3, "width": 64, "height": 36, "samples": 8, "format": "PNG"}
    assert order_of(asked) == asked


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"frame": 1_048_575}, "frame"),
    ({"frame": "1"}, "frame"),
    ({"frame": True}, "frame"),
    ({"samples": 0}, "samples"),
    ({"width": 64}, "together"),
    ({"width": 3, "height": 64}, "width"),
    ({"resolution": "64x36"}, "resolution"),
    ({"resolution": [64]}, "resolution"),
    ({"format": "GIF"}, "format"),
    ({"format": ["PNG"]}, "format"),
    ({"smaples": 4}, "smaples"),
]


@pytest.mark.parametrize(("params", "words"), BROKEN)
def test_wrong_parameter_is_the_scenes_fault_and_named(params: dict[str, Any], words: str) -> None:
    failed = order_of(params)
    assert isinstance(failed, Failed)
    assert failed.failure == "scene"
    assert words in failed.error


@settings(deadline=None)  # a busy machine is no failure
@given(st.dictionaries(st.sampled_from(["frame", "width", "height", "samples", "format"]),
                       st.none() | st.integers() | st.floats() | st.text(max_size=5)))  # fmt: skip
def test_any_parameters_give_an_order_or_a_reason(params: dict[str, Any]) -> None:
    order_of(params)


def test_scene_is_the_one_blend_among_the_inputs() -> None:
    assert scene_of(task("a.png", "b.blend")) == "b.blend"
    assert scene_of(task("upload")) == "upload"
    for names in ((), ("a.blend", "b.blend")):
        refused = scene_of(task(*names))
        assert isinstance(refused, Failed)
        assert refused.failure == "scene"  # no other node would do better


def test_done_gives_the_picture_and_what_was_measured() -> None:
    last = {"event": "done", "file": "frame.png", "seconds": 1.5, "samples": None, "else": 1}
    ending = Ending(code=0, last=last, tail="")
    assert result_of(ending, Path("/w")) == Completed(
        file=Path("/w/out/frame.png"), work={"seconds": 1.5}
    )


@pytest.mark.parametrize("name", ["../../etc/shadow", "frame.png/../x", "/etc/shadow", 7, None])
def test_other_file_than_the_frame_is_never_taken(name: object) -> None:
    ending = Ending(code=0, last={"event": "done", "file": name}, tail="")
    assert isinstance(result_of(ending, Path("/w")), Failed)


@pytest.mark.parametrize(
    ("code", "words"), [(None, "longer"), (-11, "SIGSEGV"), (137, "SIGKILL"), (3, "code 3")]
)
def test_death_of_blender_is_the_nodes_failure_and_explained(code: int | None, words: str) -> None:
    failed = result_of(Ending(code=code, last={"event": "ready"}, tail="why"), Path("/w"))
    assert isinstance(failed, Failed)
    assert (failed.failure, failed.detail) == ("node", "why")
    assert words in failed.error
