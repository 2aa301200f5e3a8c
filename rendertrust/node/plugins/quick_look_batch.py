"""Plugin ``check_batch``: opens several results of one job without comparing them."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import attrs

from rendertrust.job_types import CHECK_BATCH
from rendertrust.node.plugin import Completed, Failed, Result, Task, in_batch
from rendertrust.node.plugins.check import delivered_path, why_no_strangers
from rendertrust.node.plugins.render import RenderPlugin, RenderProgress, order_for
from rendertrust.node.plugins.render_order import refused
from rendertrust.node.worker.checks.open_watchdog import OPEN_SECONDS
from rendertrust.relay_frames import BATCH_MAX

RESULTS: Final = "results"  # name of the parameter with the number of results
WORDS_MAX: Final = 300  # characters of a text in a report; a batch's reports fit a relay frame
_TOLD: Final = ("looked", "suspect", "fault", "unable", "uncut", "loose", "seen")
Told = Mapping[str, Any]


@attrs.define
class CheckBatchPlugin:
    """Quick look at several results of one job.

    A batch gets the parameters of the units, and the number of ``results``. The inputs are
    ``check/0/picture``, ``check/0/evidence.exr`` and so on. ``opened`` in the batch's result lists
    a report for each checked result, like the report of a ``check`` without draws. A report is None
    if the worker died before the report, or if only a render can decide. The batch fails if the
    worker neither reported on any result nor ended properly.
    """

    job_type: ClassVar[str] = CHECK_BATCH
    render: RenderPlugin
    open_seconds: float = OPEN_SECONDS  # time limit for opening each result

    async def why_not(self) -> str | None:
        """Return why this machine cannot open untrusted scenes; None if nothing prevents it."""
        return await why_no_strangers(self.render)

    async def run(self, task: Task) -> Result:
        """Open the results in one worker. If the worker crashes, its earlier reports count."""
        order = _order_for(task)
        if isinstance(order, Failed):
            return order
        heard = BatchMessages(task=task, count=len(order[RESULTS]))
        full = {**order, "open_seconds": self.open_seconds}
        async with self.render.for_task(task) as render:
            if isinstance(render, Failed):
                return render
            ending = await render.obey(full, task, heard)
        if not heard.told and ending.last.get("event") != "done":
            error = str(ending.last.get("error") or "the check ended without a report")
            return Failed(failure="verifier", error=error[:500], detail=ending.tail)
        return Completed(work={"opened": [heard.told.get(n) for n in range(heard.count)]})


@attrs.define
class BatchMessages(RenderProgress):
    """The worker's reports on ``count`` results. For each result, the first report counts."""

    count: int = 0
    told: dict[int, Told] = attrs.field(factory=dict[int, Told])

    def hear(self, line: Told) -> None:
        number, told = line.get("number"), line.get("told")
        if line.get("event") == "opened" and type(number) is int and isinstance(told, dict):
            if 0 <= number < self.count:
                self.told.setdefault(number, _short(told))
            return
        super().hear(line)


def _short(told: Told) -> Told:
    words = {name: told[name] for name in _TOLD if name in told}
    return {n: of[:WORDS_MAX] if isinstance(of, str) else of is True for n, of in words.items()}


def _order_for(task: Task) -> Mapping[str, Any] | Failed:
    count = task.params.get(RESULTS)
    if type(count) is not int or not 1 <= count <= BATCH_MAX:
        return refused(f"{RESULTS} must be a whole number from 1 to {BATCH_MAX}")
    names = [in_batch(number) for number in range(count)]
    if any(picture not in task.delivered for picture, _ in names):
        return refused("the picture of a result is missing")
    own = {name: value for name, value in task.params.items() if name != RESULTS}
    order = order_for(attrs.evolve(task, params=own))
    if isinstance(order, Failed):
        return order
    results = [
        {
            kind: delivered_path(name, task)
            for kind, name in zip(("picture", "evidence"), pair, strict=True)
            if name in task.delivered
        }
        for pair in names
    ]
    return {**order, "do": "batch", "results": results, "thumbnails": False}
