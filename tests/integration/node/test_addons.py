"""Scenes whose nodes come from an add-on that the job brings."""

import socket
from collections.abc import AsyncGenerator
from pathlib import Path

import attrs
import pytest

from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins.check import EVIDENCE, PICTURE, CheckPlugin
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.scene_inspection import SceneFolder, inspect
from rendertrust.preflight.findings import NodeClass, findings
from tests.integration.node.checks import DRAWS
from tests.integration.node.scenes import pixels, unit
from tests.support.blender_addons import NODE, PATH, addon, painted

pytestmark = pytest.mark.render
MIDDLE = (18, 32)  # row and column, where the cube is


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a scene with a node of the add-on, made by a Blender of its own."""
    return painted(tmp_path_factory.mktemp("painted"))


@pytest.fixture
async def node(found_blender: Blender, tmp_path: Path) -> AsyncGenerator[RenderPlugin]:
    render = RenderPlugin(scratch=tmp_path / "scratch", found=found_blender)
    render.residents.rest_seconds = 600.0
    yield render
    await render.residents.end()


async def test_a_scene_is_rendered_with_its_addon_and_checked(
    node: RenderPlugin, scene: Path, tmp_path: Path
) -> None:
    inputs = {"s.blend": scene, PATH: addon(tmp_path / "a.zip")}
    delivered = dict[str, Path]()
    for number in (1, 2):  # the second one with the same Blender
        given = {"frame": number, "evidence": True}
        work = attrs.evolve(unit(tmp_path / f"unit-{number}", inputs, given), content="c")
        done = await node.run(work)
        assert isinstance(done, Completed), done
        assert done.file is not None
        assert done.evidence is not None
        delivered = {**inputs, PICTURE: done.file, EVIDENCE: done.evidence}
        red, green, blue = pixels(done.file)[MIDDLE][:3]
        assert (red > 200, green, blue) == (True, 0, 0)
    params = {"frame": 2, "draws": DRAWS}
    check = attrs.evolve(unit(tmp_path / "check", delivered, params), job_type="check")
    report = await CheckPlugin(node).run(check)
    assert isinstance(report, Completed), report
    assert [crop["equal"] for crop in report.work["crops"]] == [True] * len(DRAWS)


async def test_only_without_its_addon_a_node_is_unknown(
    found_blender: Blender, scene: Path, tmp_path: Path
) -> None:
    zips = {name: addon(tmp_path / f"{len(name)}.zip", within=name) for name in ("", "paint-1.2/")}
    for number, (within, more, unknown) in enumerate(
        (
            ("", {}, ["Material 'Material' > Paint"]),
            ("", {"addons": [PATH]}, []),
            ("paint-1.2/", {"addons": [PATH]}, []),
        )
    ):
        inputs = {"s.blend": scene, PATH: zips[within]}
        work = unit(tmp_path / str(number), inputs, {})
        facts = await inspect(
            found_blender, SceneFolder(folder=work.folder, scene="s.blend", more=more)
        )
        assert isinstance(facts, dict), facts
        assert facts["unknown_nodes"] == unknown


async def test_a_preflight_says_that_an_addon_does_not_work(
    found_blender: Blender, scene: Path, tmp_path: Path
) -> None:
    broken = addon(tmp_path / "a.zip", node="raise ValueError('broken')\n")
    work = unit(tmp_path / "unit", {"s.blend": scene, PATH: broken}, {})
    where = SceneFolder(folder=work.folder, scene="s.blend", more={"addons": [PATH]})
    facts = await inspect(found_blender, where)
    assert isinstance(facts, dict), facts
    (found,) = findings(facts, NodeClass())
    assert (found.code, found.level) == ("unusable_addon", "error")
    assert found.message.startswith("the add-on paint_node does not work in Blender")
    assert found.message.endswith("broken")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({"first": "99.0.0"}, "the add-on paint_node needs Blender 99.0.0 or newer"),
        ({"more": 'blender_version_max = "4.2.1"\n'}, "works only before Blender 4.2.1"),
        ({"node": "raise ValueError('broken')\n"}, "does not work in Blender"),
    ],
    ids=("too new", "too old", "broken"),
)
async def test_a_unit_says_why_its_addon_cannot_be_used(
    node: RenderPlugin, scene: Path, tmp_path: Path, made: dict[str, str], why: str
) -> None:
    inputs = {"s.blend": scene, PATH: addon(tmp_path / "a.zip", **made)}
    failed = await node.run(unit(tmp_path / "unit", inputs, {"frame": 1}))
    assert isinstance(failed, Failed), failed
    assert (failed.failure, why in failed.error) == ("scene", True), failed.error


async def test_a_file_that_is_no_zip_fails_the_unit(
    node: RenderPlugin, scene: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "a.zip"
    broken.write_text("no zip")
    failed = await node.run(unit(tmp_path / "unit", {"s.blend": scene, PATH: broken}, {"frame": 1}))
    assert isinstance(failed, Failed), failed
    assert (failed.failure, "cannot be unpacked" in failed.error) == ("scene", True), failed.error


async def test_an_addon_has_no_network(node: RenderPlugin, scene: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        dial = f"\nimport socket\nsocket.create_connection({server.getsockname()!r}, 5)\n"
        inputs = {"s.blend": scene, PATH: addon(tmp_path / "a.zip", node=NODE + dial)}
        failed = await node.run(unit(tmp_path / "unit", inputs, {"frame": 1}))
        assert isinstance(failed, Failed), failed
        assert "paint_node does not work" in failed.error
        with pytest.raises(BlockingIOError):
            server.accept()
