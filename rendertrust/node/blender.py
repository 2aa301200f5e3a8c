"""Blender on this machine: found, tried out once, and then given orders in its sandbox."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

from rendertrust.node import libraries, renderer, sandbox
from rendertrust.node.machine import ram_bytes
from rendertrust.node.process import Ending, converse

TRIAL_SECONDS: Final = 90.0
FILE_BYTES_MAX: Final = 4 * 2**30
FILES_MAX: Final = 1024
ADDRESS_BYTES_LEAST: Final = 2 * 2**30  # below this Blender does not start
NICENESS: Final = 10  # the agent's own loop, which renews leases, comes first
_NAMESPACE_LIMIT: Final = "max_user_namespaces"
WORKER: Final = Path(__file__).with_name("worker.py")


@attrs.frozen(kw_only=True)
class NoBlender:
    """Why this machine does not render, and what would mend it."""

    reason: str


@attrs.frozen(kw_only=True)
class Blender:
    """A Blender that was tried out. ``version`` like ``5.2.3``, ``build`` is its commit."""

    renderer: renderer.Renderer
    box: sandbox.Sandbox | sandbox.Bare
    version: str = ""
    build: str = ""

    async def obey(
        self,
        order: Mapping[str, Any],
        folder: Path,
        *,
        threads: int = 1,
        within: float,
        hear: Callable[[Mapping[str, Any]], None],
    ) -> Ending:
        """Run one order in the work folder; ``scene`` in it is a path below ``in``."""
        view = self.box.view(folder, WORKER)
        full = dict(order) | {"out": view.out, "nice": NICENESS, "threads": threads}
        full["limits"] = _limits(within, threads)
        if "scene" in order:
            full["scene"] = f"{view.inputs}/{order['scene']}"
        program = self.renderer.program(view.worker, orjson.dumps(full).decode())
        return await converse(
            self.box.command(program, folder, WORKER),
            environment=self.box.environment(folder),
            within=within,
            hear=hear,
        )


def _limits(within: float, threads: int) -> Mapping[str, int]:
    return {
        "cpu_seconds": int(within * threads) + 60,
        "file_bytes": FILE_BYTES_MAX,
        "files": FILES_MAX,
        "address_bytes": max(ram_bytes(), ADDRESS_BYTES_LEAST),
    }


async def find(scratch: Path, *, unsafe: bool = False) -> Blender | NoBlender:
    """The Blender at hand, tried out in its sandbox in a folder under ``scratch``."""
    program = renderer.find()
    if program is None:
        return NoBlender(reason=renderer.HOW_TO_GET_BLENDER)
    box = sandbox.find(program.readable, unsafe=unsafe)
    if isinstance(box, sandbox.Refused):
        return NoBlender(reason=box.reason)
    folder = _trial_folder(scratch)
    try:
        box.prepare(folder)
        found = await _try_out(Blender(renderer=program, box=box), folder)
        is_limit = isinstance(found, NoBlender) and _NAMESPACE_LIMIT in found.reason
        if is_limit and isinstance(box, sandbox.Sandbox):
            # Inside a container that switch may be out of reach; the rest of the sandbox is not.
            weaker = attrs.evolve(box, forbids_namespaces=False)
            found = await _try_out(Blender(renderer=program, box=weaker), folder)
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _trial_folder(scratch: Path) -> Path:
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="trial-", dir=scratch))


async def _try_out(blender: Blender, folder: Path) -> Blender | NoBlender:
    try:
        ending = await blender.obey({}, folder, within=TRIAL_SECONDS, hear=lambda _: None)
    except OSError as fault:
        return NoBlender(reason=f"Blender cannot be started: {fault.strerror}")
    if ending.last.get("event") != "ready" or ending.code != 0:
        return NoBlender(reason=_why(ending))
    return attrs.evolve(
        blender,
        version=str(ending.last.get("blender", ""))[:64],
        build=str(ending.last.get("build", ""))[:64],
    )


def _why(ending: Ending) -> str:
    said = f"{ending.last.get('error', '')}\n{ending.tail}"
    if (library := libraries.missing_library(said)) is not None:
        return libraries.advice(library)
    if (advice := sandbox.explain(ending.tail)) is not None:
        return advice
    if ending.code is None:
        return f"Blender did not start within {TRIAL_SECONDS:.0f} s"
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
    return f"Blender does not start here (exit code {ending.code}): {last.strip()[:300]}"
