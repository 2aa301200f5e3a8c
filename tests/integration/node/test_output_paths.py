"""The extension names frames as Blender itself would name them."""

import json
from pathlib import Path

import pytest

from tests.integration.node.scenes import make

pytestmark = pytest.mark.render
ROOT = Path(__file__).resolve().parents[3]
PATHS = (
    "//out/",
    "//out/shot_",
    "//out/shot",
    "//shot_##",
    "//out/a.b_###_v2",
    "/tmp/x/####",
    "//a#b##",
    "//out/shot_####.exr",
    "//{blend_name}_{fps}/shot_",
)
PROGRAM = """
import bpy, json, sys
from pathlib import Path
root, answers, *paths = sys.argv[1:]
sys.path.insert(0, root)
from extension.scene import out_of
from rendertrust.client.frame_downloads import named
scene, told = bpy.context.scene, []
for path in paths:
    for suffix in ("", ".png"):
        for frame in (7, -3, 12345):
            scene.render.filepath = path + (suffix if not path.endswith("/") else "")
            out = out_of(scene)
            ours = Path(out.path, named(out.stem, frame) + scene.render.file_extension)
            told.append((str(ours), str(Path(scene.render.frame_path(frame=frame)))))
with open(answers, "w") as file:
    json.dump(told, file)
"""


def test_each_output_path_gives_the_names_that_blender_gives(tmp_path: Path) -> None:
    make(PROGRAM, str(ROOT), str(tmp_path / "told.json"), *PATHS)
    told = json.loads((tmp_path / "told.json").read_text())
    assert len(told) == 6 * len(PATHS)
    for ours, blenders in told:
        assert ours == blenders
