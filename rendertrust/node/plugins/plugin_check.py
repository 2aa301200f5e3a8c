"""Checks by plugins: a plugin's ``check`` examines another node's result in the sandbox."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from rendertrust.job_types import check_of
from rendertrust.node import sandbox
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.plugin import RESULT, Completed, Failed, Result, Task
from rendertrust.node.plugins.sandboxed_plugin import (
    PROGRAM,
    PluginSandbox,
    PluginSource,
    why_it_ended,
)

_TOLD: Final = ("verdict", "exact", "reason")


@attrs.frozen
class PluginCheck:
    """Check of one result by the plugin of its job type.

    Parameters: ``of`` (job id, unit, attempt and parameters of the checked unit), ``same_class``,
    and ``seconds``, the time limit. The inputs are those of the unit, and RESULT. The measurements
    are the ``verdict`` (valid, invalid or unverifiable), its ``reason``, and ``exact``.

    ``needs_of``: returns whether a unit with these parameters needs an input of its job.
    """

    job_type: str
    checked: str
    sandbox: PluginSandbox
    needs_of: Callable[[Mapping[str, Any], str], bool] = lambda params, path: True

    @classmethod
    def of(
        cls,
        job_type: str,
        source: PluginSource,
        scratch: Path,
        settings: AgentSettings,
    ) -> "PluginCheck":
        """Return the check of results of ``job_type``."""
        return cls(check_of(job_type), job_type, PluginSandbox.of(source, scratch, settings))

    async def why_not(self) -> str | None:
        """Load the plugin in the sandbox; return why that fails, or None."""
        return await self.sandbox.why_not()

    def needs(self, params: Mapping[str, Any], path: str) -> bool:
        """Return True if the check needs an input of the job."""
        of = params.get("of")
        return not isinstance(of, dict) or self.needs_of(of.get("params") or {}, path)

    async def run(self, task: Task) -> Result:
        """Run the check. A failure of the check says nothing about the result."""
        of, seconds = task.params.get("of"), task.params.get("seconds")
        if not isinstance(of, dict) or RESULT not in task.delivered:
            return Failed(failure="gateway", error="the order of the check is incomplete")
        within = self.sandbox.runtime_seconds_max
        if isinstance(seconds, int | float):
            within = max(min(seconds, within), 1.0)
        ending = await self.sandbox.obey(self._order(task, of), task, within)
        if ending.code == 0 and ending.last.get("event") == "done":
            return Completed(work={name: ending.last.get(name) for name in _TOLD})
        error = why_it_ended(ending, "the check")[:500]
        return Failed(failure="verifier", error=error, detail=ending.tail)

    def _order(self, task: Task, of: Mapping[str, Any]) -> Mapping[str, Any]:
        checked = {name: of.get(name) for name in ("job_id", "unit", "attempt", "params")}
        checked |= {"job_type": self.checked, "same_class": task.params.get("same_class") is True}
        order = self.sandbox.order_of(task, **checked)
        assert self.sandbox.box is not None, "an order needs a sandbox"
        view = self.sandbox.box.view(task.folder, PROGRAM)
        delivered = task.delivered[RESULT].relative_to(task.folder / sandbox.DELIVERED)
        return {**order, "delivered": f"{view.delivered}/{delivered}"}
