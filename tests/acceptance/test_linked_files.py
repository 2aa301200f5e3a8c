"""Tests of ``rendertrust submit`` for a scene that links other files: real gateway, node and
Blender.

The result must equal the picture that this machine's Blender makes of the original scene.
"""

import asyncio
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from PIL import Image

from rendertrust.manifest import read
from rendertrust.testing import FakeNode, FakeTask, works
from tests.integration.node.scenes import make, render_locally
from tests.support import programs
from tests.support.agent_process import running_agent
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with

pytestmark = [pytest.mark.render, pytest.mark.heavy]

# The project: shots/main.blend links a head from ../library/head.blend, which has a texture beside
# it. The scene itself uses a texture in the project and, by an absolute path, one far from it.
PROJECT = """
import bpy, os, sys
project, elsewhere = sys.argv[-2:]
def at(*parts):
    path = os.path.join(*parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path
def picture(path, colour):
    image = bpy.data.images.new("made", 4, 4)
    image.pixels = [*colour, 1.0] * 16
    image.filepath_raw, image.file_format = path, "PNG"
    image.save()
    bpy.data.images.remove(image)
def textured(name, path):
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images.load(path, check_existing=True)
    tree.links.new(node.outputs[0], tree.nodes["Principled BSDF"].inputs[0])
    return material, node.image
picture(at(project, "library", "skin.png"), (0.9, 0.2, 0.1))
picture(at(project, "textures", "floor.png"), (0.1, 0.8, 0.2))
picture(at(elsewhere, "sky.png"), (0.1, 0.2, 0.9))

bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.mesh.primitive_monkey_add(location=(0, 0, 0.6))
head = bpy.context.object
head.name = "Head"
material, image = textured("skin", at(project, "library", "skin.png"))
head.data.materials.append(material)
library = at(project, "library", "head.blend")
bpy.ops.wm.save_as_mainfile(filepath=library)
image.filepath = "//skin.png"
bpy.ops.wm.save_as_mainfile(filepath=library, relative_remap=False)

bpy.ops.wm.read_factory_settings()
scene = bpy.context.scene
scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", 4
scene.render.resolution_x = scene.render.resolution_y = 32
bpy.data.objects.remove(bpy.data.objects["Cube"])
path = at(project, "shots", "main.blend")
bpy.ops.wm.save_as_mainfile(filepath=path)
with bpy.data.libraries.load(library, link=True, relative=True) as (there, here):
    here.objects = ["Head"]
scene.collection.objects.link(here.objects[0])
bpy.ops.mesh.primitive_plane_add(size=9)
material, image = textured("floor", at(project, "textures", "floor.png"))
image.filepath = "//../textures/floor.png"
bpy.context.object.data.materials.append(material)
bpy.ops.mesh.primitive_plane_add(size=30, location=(-8, 8, 4), rotation=(1.2, 0, 0.8))
material, image = textured("sky", at(elsewhere, "sky.png"))
bpy.context.object.data.materials.append(material)
bpy.ops.wm.save_as_mainfile(filepath=path, relative_remap=False)
"""


@attrs.frozen
class Project:
    """A scene, and the folders of its files."""

    folder: Path
    elsewhere: Path

    @property
    def scene(self) -> Path:
        return self.folder / "shots" / "main.blend"


gateway = gateway_with()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    # The folder is so deep that files elsewhere do not count as part of the project.
    folder = tmp_path_factory.mktemp("work") / "jobs" / "2026" / "film"
    made = Project(folder, tmp_path_factory.mktemp("elsewhere"))
    make(PROJECT, str(made.folder), str(made.elsewhere))
    return made


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def logged_in(gateway: Gateway, creator: Creator) -> dict[str, str]:
    """Return the environment of programs that act for the creator."""
    scopes = ["jobs:read", "jobs:write", "uploads:write"]
    status, key = await creator.call("POST", "/auth/keys", {"name": "submit", "scopes": scopes})
    assert status == 201, key
    return {**os.environ, "RENDERTRUST_URL": gateway.url, "RENDERTRUST_API_KEY": key["key"]}


async def submit(gateway: Gateway, creator: Creator, *words: str) -> tuple[int, list[Any], str]:
    """Run ``rendertrust submit … --json``; return its exit code, documents and stderr."""
    env = await logged_in(gateway, creator)
    code, out, err = await programs.call("submit", *words, "--yes", "--json", env=env, within=240)
    return code, [json.loads(line) for line in out.splitlines()], err


