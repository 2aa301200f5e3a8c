"""Blender on this machine: find Blender, test it once, and run orders in its sandbox.

An order is a JSON object that tells the worker, a program inside Blender, what to do (``do``).
"""

import asyncio
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

from rendertrust.node import blender_discovery, devices, driver_cache, sandbox
from rendertrust.node.child_process import ProcessExit, converse
from rendertrust.node.machine_facts import ram_bytes
from rendertrust.node.resource_monitor import GraphicsMemory, ResourceLimits, ResourceMonitor
from rendertrust.node.rmtree import clear

TRIAL_SECONDS: Final = 90.0
FILE_BYTES_MAX: Final = 4 * 2**30
FILES_MAX: Final = 1024
ADDRESS: Final = "address_bytes"
ADDRESS_BYTES_LEAST: Final = 2 * 2**30  # Blender does not start with less address space
# A container may lack the kernel setting that forbids namespaces.
NAMESPACE_LIMIT: Final = "max_user_namespaces"
WORKER: Final = Path(__file__).with_name("worker")
# Libraries that `bpy` needs even without a display (`ldd bpy/__init__.so`), with their packages.
LIBRARIES: Final = {
    "libGL.so.1": "libgl1",
    "libICE.so.6": "libice6",
    "libSM.so.6": "libsm6",
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libXrender.so.1": "libxrender1",
}
_MISSING: Final = re.compile(r"([\w.+-]+\.so[\w.]*): cannot open shared object file")


@attrs.frozen(kw_only=True)
class NoBlender:
    """Reason why this machine does not render, and what the operator can do."""

    reason: str


