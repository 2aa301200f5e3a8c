"""Actions of an artist in Blender without its windows, for a Python that has ``bpy``.

Usage: ``artist.py URL EMAIL PASSWORD FOLDER SOURCE DEED``; at its end the script prints one line of
JSON. SOURCE is ``checkout`` or ``repository``: from where the extension is installed.

The script presses buttons and reads the panel. Where Blender would call a timer, the script waits
and polls.
"""

# pyright: reportAttributeAccessIssue=false
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

URL, EMAIL, PASSWORD, FOLDER, SOURCE, DEED = sys.argv[1:]
OWN = Path(FOLDER) / "cube.blend"
WITHIN_SECONDS = 240.0


def make_scene() -> Any:
    """Save a scene with a turning cube that renders quickly."""
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", 4
    scene.render.resolution_x, scene.render.resolution_y = 32, 24
    scene.frame_start, scene.frame_end = 1, 3
    scene.render.filepath = "//frames/cube_"
    cube = bpy.data.objects["Cube"]
    cube.keyframe_insert("rotation_euler", frame=1)
    cube.rotation_euler[2] = 2.0
    cube.keyframe_insert("rotation_euler", frame=3)
    bpy.ops.wm.save_as_mainfile(filepath=str(OWN))
    return scene


def add_image(path: str) -> None:
    """Give the cube a material with the picture at ``path``."""
    image = bpy.data.images.new("wood", 8, 8)
    image.source, image.filepath = "FILE", path
    material = bpy.data.materials["Material"]
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    shader = material.node_tree.nodes["Principled BSDF"]
    material.node_tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])


def press(button: Callable[..., set[str]], **words: Any) -> None:
    """Press a button, and wait until its thread has ended."""
    assert button(**words) == {"FINISHED"}, state().error
    wait_for_threads()


def wait_for_threads() -> None:
    """Handle messages of the extension's threads until they end."""
    operators = sys.modules[f"{PACKAGE}.operators"]
    deadline = time.monotonic() + WITHIN_SECONDS
    while operators.hear() is not None:
        assert time.monotonic() < deadline, state().busy or state().asking
        time.sleep(0.05)
    operators.hear()


def state() -> Any:
    return bpy.context.window_manager.rendertrust


def settings() -> Any:
    return bpy.context.scene.rendertrust


def panel_state() -> dict[str, Any]:
    """Return what the panel shows."""
    shown = state()
    names = ("error", "email", "available", "price", "status", "units", "done", "charged", "saved")
    found = [
        {name: getattr(one, name) for name in ("level", "code", "setting", "object", "path")}
        for one in shown.findings
    ]
    files = sorted(path.name for path in (Path(FOLDER) / "frames").glob("*"))
    return {
        **{name: getattr(shown, name) for name in names},
        "findings": found,
        "files": files,
        "job_id": settings().job_id,
        "own_file": hashlib.sha256(OWN.read_bytes()).hexdigest() if OWN.exists() else None,
        "selected": [one.name for one in bpy.context.selected_objects],
        "drawn": panel_texts(),
        "pictures": [Path(one.path).name for one in shown.pictures],
        "images": {one.name: [*one.size] for one in bpy.data.images if one.source == "FILE"},
        "gateway": sys.modules[f"{PACKAGE}.preferences"].url_of(bpy.context),
        "client": getattr(sys.modules.get("rendertrust"), "__file__", ""),
    }


class Layout:
    """Stand-in for Blender's layout that records what a panel draws."""

    def __init__(self, words: list[str]) -> None:
        self.words = words

    def label(self, text: str = "", icon: str = "NONE") -> None:
        assert icon in bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items
        self.words.append(text)

    def prop(self, owner: Any, name: str) -> None:
        self.words.append(owner.bl_rna.properties[name].name)

    def operator(self, name: str, text: str | None = None, icon: str = "NONE") -> Any:
        assert icon in bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items
        room, button = name.split(".")
        made = getattr(getattr(bpy.ops, room), button)
        self.words.append(f"[{made.get_rna_type().name if text is None else text}]")
        return Words()

    def progress(self, factor: float, text: str) -> None:
        self.words.append(f"{text} {factor:.0%}")

    def template_icon(self, icon_value: int, scale: float) -> None:
        assert isinstance(icon_value, int)
        self.words.append("(thumbnail)")

    def grid_flow(self, columns: int, even_columns: bool) -> "Layout":
        return self

    def row(self, align: bool = False) -> "Layout":
        return self

    column = box = row


