"""Third-party plugins run in separate threads with their own event loops.

In the agent's loop, a plugin that blocks would delay lease renewals and pongs.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Final, cast

import attrs

from rendertrust.node.plugin import Plugin, Result, Task

LEAVE_SECONDS: Final = 10.0  # time for a cancelled plugin to end, before it is abandoned


def in_thread(plugin: Plugin) -> Plugin:
    """Wrap a plugin so that the plugin runs in a thread, outside the agent's loop."""
    return cast("Plugin", ThirdPartyPlugin(plugin, plugin.job_type))


@attrs.frozen
class ThirdPartyPlugin:
    """Wrapper that runs a plugin in a thread. The plugin may use the task from this thread."""

    plugin: Plugin
    job_type: str

    async def run(self, task: Task) -> Result:
        """Run the plugin in a thread.

        If this method is cancelled, it cancels the plugin and waits up to LEAVE_SECONDS.
        """
        visit = _ThirdPartyRun(self.plugin, task, asyncio.get_running_loop())
        threading.Thread(target=visit.work, name=f"plugin {self.job_type}", daemon=True).start()
        try:
            return await asyncio.shield(visit.done)
        except asyncio.CancelledError:
            task.stopping.set()
            visit.cancel()
            await asyncio.wait((visit.done,), timeout=LEAVE_SECONDS)
            raise


@attrs.define
class _ThirdPartyRun:
    """The run of one unit in a thread."""

    plugin: Plugin
    task: Task
    home: asyncio.AbstractEventLoop
    done: "asyncio.Future[Result]" = attrs.field(init=False)
    _running: "tuple[asyncio.AbstractEventLoop, asyncio.Task[Result]] | None" = None
    _is_cancelled: bool = False

    def __attrs_post_init__(self) -> None:
        self.done = self.home.create_future()

    def work(self) -> None:
        """Run the plugin; the target of the thread."""
        try:
            with asyncio.Runner() as runner:
                result = runner.run(self._run())
        except asyncio.CancelledError:
            self._tell(self.done.cancel)
        except BaseException as fault:
            said = fault if isinstance(fault, Exception) else RuntimeError(type(fault).__name__)
            self._tell(self._fail, said)
        else:
            self._tell(self._finish, result)

    async def _run(self) -> Result:
        running = asyncio.ensure_future(self.plugin.run(self._their_task()))
        self._running = (asyncio.get_running_loop(), running)
        if self._is_cancelled:
            running.cancel()
        return await running

    def _their_task(self) -> Task:
        task = self.task
        return attrs.evolve(
            task,
            on_progress=partial(self._tell, task.on_progress),
            on_preview=partial(self._tell, task.on_preview),
            on_log=partial(self._tell, task.on_log),
        )

    def cancel(self) -> None:
        """Cancel the plugin. The agent's loop calls this method."""
        self._is_cancelled = True
        if self._running is not None:
            loop, running = self._running
            with contextlib.suppress(RuntimeError):  # the plugin's loop may be closed already
                loop.call_soon_threadsafe(running.cancel)

    def _tell(self, what: Callable[..., object], *words: object) -> None:
        with contextlib.suppress(RuntimeError):  # the agent's loop is closed if the agent has ended
            self.home.call_soon_threadsafe(what, *words)

    def _finish(self, result: Result) -> None:
        if not self.done.done():
            self.done.set_result(result)

    def _fail(self, fault: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(fault)
