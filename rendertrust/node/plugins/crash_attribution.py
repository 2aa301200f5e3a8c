"""Attribution of a crash during a check: to the scene, this machine, or the delivered file.

The worker announces each file before it opens it (``worker/checks/open_watchdog.py``). If it dies
then, the file is opened again without the scene, in a worker that has just opened a test file of
the same size and kind (``worker/checks/isolated_open.py``). If that worker dies twice, the
delivered file is to blame. If it survives, or dies of the test file, nothing is blamed. If memory
or time runs out while no delivered file is open, the scene is to blame.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from rendertrust.node.child_process import ProcessExit
from rendertrust.node.plugin import Task
from rendertrust.node.plugins.render import RenderPlugin, RenderProgress, ran_out
from rendertrust.node.resource_monitor import MEMORY, SCENES
from rendertrust.node.worker.checks.open_watchdog import MAKING

TRIES: Final = 2
ENDS: Final = ("done", "failed")
DEADLY: Final = (
    "every program that opens the {} crashes or hangs; a test file of the same size is fine"
)
ABOUT: Final = ("what", "size", "theirs", "ours", "kinds")
Told = Mapping[str, Any]


@attrs.define
class BlameMessages(RenderProgress):
    """Progress of a check. ``about``: the announced step that has not ended."""

    about: Told | None = None

    def hear(self, line: Told) -> None:
        if line.get("event") == "about":
            self.about = line
        elif line.get("event") == "past":
            self.about = None
        super().hear(line)


async def told(render: RenderPlugin, order: Told, task: Task) -> Told:
    """Run a check; return the worker's last line or, if the worker died, the attribution.

    ``of_scene`` is set if the scene is to blame.
    """
    heard = BlameMessages(task=task)
    ending = await render.obey(order, task, heard)
    about = heard.about
    if ending.last.get("event") in ENDS or about is None:
        return {**_last(ending), "of_scene": about is None and _is_too_large(ending)}
    found = about.get("found")
    before = found if isinstance(found, dict) else {}
    if about["what"] == MAKING:  # the compositor ran on the delivered passes
        return {**before, "event": "done", "unmade": True}
    return await _alone(render, order, task, about, before)


async def _alone(render: RenderPlugin, order: Told, task: Task, about: Told, before: Told) -> Told:
    """Open the file without the scene, and judge by the outcome."""
    asked = {name: about[name] for name in ABOUT if name in about}
    asked |= {"do": "alone", "open_seconds": order["open_seconds"]}
    for _ in range(TRIES):
        heard = BlameMessages(task=task)
        ending = await render.obey(asked, task, heard)
        if ending.last.get("event") in ENDS:
            return _opened(order, ending, before)
        if heard.about is None:  # the worker died of the test file
            return _last(ending)
    return _deadly(about)


def _opened(order: Told, ending: ProcessExit, before: Told) -> Told:
    """Judge a file that can be opened alone: it is not to blame for a crash together with the
    scene.
    """
    last = ending.last
    if last["event"] == "failed" or "fault" in last:
        return last
    if order["do"] == "check" and (before or not order["draws"]):
        return {**before, **({} if before else {"looked": True}), **last}
    return {"event": "failed", "error": "the check crashed on a file that opens without its scene"}


def _deadly(about: Told) -> Told:
    """Blame the file. This is certain only if a test file of the same kind could be opened."""
    said = DEADLY.format(about["what"])
    if "ours" in about or "kinds" in about:
        return {"event": "done", "fault": said}
    return {"event": "done", "looked": True, "suspect": said}


def _is_too_large(ending: ProcessExit) -> bool:
    """Return True if the scene took too much memory or time, or exceeded its other limits."""
    excess = ending.excess or ran_out(ending)
    if excess is None:
        return ending.code is None
    return excess.failure == SCENES or excess.lacks == MEMORY


def _last(ending: ProcessExit) -> Told:
    excess = {} if ending.excess is None else {"error": ending.excess.reason}
    return {**excess, **ending.last, "tail": ending.tail}