class Words:
    """Settings that the panel gives to a button."""


def panel_texts() -> list[str]:
    """Return the panel's texts from top to bottom."""
    panel = sys.modules[f"{PACKAGE}.panel"]
    words: list[str] = []

    class Shown:
        layout = Layout(words)

    panel.Panel.draw(Shown, bpy.context)
    return words


def submit() -> None:
    """Log in, check, quote and submit, and wait for the frames."""
    make_scene()
    press(bpy.ops.rendertrust.sign_in, email=EMAIL, password=PASSWORD)
    print(json.dumps(panel_state()), flush=True)
    settings().or_newer = True  # the farm's only node has the newest Blender
    bpy.data.objects["Cube"].location.x = 0.5  # not saved: the scene on the screen is rendered
    press(bpy.ops.rendertrust.check)
    press(bpy.ops.rendertrust.quote)
    press(bpy.ops.rendertrust.submit)
    press(bpy.ops.rendertrust.load_frame, path=state().pictures[-1].path)


def measure() -> None:
    """Show the price by measured work before the job is submitted."""
    make_scene()
    press(bpy.ops.rendertrust.sign_in, email=EMAIL, password=PASSWORD)
    press(bpy.ops.rendertrust.quote)
    print(json.dumps(panel_state()), flush=True)
    press(bpy.ops.rendertrust.measure)
    print(json.dumps(panel_state()), flush=True)
    press(bpy.ops.rendertrust.submit)


def reopen() -> None:
    """Open the saved file again, and download the frames that were completed meanwhile."""
    make_scene()
    press(bpy.ops.rendertrust.sign_in, email=EMAIL, password=PASSWORD)
    press(bpy.ops.rendertrust.submit)
    bpy.ops.wm.save_mainfile()
    job_id = settings().job_id
    for path in (Path(FOLDER) / "frames").glob("*"):
        path.unlink()
    bpy.ops.wm.open_mainfile(filepath=str(OWN))
    assert settings().job_id == job_id
    press(bpy.ops.rendertrust.follow)


def submit_without_texture() -> None:
    """Submit a scene with a missing texture: nothing is sent, and the finding selects its
    object.
    """
    make_scene()
    press(bpy.ops.rendertrust.sign_in, email=EMAIL, password=PASSWORD)
    add_image("//textures/wood.png")
    press_refused(bpy.ops.rendertrust.submit)
    index = next(n for n, found in enumerate(state().findings) if found.code == "missing_file")
    for one in bpy.context.view_layer.objects:
        one.select_set(False)
    press(bpy.ops.rendertrust.show_finding, index=index)


def press_refused(button: Callable[..., set[str]], **words: Any) -> None:
    """Press a button that refuses, and check that the panel gives a reason."""
    assert button(**words) == {"CANCELLED"}
    assert state().error


def pause_and_stop() -> None:
    """Pause the job and stop it."""
    make_scene()
    press(bpy.ops.rendertrust.sign_in, email=EMAIL, password=PASSWORD)
    settings().frames = "1-10"
    start_job()
    assert bpy.ops.rendertrust.speak(verb="pause") == {"FINISHED"}
    sys.modules[f"{PACKAGE}.operators"].asking.wait(WITHIN_SECONDS)
    assert bpy.ops.rendertrust.speak(verb="stop") == {"FINISHED"}
    wait_for_threads()


def raise_cap() -> None:
    """Set a cap that pays for one frame. Resume then says to raise the cap, and works without a
    cap.
    """
    make_scene()
    press(bpy.ops.rendertrust.sign_in, email=EMAIL, password=PASSWORD)
    settings().max_credits = "10"
    start_job()
    wait_until(lambda: "paused at its cap" in state().error)
    asking = sys.modules[f"{PACKAGE}.operators"].asking
    assert bpy.ops.rendertrust.speak(verb="resume") == {"FINISHED"}
    asking.wait(WITHIN_SECONDS)
    wait_until(lambda: "Raise Cap" in state().error)
    print(json.dumps(panel_state()), flush=True)
    settings().max_credits = ""
    assert bpy.ops.rendertrust.speak(verb="resume") == {"FINISHED"}
    wait_for_threads()