def pixels(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(path) as picture:
        return np.asarray(picture)


async def test_a_scene_with_a_library_and_textures_is_rendered_as_it_is_here(
    gateway: Gateway, creator: Creator, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    expected = pixels(
        await asyncio.to_thread(lambda: render_locally(project.scene, tmp_path / "here", 1)[1])
    )
    assert len(np.unique(expected.reshape(-1, expected.shape[-1]), axis=0)) > 50
    async with running_agent(gateway.url, tmp_path / "node"):
        code, told, err = await submit(
            gateway, creator, str(project.scene), "--frame", "1", "--out", str(tmp_path / "f.png")
        )
    assert code == 0, (told, err)
    assert told[-1]["event"] == "saved"
    assert np.array_equal(pixels(tmp_path / "f.png"), expected)


async def test_a_node_is_given_all_files_where_the_scene_finds_them(
    gateway: Gateway, creator: Creator, project: Project
) -> None:
    seen: list[FakeTask] = []

    def keep(task: FakeTask) -> bytes:
        seen.append(task)
        return b"a picture"

    async with FakeNode(gateway.url, behave=works(keep)):
        code, told, err = await submit(gateway, creator, str(project.scene), "--queue")
        assert code == 0, (told, err)
        await creator.job_within(told[-1]["job_id"], "COMPLETED", within=120)
    (task,) = seen
    assert task.params == {"scene": "shots/main.blend"}
    assert set(task.inputs) == {
        "shots/main.blend",
        "library/head.blend",
        "library/skin.png",
        "textures/floor.png",
        "linked/0/sky.png",
        "rendertrust-paths.json",
    }
    assert task.inputs["library/skin.png"] == (project.folder / "library/skin.png").read_bytes()
    moved = json.loads(task.inputs["rendertrust-paths.json"])
    assert moved == {str(project.elsewhere / "sky.png"): "linked/0/sky.png"}
    job = told[-1]["job_id"]
    status, listed = await creator.call("GET", f"/jobs/{job}/manifest")
    assert status == 200, listed
    async with creator.http.get(listed["download_url"]) as answer:
        content = await answer.read()
    assert (sha256(content), len(content)) == (listed["sha256"], listed["size"])
    assert {one.path: one.sha256 for one in read(content, "key").files} == {
        path: sha256(given) for path, given in task.inputs.items()
    }
    stranger = Creator(creator.http, gateway.url, "reader@example.org")
    await stranger.register()
    assert (await stranger.call("GET", f"/jobs/{job}/manifest"))[0] == 404


async def test_a_job_whose_scene_was_sent_alone_has_no_list_of_files(
    gateway: Gateway, creator: Creator
) -> None:
    scene = await creator.upload(b"BLENDER alone", "alone.blend")
    status, placed = await creator.dispatch("render", payload_ref=scene, queue=True)
    assert status == 202, placed
    status, answer = await creator.call("GET", f"/jobs/{placed['job_id']}/manifest")
    assert (status, answer["detail"]) == (
        404,
        "The job has no list of files, or it is no longer kept",
    )


@pytest.mark.nightly
@pytest.mark.timeout(600)
async def test_whoever_has_receipt_and_files_renders_the_frame_again(
    gateway: Gateway, creator: Creator, project: Project, tmp_path: Path
) -> None:
    frame, receipt, listed = (tmp_path / name for name in ("f.png", "receipt.json", "list.json"))
    async with running_agent(gateway.url, tmp_path / "node"):
        code, told, err = await submit(
            gateway, creator, str(project.scene), "--frame", "1", "--out", str(frame)
        )
    assert code == 0, (told, err)
    env = await logged_in(gateway, creator)
    job = next(one["job_id"] for one in told if "job_id" in one)
    words = ("jobs", "receipt", job, "--out", str(receipt))
    code, out, err = await programs.call(*words, "--manifest", str(listed), env=env)
    assert code == 0, (out, err)
    again = ("verify", str(receipt), str(frame), "--scene", str(project.scene), "--json")
    nowhere = {**os.environ, "RENDERTRUST_URL": "http://localhost:1"}
    for more in ((), ("--manifest", str(listed))):
        code, out, err = await programs.call(*again, *more, env=nowhere, within=240)
        found = json.loads(out.splitlines()[-1])
        assert (code, found["verdict"]) == (0, "exact"), (out, err)
    assert "the scene and 5 files beside it match the receipt" in out
    skin = project.folder / "library" / "skin.png"
    kept = skin.read_bytes()
    skin.write_bytes(kept + b" ")
    try:
        code, out, _ = await programs.call(*again, "--manifest", str(listed), env=nowhere)
    finally:
        skin.write_bytes(kept)
    assert code == 1
    assert "library/skin.png differs from the file that was sent" in out
