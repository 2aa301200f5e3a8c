"""Plugins whose code runs in the sandbox, in a process of its own (``plugin_program``)."""

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

import rendertrust
from rendertrust.node import plugin_program, sandbox
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.blender import NAMESPACE_LIMIT, limits_of
from rendertrust.node.blender_discovery import interpreter
from rendertrust.node.child_process import ProcessExit, converse
from rendertrust.node.machine_facts import ram_bytes
from rendertrust.node.plugin import Completed, Failed, Result, Task
from rendertrust.node.resource_monitor import ResourceLimits, ResourceMonitor
from rendertrust.node.rmtree import clear
from rendertrust.protocol import FAILURE_CLASSES

TRIAL_SECONDS: Final = 60.0
ORDER: Final = "order.json"
PROGRAM: Final = Path(plugin_program.__file__)
# The program reads its order from standard input, because an order may be longer than a command.
_BOOT: Final = (
    "import json, sys; order = json.load(sys.stdin); sys.path += order['path'];"
    " from rendertrust.node.plugin_program import main; main(order)"
)
_FILE: Final = re.compile(r"[a-z0-9_-]{1,100}\.[a-z0-9]{1,10}")
_WORK_MEMBERS_MAX: Final = 16
_WORK_CHARACTERS_MAX: Final = 100


@attrs.frozen
class PluginSource:
    """The name of a plugin's class (``module:Class``), and the files that loading it needs.

    ``readable``: files and folders that the sandbox shows. ``path``: folders to import from.
    """

    name: str
    readable: tuple[Path, ...]
    path: tuple[str, ...]


def source_of(entry: EntryPoint) -> PluginSource:
    """Return the source of an installed plugin."""
    places = [Path(rendertrust.__file__).parent, *_places(entry.module)]
    folders = dict.fromkeys(str(place.parent) for place in places)
    site = () if entry.dist is None else (Path(str(entry.dist.locate_file(""))).absolute(),)
    readable = (*interpreter(), *places, *site)
    return PluginSource(entry.value, readable, (*folders, *map(str, site)))


def own_source(name: str, *packages: str) -> PluginSource:
    """Return the source of a plugin of ours, which imports these installed packages."""
    sites = dict.fromkeys(place.parent for one in packages for place in _places(one))
    ours = Path(rendertrust.__file__).parent
    folders = (str(ours.parent), *map(str, sites))
    return PluginSource(name, (*interpreter(), ours, *sites), folders)


def _places(module: str) -> Iterator[Path]:
    """Yield the file or the folders of the top-level module with this module."""
    spec = find_spec(module.partition(".")[0])
    if spec is not None and spec.submodule_search_locations:
        yield from map(Path, spec.submodule_search_locations)
    elif spec is not None and spec.origin is not None:
        yield Path(spec.origin)


@attrs.define
class PluginSandbox:
    """Sandbox in which a plugin is loaded and does one task."""

    source: PluginSource
    scratch: Path
    nice: int
    memory_bytes: int | None
    runtime_seconds_max: float
    box: sandbox.Sandbox | None = None

    @classmethod
    def of(cls, source: PluginSource, scratch: Path, settings: AgentSettings) -> "PluginSandbox":
        """Return the sandbox for a plugin."""
        return cls(
            source=source,
            scratch=scratch,
            nice=settings.nice,
            memory_bytes=settings.memory_each,
            runtime_seconds_max=settings.runtime_seconds_max,
        )

    async def why_not(self) -> str | None:
        """Load the plugin in the sandbox, once; return why that fails, or None."""
        if self.box is not None:
            return None
        found = sandbox.find(self.source.readable)
        if isinstance(found, sandbox.SandboxUnavailable):
            return found.reason
        assert isinstance(found, sandbox.Sandbox), "it was not asked to be unsafe"
        fault = await self._try_out(found)
        if fault is not None and NAMESPACE_LIMIT in fault:
            found = attrs.evolve(found, forbids_namespaces=False)
            fault = await self._try_out(found)
        self.box = found if fault is None else None
        return fault

    async def _try_out(self, box: sandbox.Sandbox) -> str | None:
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="trial-", dir=self.scratch))
        try:
            ending = await self._obey({}, folder, box, threads=1, within=TRIAL_SECONDS)
        except OSError as fault:
            return f"the sandbox cannot be started: {fault.strerror}"
        finally:
            await asyncio.to_thread(clear, folder)
        if ending.code == 0 and ending.last.get("event") == "ready":
            return None
        why = why_it_ended(ending, "the plugin")
        return sandbox.explain(ending.tail) or f"it cannot be loaded in the sandbox: {why}"

    def order_of(self, task: Task, **members: Any) -> Mapping[str, Any]:
        """Return the order to do a task. ``members`` replace members of the task."""
        assert self.box is not None, "why_not() finds the sandbox before the node offers the work"
        view, inside = self.box.view(task.folder, PROGRAM), task.folder / "in"
        of_task = ("job_id", "job_type", "payload_ref", "unit", "attempt", "params", "threads")
        return {
            "task": {name: getattr(task, name) for name in of_task} | members,
            "inputs": {
                name: f"{view.inputs}/{path.relative_to(inside)}"
                for name, path in task.inputs.items()
            },
            "out": view.out,
        }

    async def obey(self, order: Mapping[str, Any], task: Task, within: float) -> ProcessExit:
        """Run an order for a task, until the program has ended. Raises OSError."""
        assert self.box is not None, "why_not() finds the sandbox before the node offers the work"
        return await self._obey(
            order, task.folder, self.box, threads=task.threads, within=within, task=task
        )

    async def _obey(
        self,
        order: Mapping[str, Any],
        folder: Path,
        box: sandbox.Sandbox,
        *,
        threads: int,
        within: float,
        task: Task | None = None,
    ) -> ProcessExit:
        box.prepare(folder)
        limits = {**limits_of(within, threads), **box.limits(threads)}
        known = {"plugin": self.source.name, "path": self.source.path, "nice": self.nice}
        path = folder / ORDER
        path.write_bytes(orjson.dumps({**order, **known, "limits": limits}))
        python = [sys.executable, "-I", "-B", "-c", _BOOT]
        most = ResourceLimits(memory_bytes=self.memory_bytes or ram_bytes() or 2**62)
        return await converse(
            box.command(python, folder, PROGRAM),
            environment=box.environment(folder),
            within=within,
            hear=lambda line: _hear(line, task),
            overhear=lambda said: _overhear(said, task),
            watch=ResourceMonitor(folder, most),
            orders=os.open(path, os.O_RDONLY | os.O_CLOEXEC),
        )


