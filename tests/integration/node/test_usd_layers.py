"""Files to which USD files by pxr and Blender refer."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rendertrust.node.worker.scene import usd_layers
from tests.integration.node.scenes import make

pytestmark = pytest.mark.render

FIND = """
import json, os, sys
from rendertrust.node.worker.scene import usd_layers
bpy.utils.expose_bundled_modules()
from pxr import Sdf, Usd, UsdGeom, UsdUtils

folder = sys.argv[-1]
os.makedirs(os.path.join(folder, "parts"))
at = lambda name: os.path.join(folder, name)

def stage(name):
    made = Usd.Stage.CreateNew(at(name))
    made.SetDefaultPrim(UsdGeom.Cube.Define(made, "/Root").GetPrim())
    return made

def written(name, **names):
    made = stage(name)
    for number, one in enumerate(names.get("references", ())):
        made.DefinePrim(f"/Root/R{number}").GetReferences().AddReference(one)
    for number, one in enumerate(names.get("payloads", ())):
        made.DefinePrim(f"/Root/P{number}").GetPayloads().AddPayload(one)
    for one in names.get("layers", ()):
        made.GetRootLayer().subLayerPaths.append(one)
    made.GetRootLayer().Save()

"""
TOLD = """
found = {
    name: [os.path.relpath(one, folder) for one in usd_layers.layers(bpy, at(name))]
    for name in ASKED
}
with open(at("found.json"), "w") as file:
    json.dump(found, file)
"""


def references_found(folder: Path, program: str, *asked: str) -> dict[str, list[str]]:
    """Run a program that writes files into the folder; return the files that each of ``asked``
    uses.
    """
    make(f"import bpy\n{FIND}{program}\nASKED = {asked!r}\n{TOLD}", str(folder))
    result: dict[str, list[str]] = json.loads((folder / "found.json").read_text())
    return result


@pytest.mark.parametrize("suffix", ["usda", "usdc"])
def test_layers_references_payloads_variants_and_clips_are_found(
    tmp_path: Path, suffix: str
) -> None:
    program = f"""
for name in ("reference", "payload", "layer", "variant", "clip.1", "clip.2"):
    written(f"parts/{{name}}.usdc", references=["./leaf.usda"] if name == "payload" else ())
written("parts/leaf.usda")
main = "main.{suffix}"
written(
    main, references=["./parts/reference.usdc", "./nowhere.usdc"],
    payloads=["parts/payload.usdc"], layers=["parts/layer.usdc:SDF_FORMAT_ARGS:a=b"],
)
made = Usd.Stage.Open(at(main))
root = made.GetPrimAtPath("/Root")
variants = root.GetVariantSets().AddVariantSet("one")
variants.AddVariant("other")
variants.SetVariantSelection("other")
with variants.GetVariantEditContext():
    made.DefinePrim("/Root/Varying").GetReferences().AddReference("./parts/variant.usdc")
clips = Usd.ClipsAPI(root)
clips.SetClipPrimPath("/Root")
clips.SetClipTemplateAssetPath("./parts/clip.#.usdc")
clips.SetClipTemplateStartTime(1)
clips.SetClipTemplateEndTime(2)
clips.SetClipTemplateStride(1)
texture = root.CreateAttribute("file", Sdf.ValueTypeNames.Asset)
texture.Set(Sdf.AssetPath("./wood.png"))
open(at("wood.png"), "w").close()
made.GetRootLayer().Save()
"""
    names = ("clip.1", "clip.2", "layer", "payload", "reference", "variant")
    wanted = [f"parts/{name}.usdc" for name in names]
    main = f"main.{suffix}"
    assert references_found(tmp_path, program, main) == {main: sorted([*wanted, "parts/leaf.usda"])}


def test_a_package_is_one_file_and_holds_what_it_uses(tmp_path: Path) -> None:
    program = """
written("parts/leaf.usdc")
written("inner.usda", layers=["./parts/leaf.usdc"])
assert UsdUtils.CreateNewUsdzPackage(at("inner.usda"), at("package.usdz"))
written("outer.usda", references=["./package.usdz"], layers=["./package.usdz[parts/leaf.usdc]"])
"""
    assert references_found(tmp_path, program, "package.usdz", "outer.usda") == {
        "package.usdz": [],
        "outer.usda": ["package.usdz"],
    }


def test_a_file_that_blender_exported_is_found_behind_a_layer(tmp_path: Path) -> None:
    program = """
bpy.ops.wm.usd_export(filepath=at("parts/cube.usdc"))
written("stage.usda", layers=["./parts/cube.usdc"])
"""
    assert references_found(tmp_path, program, "stage.usda") == {"stage.usda": ["parts/cube.usdc"]}


def test_damage_and_cycles_end_and_hide_nothing_else(tmp_path: Path) -> None:
    program = """
for name, content in (
    ("short.usdc", b"PXR-USDC"),
    ("table.usdc", b"PXR-USDC" + bytes(8) + b"\\xff" * 64),
    ("empty.usda", b""),
    ("package.usdz", b"PK\\3\\4"),
):
    with open(at(name), "wb") as file:
        file.write(content)
damaged = ["./short.usdc", "./table.usdc", "./empty.usda", "./package.usdz"]
with open(at("one.usda"), "w") as file:
    names = [*damaged, "./other.usda", "http://example.org/far.usda"]
    file.write("#usda 1.0\\n(subLayers = [" + ", ".join(f"@{name}@" for name in names) + "])")
with open(at("other.usda"), "w") as file:
    file.write("#usda 1.0\\n(subLayers = [@./one.usda@])")
"""
    damaged = ["empty.usda", "package.usdz", "short.usdc", "table.usdc"]
    assert references_found(tmp_path, program, "one.usda", "other.usda", *damaged) == {
        "one.usda": sorted([*damaged, "other.usda"]),
        "other.usda": sorted([*damaged, "one.usda"]),
        **{name: [] for name in damaged},
    }


def test_a_blender_without_pxr_has_files_scanned_for_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """
written("parts/leaf.usdc")
written("crate.usdc", references=["./parts/leaf.usdc"])
written("text.usda", layers=["./crate.usdc"])
"""
    references_found(tmp_path, program)
    monkeypatch.setitem(sys.modules, "pxr", None)
    foreign: Any = SimpleNamespace(utils=SimpleNamespace())
    wanted = [str(tmp_path / "crate.usdc"), str(tmp_path / "parts" / "leaf.usdc")]
    assert usd_layers.layers(foreign, str(tmp_path / "text.usda")) == wanted