@attrs.frozen(kw_only=True)
class Blender:
    """A tested Blender. ``version`` is like ``5.2.3``, ``build`` is the commit of its source.

    ``memory_bytes``: memory that one order to the worker may take; None means all memory of the
    machine. ``nice``: niceness of the process, 0 to 19. ``opengl``: EEVEE and Workbench can draw;
    None if unknown (``opengl_probe``). ``drawing``: the graphics driver, None without OpenGL.
    ``compiled``: folder with what drivers compiled (``driver_cache``), for the home folders of the
    processes. ``variables``: further environment variables of the worker, as NAME=value. ``ocio``:
    the input that is the OpenColorIO configuration; None: Blender's own. ``device``: the graphics
    card that renders; None: the processor renders. ``card_bytes``: the graphics memory of a unit;
    None if unknown.
    """

    renderer: blender_discovery.Renderer
    box: sandbox.Sandbox | sandbox.NoSandbox
    memory_bytes: int | None = None
    nice: int = 0
    version: str = ""
    build: str = ""
    opengl: bool | None = None
    drawing: str | None = None
    compiled: Path | None = None
    variables: tuple[str, ...] = ()
    ocio: str | None = None
    device: devices.Device | None = None
    card_bytes: int | None = None

    async def obey(
        self,
        order: Mapping[str, Any],
        folder: Path,
        *,
        threads: int = 1,
        within: float,
        hear: Callable[[Mapping[str, Any]], None],
        overhear: Callable[[bytes], None] = lambda _: None,
        orders: int | None = None,
        started: Callable[[int], None] = lambda _: None,
        measured: Callable[[int], None] = lambda _: None,
    ) -> ProcessExit:
        """Run one order in the work folder ``folder``.

        The order's paths are relative to ``in``, and paths of delivered files to ``delivered``.
        ``orders``: a descriptor, which this method closes. Blender then stays, and runs each
        further order that it reads from the descriptor as a line in the format of ``said``.
        ``measured`` is told the graphics memory in use, each second.
        """
        full = dict(self.said(order, folder, threads)) | {"stays": orders is not None}
        full["limits"] = {**self.limits(within, threads), **self.box.limits(threads)}
        view = self.box.view(folder, WORKER)
        # Mesa's driver would take all processors of the machine.
        given = (f"LP_NUM_THREADS={threads}", *driver_cache.SHADER_VARIABLES, *self.variables)
        if self.ocio is not None:
            given = (*given, f"OCIO={view.inputs}/{self.ocio}")
        if self.device is not None:
            home = Path(view.out).with_name("home")
            given = (*given, *driver_cache.kernel_variables(home))
        program = self.renderer.program(view.worker, orjson.dumps(full).decode())
        program = ["/usr/bin/env", *given, *program]
        if self.compiled is not None:
            home, kind = folder / "home", self.cache_kind
            await asyncio.to_thread(driver_cache.give, self.compiled, home, kind)
        return await converse(
            self.box.command(program, folder, WORKER),
            environment=self.box.environment(folder),
            within=within,
            hear=hear,
            overhear=overhear,
            watch=ResourceMonitor(folder, self.bounds, self.graphics(measured)),
            orders=orders,
            started=started,
        )

    def said(self, order: Mapping[str, Any], folder: Path, threads: int) -> Mapping[str, Any]:
        """Return an order for the worker, with paths that are valid in the sandbox."""
        view = self.box.view(folder, WORKER)
        known: dict[str, object] = {
            "out": view.out,
            "nice": self.nice,
            "threads": threads,
            "opengl": self.opengl,
        }
        if self.device is not None:
            known["device"] = self.device.order
        return {**order, **known, **_placed(order, view)}

    def limits(self, within: float, threads: int) -> Mapping[str, int]:
        """Return the limits of an order, for a card without one on address space.

        The driver of a card maps more address space than the machine has memory.
        """
        limits = limits_of(within, threads)
        if self.device is None:
            return limits
        return {name: value for name, value in limits.items() if name != ADDRESS}

    @property
    def program(self) -> Mapping[str, str | None]:
        """Return name, version and build, as a node signs them with its work."""
        version, build = self.version or None, self.build or None
        return {"name": self.renderer.kind, "version": version, "build": build}

    @property
    def is_sandboxed(self) -> bool:
        """Return True if scenes cannot reach this machine's files and network."""
        return not isinstance(self.box, sandbox.NoSandbox)

    @property
    def cache_kind(self) -> driver_cache.CacheKind:
        """Return what the drivers compile: kernels for a card, otherwise OpenGL's shaders."""
        return driver_cache.SHADERS if self.device is None else driver_cache.KERNELS

    def graphics(self, measured: Callable[[int], None]) -> GraphicsMemory | None:
        """Return the graphics memory of an order; None without a card."""
        if self.device is None:
            return None
        return GraphicsMemory(self.device.card, self.card_bytes, devices.installed(), measured)

    @property
    def bounds(self) -> ResourceLimits:
        """Return the resource limits of an order."""
        return ResourceLimits(memory_bytes=self.memory_bytes or ram_bytes() or 2**62)


def _placed(order: Mapping[str, Any], view: sandbox.SandboxView) -> dict[str, Any]:
    """Return the members of an order that name files, with paths that are valid in the sandbox."""
    inputs = view.inputs
    placed: dict[str, Any] = {"inputs": inputs}
    for names, folder in (("scene", "paths"), inputs), (("picture", "evidence"), view.delivered):
        for name in names:
            if isinstance(order.get(name), str):
                placed[name] = f"{folder}/{order[name]}"
    if "results" in order:
        placed["results"] = [
            {name: f"{view.delivered}/{path}" for name, path in files.items()}
            for files in order["results"]
        ]
    if "addons" in order:
        placed["addons"] = [f"{inputs}/{path}" for path in order["addons"]]
    if "pictures" in order:
        placed["pictures"] = [f"{inputs}/{path}" for path in order["pictures"]]
    if "tiles" in order:
        placed["tiles"] = [[*tile[:4], f"{inputs}/{tile[4]}"] for tile in order["tiles"]]
    return placed


