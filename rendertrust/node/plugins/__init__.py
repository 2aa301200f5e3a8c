"""The plugins that this machine offers: built-in plugins, and third-party entry points."""

import inspect
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final

import attrs

from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.plugin import Plugin
from rendertrust.node.plugins.check import CheckPlugin
from rendertrust.node.plugins.cpu_benchmark import CpuBenchmarkPlugin
from rendertrust.node.plugins.echo import EchoPlugin
from rendertrust.node.plugins.preflight import PreflightPlugin
from rendertrust.node.plugins.quick_look_batch import CheckBatchPlugin
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.plugins.third_party import in_thread
from rendertrust.node.plugins.video import VideoPlugin
from rendertrust.node.state_folder import StateFolder

GROUP: Final = "rendertrust.plugins"


@attrs.frozen(kw_only=True)
class PluginOffer:
    """The offered ``plugins`` by job type. ``not_offered``: the reason for each other job type."""

    plugins: Mapping[str, Plugin]
    not_offered: Mapping[str, str]

    @property
    def render(self) -> RenderPlugin | None:
        """Return the render plugin; return None if the node does not offer ``render``."""
        plugin = self.plugins.get(RenderPlugin.job_type)
        return plugin if isinstance(plugin, RenderPlugin) else None

    async def end(self) -> None:
        """End the Blender processes that wait for units."""
        if (render := self.render) is not None:
            await render.residents.end()

    @property
    def opengl(self) -> bool | None:
        """Return True if EEVEE and Workbench can draw here; None if that is unknown."""
        render = self.render
        return None if render is None or render.found is None else render.found.opengl

    @property
    def has_sandbox(self) -> bool:
        """Return True if untrusted scenes cannot reach this machine's files and network."""
        render = self.render
        return render is None or render.found is None or render.found.is_sandboxed


async def offer(folder: StateFolder, settings: AgentSettings) -> PluginOffer:
    """Ask each plugin whether it can work on this machine."""
    able: dict[str, Plugin] = {}
    unable: dict[str, str] = {}
    for plugin in _ours(folder, settings):
        await _ask(plugin, able, unable)
    for entry in entry_points(group=GROUP):
        loaded = _load(entry)
        if isinstance(loaded, str):
            unable[entry.name] = loaded
        elif loaded.job_type in able.keys() | unable.keys():
            unable[entry.name] = f"another plugin does {loaded.job_type} on this node"
        else:
            try:
                await _ask(loaded, able, unable)
            except Exception as fault:
                unable[loaded.job_type] = f"cannot be asked: {type(fault).__name__}: {fault}"
            if loaded.job_type in able:
                able[loaded.job_type] = in_thread(loaded)
    return PluginOffer(plugins=able, not_offered=unable)


def _ours(folder: StateFolder, settings: AgentSettings) -> Iterator[Plugin]:
    yield EchoPlugin()
    yield CpuBenchmarkPlugin(nice=settings.nice)
    render = RenderPlugin(
        scratch=folder.work,
        unsafe_no_sandbox=settings.unsafe_no_sandbox,
        runtime_seconds_max=settings.runtime_seconds_max,
        memory_bytes=settings.memory_each,
        nice=settings.nice,
    )
    yield render
    yield VideoPlugin(render=render)
    yield CheckPlugin(render=render)
    yield CheckBatchPlugin(render=render)
    yield PreflightPlugin(render=render)


def _load(entry: EntryPoint) -> Plugin | str:
    """Load a third-party plugin, or return the reason why the plugin cannot be loaded.

    A broken plugin must not prevent the node from working.
    """
    try:
        plugin = entry.load()()
    except Exception as fault:
        return f"cannot be loaded: {type(fault).__name__}: {fault}"
    if not isinstance(plugin, Plugin):
        return "is not a plugin: it needs `job_type` and `async run(task)`"
    return plugin


async def _ask(plugin: Plugin, able: dict[str, Plugin], unable: dict[str, str]) -> None:
    asked = getattr(plugin, "why_not", None)
    answer = asked() if callable(asked) else None
    reason = await answer if inspect.isawaitable(answer) else answer
    if reason is None:
        able[plugin.job_type] = plugin
    else:
        unable[plugin.job_type] = str(reason)
