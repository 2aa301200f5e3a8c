"""The demo's own scene, built by the installed renderer in the sandbox that a node renders in."""

import shutil
import tempfile
from pathlib import Path

from rendertrust.node import renderer, sandbox
from rendertrust.node.child_process import converse

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "demo_scene.py"
BUILD_SECONDS = 120.0


class SceneFailed(Exception):
    """The scene was not built; the text says why, and how to fix it."""


async def build_scene(to: Path) -> Path:
    """Write the scene to ``to``. Raises SceneFailed."""
    program = renderer.find()
    if program is None:
        raise SceneFailed(renderer.HOW_TO_GET_BLENDER)
    box = sandbox.find(program.readable)
    if isinstance(box, sandbox.SandboxUnavailable):
        raise SceneFailed(box.reason)
    work = Path(tempfile.mkdtemp(prefix="scene-", dir=to.parent))
    try:
        box.prepare(work)
        view = box.view(work, SCRIPT)
        words = program.program(view.worker, f"{view.out}/scene.blend")
        ending = await converse(
            box.command(words, work, SCRIPT),
            environment=box.environment(work),
            within=BUILD_SECONDS,
            hear=lambda _: None,
        )
        if ending.code != 0:
            raise SceneFailed(f"Blender could not build the scene:\n{ending.tail.strip()}")
        return Path(shutil.move(work / "out" / "scene.blend", to))
    finally:
        shutil.rmtree(work, ignore_errors=True)
