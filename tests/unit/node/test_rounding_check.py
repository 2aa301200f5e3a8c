"""The second render of what differs, without AVX2, and what it changes in a report."""

import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import attrs
import pytest

from rendertrust.node.child_process import ProcessExit
from rendertrust.node.plugin import Task
from rendertrust.node.plugins import rounding_check
from rendertrust.node.plugins.render import RenderPlugin
from tests.integration.node.scenes import unit

AT: Final = [[0, 0, 8, 8], [8, 8, 8, 8]]
EQUAL: Final = {"at": AT[0], "layer": "a", "equal": True, "off": None}
NEAR: Final = {"at": AT[0], "layer": "a", "equal": False, "off": 0.3}
FAR: Final = {"at": AT[1], "layer": "a", "equal": False, "off": 0.31}
OTHER: Final = {"at": AT[1], "layer": "b", "equal": False, "off": None}
DRAWS: Final = [[0.1, 0.1, None]]
FRAME: Final = {"do": "check", "draws": DRAWS, "evidence": "it", "whole": True}
KEPT: Final = {"event": "done", "kept": ["ours.exr"]}
ORDERED: Final = {"keep": True, "sheet": True, **FRAME}


@attrs.frozen
class Found:
    """A Blender on this machine."""

    variables: tuple[str, ...] = ()


@attrs.frozen
class Worker:
    """A plugin whose second worker sends ``last``, or ``of_whole`` about the whole frame; keeps the
    orders, and their variables.
    """

    last: Mapping[str, Any]
    of_whole: Mapping[str, Any] | None = None
    found: Found = Found()
    runtime_seconds_max: float = 9.0
    orders: list[Any] = attrs.field(factory=list[Any])

    async def obey(self, order: Mapping[str, Any], _: Task, __: Any) -> ProcessExit:
        assert self.runtime_seconds_max <= 1.0, "less than is left"
        self.orders.append((order, self.found.variables))
        last = self.last if self.of_whole is None or not order.get("whole") else self.of_whole
        return ProcessExit(code=0, last=last, tail="its end")


@pytest.fixture(autouse=True)
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounding_check, "has_two_kernels", lambda: True)


async def checked(
    folder: Path, worker: Worker, told: Mapping[str, Any], order: Mapping[str, Any] = ORDERED
) -> Mapping[str, Any]:
    """Return the report after the first worker has left its files."""
    task = unit(folder, {}, {})
    for part in ("out", "delivered"):
        (folder / part).mkdir()
    for name in told.get("kept", ()):
        (folder / "out" / name).write_bytes(name.encode())
    until, plugin = time.monotonic() + 1, cast("RenderPlugin", worker)
    return await rounding_check.check_rounding(plugin, order, task, told, until)


@pytest.mark.parametrize(
    ("crops", "is_loose"),
    [
        ([EQUAL], False),
        ([NEAR], False),
        ([FAR, OTHER], True),
        ([NEAR, OTHER, FAR], True),
        ([FAR], False),
        ([OTHER, {**FAR, "at": AT[0]}], False),
    ],
)
async def test_each_place_that_differs_must_differ_between_both_kernels(
    tmp_path: Path, crops: list[Any], *, is_loose: bool
) -> None:
    """A place is excused only if the same view layer differs there."""
    worker, told = Worker({"crops": crops}), {**KEPT, "crops": [NEAR, FAR, OTHER]}
    found = await checked(tmp_path, worker, told)
    assert found == ({**told, "loose": True} if is_loose else told)
    whole = {**FRAME, "evidence": "ours", "places": [tuple(AT[1])], "across": DRAWS}
    regions = {name: value for name, value in whole.items() if name != "whole"}
    orders = [regions, whole] if is_loose else [regions]
    assert worker.orders == [(order, ("CYCLES_CPU_NO_AVX2=1",)) for order in orders]
    assert (tmp_path / "delivered" / "ours").read_bytes() == b"ours.exr"


async def test_regions_that_differ_from_the_whole_frame_excuse_nothing(tmp_path: Path) -> None:
    """Both kernels render the whole frame alike, but each renders its regions differently."""
    worker, told = Worker({"crops": [FAR]}, {"crops": [EQUAL]}), {**KEPT, "crops": [FAR]}
    assert await checked(tmp_path, worker, told) == told


