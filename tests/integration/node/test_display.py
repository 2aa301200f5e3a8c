"""Conversion of rendered light to display values by Blender: equal on both sides of a comparison,
whatever the scene's settings are.
"""

import json
from pathlib import Path

import pytest

from tests.integration.node.scenes import run

pytestmark = pytest.mark.render
PROGRAM = """
import json, sys
import bpy
import numpy as np
from rendertrust.node.worker.checks import view_transform

out, told = sys.argv[1], {}
scene = bpy.context.scene
scene.render.dither_intensity = 2.0
light = np.random.default_rng(1).exponential(0.3, (16, 24, 4)).astype(np.float32)
light[0, 0], light[1, 1], light[2, 2] = 1e4, 0.0, np.nan
shown = lambda of: view_transform.shown(bpy, scene, of, out)
for view in ("AgX", "Standard"):
    scene.view_settings.view_transform = view
    whole = shown(light)
    told[view] = {
        "again": bool(np.array_equal(whole, shown(light), equal_nan=True)),
        "part": bool(np.array_equal(whole[4:9, 3:20], shown(light[4:9, 3:20]))),
        "alpha": bool(np.array_equal(whole, shown(light[..., :3]), equal_nan=True)),
        "white": bool((whole[0, 0] == 1.0).all()),
        "none": bool(np.isnan(whole[2, 2]).all() and np.isnan(whole).sum() == 3),
    }
linear = np.clip(np.nan_to_num(light[..., :3]), 0, 1)
coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
told["sRGB"] = float(np.abs(coded - np.nan_to_num(whole)).max())
scene.view_settings.exposure = 1.0
told["exposed"] = float(np.nanmean(shown(light) - whole))
told["kept"] = [scene.render.dither_intensity, scene.render.image_settings.color_depth]
with open(sys.argv[2], "w") as file:
    json.dump(told, file)
"""


def test_light_is_mapped_by_the_scenes_view_transform(tmp_path: Path) -> None:
    run(PROGRAM, str(tmp_path), str(tmp_path / "told.json"))
    told = json.loads((tmp_path / "told.json").read_text())
    for view in ("AgX", "Standard"):
        assert all(told[view].values()), (view, told[view])
    assert told["sRGB"] < 2e-4
    assert told["exposed"] > 0.05
    assert told["kept"] == [2.0, "8"]
    assert not list(tmp_path.glob("*.png"))