def _hear(line: Mapping[str, Any], task: Task | None) -> None:
    share = line.get("progress")
    if task is not None and isinstance(share, int | float):
        task.report(float(share), str(line.get("detail", "")))


def _overhear(said: bytes, task: Task | None) -> None:
    if task is not None:
        task.log(said.decode("utf-8", "replace"))


def why_it_ended(ending: ProcessExit, what: str) -> str:
    """Return in one line why the program ended without an answer; ``what`` it did."""
    if ending.excess is not None:
        return ending.excess.reason
    if ending.code is None:
        return f"{what} took too long"
    if ending.last.get("event") == "failed":
        return str(ending.last.get("error"))
    if ending.signal_name is not None:
        return f"{what} was killed by {ending.signal_name}"
    lines = [line.strip() for line in ending.tail.splitlines() if line.strip()]
    return lines[-1][:300] if lines else f"{what} ended with code {ending.code}"


@attrs.frozen
class SandboxedPlugin:
    """A plugin of ours that runs in the sandbox.

    ``requires``: returns why this machine lacks something, or None. ``needs``: returns whether a
    unit with these parameters needs an input of its job.
    """

    job_type: str
    sandbox: PluginSandbox
    requires: Callable[[], str | None]
    needs: Callable[[Mapping[str, Any], str], bool]

    async def why_not(self) -> str | None:
        """Return what is missing here, or None."""
        return self.requires() or await self.sandbox.why_not()

    async def run(self, task: Task) -> Result:
        """Do a unit in the sandbox."""
        order = self.sandbox.order_of(task)
        ending = await self.sandbox.obey(order, task, self.sandbox.runtime_seconds_max)
        return result_of(ending, task.folder / "out")


def result_of(ending: ProcessExit, out: Path) -> Result:
    """Return the result that a plugin in the sandbox names, which is untrusted."""
    last = ending.last
    if ending.excess is not None:
        return Failed(
            failure=ending.excess.failure,
            error=ending.excess.reason,
            detail=ending.tail,
            lacks=ending.excess.lacks,
        )
    if ending.code == 0 and last.get("event") == "refused":
        failure = str(last.get("failure"))
        failure = failure if failure in FAILURE_CLASSES else "node"
        return Failed(failure=failure, error=str(last.get("error"))[:500], detail=ending.tail)
    name = str(last.get("file"))
    if ending.code != 0 or last.get("event") != "done" or not _FILE.fullmatch(name):
        error = why_it_ended(ending, "the unit")[:500]
        return Failed(failure="node", error=error, detail=ending.tail)
    return Completed(file=out / name, work=_work_of(last.get("work")))


def _work_of(told: object) -> dict[str, Any]:
    """Return the measurements that a plugin in the sandbox names: numbers and short texts."""
    given = told if isinstance(told, dict) else {}
    return {
        str(name)[:_WORK_CHARACTERS_MAX]: value
        for name, value in list(given.items())[:_WORK_MEMBERS_MAX]
        if isinstance(value, int | float)
        or (isinstance(value, str) and len(value) <= _WORK_CHARACTERS_MAX)
    }