def limits_of(within: float, threads: int) -> Mapping[str, int]:
    """Return the limits that a program in the sandbox sets for itself (``resource_limits``)."""
    return {
        "cpu_seconds": int(within * threads) + 60,
        "file_bytes": FILE_BYTES_MAX,
        "files": FILES_MAX,
        ADDRESS: max(ram_bytes(), ADDRESS_BYTES_LEAST),
    }


async def find(
    scratch: Path,
    *,
    unsafe: bool = False,
    memory_bytes: int | None = None,
    device: devices.Device | None = None,
) -> Blender | NoBlender:
    """Find Blender and test it in its sandbox, in a folder below ``scratch``.

    ``unsafe``: if the test in a sandbox fails, test Blender without a sandbox.
    ``device``: the graphics card that renders.
    """
    program = blender_discovery.find()
    if program is None:
        return NoBlender(reason=blender_discovery.no_blender())
    given = Blender(renderer=program, box=sandbox.NoSandbox(), memory_bytes=memory_bytes)
    given = attrs.evolve(given, device=device)
    found = await _find_with(sandbox.find(program.readable), given, scratch)
    if unsafe and isinstance(found, NoBlender):
        bare = sandbox.find(program.readable, unsafe=True)
        return await _find_with(bare, given, scratch)
    return found


async def try_out(
    program: blender_discovery.Renderer, scratch: Path, memory_bytes: int | None
) -> Blender | NoBlender:
    """Test a renderer in its sandbox, in a folder below ``scratch``."""
    given = Blender(renderer=program, box=sandbox.NoSandbox(), memory_bytes=memory_bytes)
    return await _find_with(sandbox.find(program.readable), given, scratch)


async def _find_with(
    box: sandbox.Sandbox | sandbox.NoSandbox | sandbox.SandboxUnavailable,
    given: Blender,
    scratch: Path,
) -> Blender | NoBlender:
    if isinstance(box, sandbox.SandboxUnavailable):
        return NoBlender(reason=box.reason)
    folder = _trial_folder(scratch)
    try:
        box.prepare(folder)
        given = with_box(given, box)
        found = await _try_out(given, folder)
        is_limit = isinstance(found, NoBlender) and NAMESPACE_LIMIT in found.reason
        if is_limit and isinstance(box, sandbox.Sandbox):
            # The rest of the sandbox still works.
            weaker = attrs.evolve(box, forbids_namespaces=False)
            found = await _try_out(attrs.evolve(given, box=weaker), folder)
        return found
    finally:
        clear(folder)


def with_box(blender: Blender, box: sandbox.Sandbox | sandbox.NoSandbox) -> Blender:
    """Return the Blender in this sandbox, in which its graphics card can be used, if it has one."""
    if blender.device is None:
        return attrs.evolve(blender, box=box)
    if isinstance(box, sandbox.Sandbox):
        box = attrs.evolve(box, card=devices.access_of(blender.device.card))
    return attrs.evolve(blender, box=box)


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


def _why(ending: ProcessExit) -> str:
    if ending.excess is not None:
        return ending.excess.reason
    said = f"{ending.last.get('error', '')}\n{ending.tail}"
    if (advice := library_advice(said)) is not None:
        return advice
    if (advice := sandbox.explain(ending.tail)) is not None:
        return advice
    if ending.code is None:
        return f"Blender did not start within {TRIAL_SECONDS:.0f} s"
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "no output")
    return f"Blender does not start here (exit code {ending.code}): {last.strip()[:300]}"


def library_advice(text: str) -> str | None:
    """Return a line of advice if a loader's error message names a missing shared library."""
    found = _MISSING.search(text)
    if found is None:
        return None
    return (
        f"Blender needs the library {found[1]}, which is missing here; on Debian or Ubuntu run: "
        f"apt-get install --no-install-recommends {' '.join(LIBRARIES.values())}"
    )
