"""One scene saved by each version of Blender, on one node that installs the versions itself.

Gateway, node and all Blenders are real. A version that the package index does not have, or whose
Python this machine lacks, is named when the test is skipped at the end.
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from rendertrust.blender_version import parse, text_of
from rendertrust.node import blender
from rendertrust.node.blender import Blender, NoBlender
from rendertrust.node.blender_discovery import Renderer
from rendertrust.node.renderer_store import RendererStore
from tests.integration.node.scenes import END, LOCALLY, pixels
from tests.support.agent_process import enrolled_agent
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.ssim import ssim
from tests.support.until import until
from web.downloads.renderers import listed_renderers

pytestmark = [
    *(pytest.mark.render, pytest.mark.heavy, pytest.mark.nightly),
    pytest.mark.timeout(3_600),  # each version is downloaded twice: for the node, and bare
]
RENDER_SECONDS = 900.0
SPACE = 8 * 2**30
# The argument is the path of the saved scene. It is not compressed, so the gateway reads its
# version.
SCENE = """
import bpy, sys
bpy.ops.wm.read_factory_settings()
scene = bpy.context.scene
scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", 32
scene.cycles.use_denoising = True
scene.render.resolution_x, scene.render.resolution_y = 160, 90
scene.view_settings.view_transform = "AgX"
bpy.ops.mesh.primitive_monkey_add(location=(2.2, 0, 0.4), rotation=(0, 0, 1))
metal = bpy.data.materials.new("metal")
metal.use_nodes = True
shader = metal.node_tree.nodes["Principled BSDF"]
shader.inputs["Metallic"].default_value, shader.inputs["Roughness"].default_value = 1.0, 0.3
shader.inputs["Base Color"].default_value = (0.9, 0.5, 0.1, 1)
bpy.context.object.data.materials.append(metal)
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[1], compress=False)
"""


def bare(python: str, program: str, *arguments: str) -> None:
    """Run a program in a Blender without the node's worker and sandbox."""
    command = [python, "-I", "-c", program + END, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]


async def bare_pictures(folder: Path) -> tuple[dict[str, tuple[Path, Path]], dict[str, str]]:
    """Return scene and picture of each version of the list, and why others cannot be had."""

    async def test(program: Renderer) -> Blender | NoBlender:
        return await blender.try_out(program, folder / "scratch", None)

    store = RendererStore(folder / "renderers", SPACE, test)
    await store.clean()
    await store.take(listed_renderers())
    made = dict[str, tuple[Path, Path]]()
    for release in store.offered():
        version = text_of(release.line)
        async with store.lent(release) as found:
            assert isinstance(found, Blender), found
            python, scene = found.renderer.before[0], folder / f"{version}.blend"
            bare(python, SCENE, str(scene))
            bare(python, LOCALLY, str(scene), str(folder / version), "1")
            made[version] = scene, folder / version / "0001.png"
    return made, {text_of(line): why for line, why in store.faults.items()}


async def rendered(creator: Creator, scene: Path) -> tuple[str, dict[str, Any]]:
    """Return the id of the job that renders the scene, and the receipt of its work."""
    payload = await creator.upload(scene.read_bytes())

    async def submitted() -> str | None:  # refused until the node has the list of versions
        status, placed = await creator.dispatch("render", payload_ref=payload, params={"frame": 1})
        assert status == 200 or placed["code"] == "no_blender_version", placed
        return str(placed["job_id"]) if status == 200 else None

    job = str(await until(submitted, within=150))
    await creator.job_within(job, "COMPLETED", within=RENDER_SECONDS)
    _, receipt = await creator.call("GET", f"/jobs/{job}/receipt")
    return job, receipt["receipt"]


async def test_a_node_renders_the_scene_of_each_version_as_that_version_does(
    gateway: Gateway, creator: Creator, tmp_path: Path
) -> None:
    made, missing = await bare_pictures(tmp_path / "bare")
    assert made, missing
    similar = dict[str, float]()
    async with enrolled_agent(gateway.url, tmp_path / "node") as node:
        node.more = ("--renderers", f"{SPACE >> 30}G")
        await node.start()
        for version, (scene, picture) in made.items():
            job, receipt = await rendered(creator, scene)
            used = receipt["work"]["renderer"]["version"]
            assert parse(used) == parse(version), receipt
            result = tmp_path / f"{version}.png"
            result.write_bytes(await creator.result(job))
            similar[version] = round(ssim(pixels(result), pixels(picture)), 5)
    assert all(each >= 0.99 for each in similar.values()), similar
    if missing:
        pytest.skip(f"equal in {', '.join(similar)}; not to be had here: {missing}")
