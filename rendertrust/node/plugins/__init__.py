"""The plugins that this machine offers: built-in plugins, and third-party entry points."""

import inspect
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Final, cast

import attrs

from rendertrust.job_types import is_check
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.plugin import Plugin
from rendertrust.node.plugins.check import CheckPlugin
from rendertrust.node.plugins.cpu_benchmark import CpuBenchmarkPlugin
from rendertrust.node.plugins.echo import EchoPlugin
from rendertrust.node.plugins.inference import inference_plugins
from rendertrust.node.plugins.plugin_check import PluginCheck
from rendertrust.node.plugins.preflight import PreflightPlugin
from rendertrust.node.plugins.quick_look_batch import CheckBatchPlugin
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.plugins.sandboxed_plugin import source_of
from rendertrust.node.plugins.third_party import in_thread
from rendertrust.node.plugins.video import VideoPlugin
from rendertrust.node.renderer_list_updates import ListSource
from rendertrust.node.renderer_store import RendererStore
from rendertrust.node.state_folder import StateFolder

GROUP: Final = "rendertrust.plugins"


@attrs.frozen(kw_only=True)
class PluginOffer:
    """The offered ``plugins`` by job type. ``not_offered``: the reason for each other job type.

    ``ours``: the built-in plugins, offered or not.
    """

    plugins: dict[str, Plugin]
    not_offered: dict[str, str]
    ours: tuple[Plugin, ...] = ()

    @property
    def render(self) -> RenderPlugin | None:
        """Return the render plugin; return None if the node does not offer ``render``."""
        plugin = self.plugins.get(RenderPlugin.job_type)
        return plugin if isinstance(plugin, RenderPlugin) else None

    @property
    def store(self) -> RendererStore | None:
        """Return the store of renderers, also before it has one; None if the node has no store."""
        known = (each for each in (self.render, *self.ours) if isinstance(each, RenderPlugin))
        return next((each.store for each in known), None)

    async def ask_again(self) -> bool:
        """Ask again the plugins that lack a Blender, and offer those that can work now.

        Return True if the node renders from now on.
        """
        lacking = [each for each in self.ours if each.job_type not in self.plugins]
        if self.render is not None or not any(isinstance(each, RenderPlugin) for each in lacking):
            return False
        for plugin in lacking:
            await _ask(plugin, self.plugins, self.not_offered)
        return self.render is not None

    async def end(self) -> None:
        """End the Blender processes that wait for units, and installations."""
        if (render := self.render) is not None:
            await render.residents.end()
        if (store := self.store) is not None:
            await store.end()

    async def warm(self) -> None:
        """Compile shaders, which takes some minutes on the first start."""
        if (render := self.render) is not None:
            await render.warm()

    @property
    def opengl(self) -> bool | None:
        """Return True if EEVEE and Workbench can draw here; None if that is unknown."""
        render = self.render
        return None if render is None or render.found is None else render.found.opengl

    @property
    def drawing(self) -> str | None:
        """Return the graphics driver with its version; None if nothing can draw here."""
        render = self.render
        return None if render is None or render.found is None else render.found.drawing

    @property
    def serves_strangers(self) -> bool:
        """Return True if the node may take the work of users whom its owner does not trust.

        The driver of a graphics card gives scenes a way to the kernel, so the owner decides.
        """
        render = self.render
        return self.has_sandbox and (render is None or render.device is None or render.any_user)

    @property
    def has_sandbox(self) -> bool:
        """Return True if untrusted scenes cannot reach this machine's files and network."""
        render = self.render
        return render is None or render.found is None or render.found.is_sandboxed


async def offer(
    folder: StateFolder,
    settings: AgentSettings,
    *,
    source: ListSource | None = None,
    narrate: Callable[[str], None] | None = None,
) -> PluginOffer:
    """Ask each plugin whether it can work on this machine.

    ``source``: where the store gets the list of renderers; None if another agent may use the store.
    The store then only uses what is installed. ``narrate`` is told what the store does.
    """
    able: dict[str, Plugin] = {}
    unable: dict[str, str] = {}
    ours = tuple(_ours(folder, settings))
    for plugin in ours:
        if isinstance(plugin, RenderPlugin) and plugin.store is not None:
            plugin.store.ask = None if source is None else source.ask
            plugin.store.narrate = narrate or plugin.store.narrate
        await _ask(plugin, able, unable)
    for entry in entry_points(group=GROUP):
        await _add_installed(entry, folder, settings, able, unable)
    return PluginOffer(plugins=able, not_offered=unable, ours=ours)


async def _add_installed(
    entry: EntryPoint,
    folder: StateFolder,
    settings: AgentSettings,
    able: dict[str, Plugin],
    unable: dict[str, str],
) -> None:
    """Add a third-party plugin, and the check that it may have."""
    plugin = _load(entry)
    if isinstance(plugin, str):
        unable[entry.name] = plugin
        return
    job_type = plugin.job_type
    if job_type in able.keys() | unable.keys():
        unable[entry.name] = f"another plugin does {job_type} on this node"
        return
    if is_check(job_type):
        unable[entry.name] = f"the job type {job_type} is reserved for checks"
        return
    await _ask_foreign(plugin, able, unable)
    if job_type in able:
        able[job_type] = in_thread(plugin)
        if callable(getattr(plugin, "check", None)):
            check = PluginCheck.of(job_type, source_of(entry), folder.work, settings)
            await _ask_foreign(cast("Plugin", check), able, unable)


async def _ask_foreign(plugin: Plugin, able: dict[str, Plugin], unable: dict[str, str]) -> None:
    """Ask a plugin that may raise any exception."""
    try:
        await _ask(plugin, able, unable)
    except Exception as fault:
        unable[plugin.job_type] = f"cannot be asked: {type(fault).__name__}: {fault}"


def _ours(folder: StateFolder, settings: AgentSettings) -> Iterator[Plugin]:
    yield EchoPlugin()
    yield CpuBenchmarkPlugin(nice=settings.nice)
    render = RenderPlugin(
        scratch=folder.work,
        unsafe_no_sandbox=settings.unsafe_no_sandbox,
        runtime_seconds_max=settings.runtime_seconds_max,
        memory_bytes=settings.memory_each,
        nice=settings.nice,
        device=settings.device,
        card_bytes=settings.card_bytes_each,
        any_user=settings.any_user,
        binaries=settings.blenders,
    )
    if settings.renderers_bytes_max is not None and settings.device is None:
        render.store = RendererStore(folder.renderers, settings.renderers_bytes_max, render.try_out)
    yield render
    if settings.device is not None:
        return  # one agent for one device: another agent does the processor's work
    yield VideoPlugin(render=render)
    yield CheckPlugin(render=render)
    yield CheckBatchPlugin(render=render)
    yield PreflightPlugin(render=render)
    for plugin in inference_plugins(folder.work, settings):
        yield cast("Plugin", plugin)


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
    """Add a plugin to those that can work, or its reason to those of the others."""
    asked = getattr(plugin, "why_not", None)
    answer = asked() if callable(asked) else None
    reason = await answer if inspect.isawaitable(answer) else answer
    if reason is None:
        able[plugin.job_type] = plugin
        unable.pop(plugin.job_type, None)
    else:
        unable[plugin.job_type] = str(reason)