def submit_as_it_is() -> None:
    """Submit a scene although a texture is known to be missing."""
    make_scene()
    press(bpy.ops.rendertrust.sign_in, email=EMAIL, password=PASSWORD)
    add_image("//textures/wood.png")
    press_refused(bpy.ops.rendertrust.submit)
    print(json.dumps(panel_state()), flush=True)
    state().as_is = True
    press(bpy.ops.rendertrust.submit)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until the condition on the panel holds."""
    operators = sys.modules[f"{PACKAGE}.operators"]
    deadline = time.monotonic() + WITHIN_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, state().error
        operators.hear()
        time.sleep(0.05)


def use_own_nodes() -> None:
    """Submit to the artist's own nodes only; the artist has no nodes."""
    make_scene()
    press(bpy.ops.rendertrust.sign_in, email=EMAIL, password=PASSWORD)
    settings().pool, settings().order = "mine", "middle_first"
    press(bpy.ops.rendertrust.quote)
    print(json.dumps(panel_state()), flush=True)
    start_job()
    assert bpy.ops.rendertrust.speak(verb="stop") == {"FINISHED"}
    wait_for_threads()


def start_job() -> None:
    """Submit, and wait until there is a job to follow."""
    assert bpy.ops.rendertrust.submit() == {"FINISHED"}
    wait_until(lambda: bool(settings().job_id))


def make_mistakes() -> None:
    """Try an unsaved file, a wrong password, invalid frames and a wrong gateway; collect the
    errors.
    """
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    said = []
    press_refused(bpy.ops.rendertrust.check)
    said.append(state().error)
    make_scene()
    press(bpy.ops.rendertrust.sign_in, email=EMAIL, password="wrong")
    said.append(state().error)
    press(bpy.ops.rendertrust.quote)
    said.append(state().error)
    settings().frames = "one to three"
    press_refused(bpy.ops.rendertrust.check)
    said.append(state().error)
    settings().frames = ""
    preferences_of(PACKAGE).url = "ftp://nowhere"
    press(bpy.ops.rendertrust.quote)
    said.append(state().error)
    print(json.dumps({"said": said}), flush=True)


def preferences_of(package: str) -> Any:
    return bpy.context.preferences.addons[package].preferences


def install_extension() -> str:
    """Install the extension, and return its name."""
    bpy.ops.wm.read_factory_settings()
    if SOURCE == "repository":
        return install_from_repository()
    bpy.ops.preferences.addon_enable(module="extension")
    preferences_of("extension").url = URL
    return "extension"


def install_from_repository() -> str:
    """Add the gateway's repository, read its index, and install from it, as a drag does."""
    bpy.context.preferences.system.use_online_access = True
    bpy.ops.preferences.extension_repo_add(
        name="Farm", remote_url=f"{URL}/download/index.json", type="REMOTE"
    )
    repositories = [*bpy.context.preferences.extensions.repos]
    index = next(n for n, one in enumerate(repositories) if one.remote_url.startswith(URL))
    bpy.ops.extensions.repo_sync(repo_index=index)
    bpy.ops.extensions.package_install(
        repo_index=index, pkg_id="rendertrust", enable_on_install=True
    )
    return f"bl_ext.{repositories[index].module}.rendertrust"


OF_A_JOB = (submit, measure, reopen, pause_and_stop, raise_cap, use_own_nodes)
ALL = (*OF_A_JOB, submit_without_texture, submit_as_it_is, make_mistakes)
DEEDS = {deed.__name__: deed for deed in ALL}

if __name__ == "__main__":
    PACKAGE = install_extension()
    DEEDS[DEED]()
    print(json.dumps(panel_state()), flush=True)
    bpy.ops.preferences.addon_disable(module=PACKAGE)  # as Blender does at its end
    os._exit(0)  # Blender 4.2 as a module crashes where Python ends