async def test_a_tile_is_what_was_delivered_itself(tmp_path: Path) -> None:
    worker = Worker({"crops": [EQUAL]})
    order = {"do": "check_unit", "tile": [0, 0, 9, 9], "draws": DRAWS}
    await checked(tmp_path, worker, {**KEPT, "crops": [FAR]}, order)
    second = {"picture": "ours", "places": [tuple(AT[1])], "across": DRAWS}
    assert worker.orders[0][0] == {**order, **second}


@pytest.mark.parametrize(
    ("outcome", "is_loose"),
    [
        ("exact", False),
        ("consistent", False),
        ("accepted", False),
        ("refused", True),
        ("unsaid", True),
    ],
)
async def test_where_other_seeds_would_clear_an_honest_result_rounding_excuses_nothing(
    tmp_path: Path, outcome: str, *, is_loose: bool
) -> None:
    worker = Worker({"crops": [FAR], "across": {"outcome": outcome}})
    found = await checked(tmp_path, worker, {**KEPT, "crops": [FAR]})
    assert found.get("loose", False) is is_loose


async def test_of_a_chunk_the_compared_frames_are_rendered_again(tmp_path: Path) -> None:
    order = {"do": "check_unit", "frames": [3, 5, 7, 9], "shown": [0.9, 0.4]}
    told = {"kept": ["0005.png", "0009.png"], "crops": [{"equal": False, "off": 9.0}]}
    worker = Worker({"crops": [EQUAL, EQUAL]})
    assert await checked(tmp_path, worker, told, order) == told
    assert worker.orders[0][0] == {
        **order,
        "frames": [5, 9],
        "shown": [0.0, 0.0],
        "picture": "ours",
        "places": [],
    }
    with zipfile.ZipFile(tmp_path / "delivered" / "ours") as packed:
        assert packed.namelist() == told["kept"]


@pytest.mark.parametrize(("first", "is_loose"), [(False, False), (True, True)])
async def test_each_frame_of_a_chunk_that_differs_must_differ_between_both_kernels(
    tmp_path: Path, *, first: bool, is_loose: bool
) -> None:
    order = {"do": "check_unit", "frames": [3, 5], "shown": [0.1, 0.2]}
    told = {"kept": ["0003.png", "0005.png"], "crops": [{"equal": False, "off": 9.0}] * 2}
    ours = [{"equal": not first, "off": 9.0 if first else None}, {"equal": False, "off": 9.0}]
    found = await checked(tmp_path, Worker({"crops": ours}), told, order)
    assert found.get("loose", False) is is_loose


@pytest.mark.parametrize("last", [{}, {"event": "failed"}, {"fault": "it is another size"}])
async def test_without_the_second_render_a_difference_is_no_strike(
    tmp_path: Path, last: dict[str, Any]
) -> None:
    told = {**KEPT, "crops": [FAR]}
    assert await checked(tmp_path, Worker(last), told) == {**told, "loose": True}


async def test_files_are_not_followed_out_of_their_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    worker, order = Worker({}), {"do": "check_unit", "frames": [3], "shown": [0.1]}
    told = {"kept": ["../secret"], "crops": [FAR]}
    (tmp_path / "in").mkdir()
    task = unit(tmp_path / "it", {}, {})
    (task.folder / "out").mkdir()
    plugin = cast("RenderPlugin", worker)
    found = await rounding_check.check_rounding(plugin, order, task, told, time.monotonic() + 1)
    assert (found["loose"], worker.orders) == (True, [])


@pytest.mark.parametrize(
    "told",
    [
        {**KEPT, "crops": [EQUAL, NEAR]},
        {**KEPT, "crops": [FAR], "loose": True},
        {**KEPT, "crops": [FAR], "across": {"outcome": "refused"}},
        {"crops": [FAR]},
        {**KEPT, "fault": "the picture is none"},
    ],
)
async def test_what_is_no_strike_is_not_rendered_again(
    tmp_path: Path, told: dict[str, Any]
) -> None:
    worker = Worker({"crops": [FAR]})
    assert (await checked(tmp_path, worker, told), worker.orders) == (told, [])


async def test_a_machine_with_one_kernel_keeps_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounding_check, "has_two_kernels", lambda: False)
    worker, told = Worker({"crops": [FAR]}), {**KEPT, "crops": [FAR]}
    assert (await checked(tmp_path, worker, told), worker.orders) == (told, [])
