"""Attribution of a crash during a check: to the scene, this machine, or the delivered file.

The worker announces each delivered file before it opens the file
(``worker/checks/open_watchdog.py``). If the worker dies after the announcement, a second worker
opens a test file of the same size and kind. That worker then opens the delivered file, without the
scene (``worker/checks/isolated_open.py``). If the second worker dies twice, the delivered file is
to blame. If the second worker survives, or dies of the test file, nothing is blamed. If the worker
dies while it draws the comparison sheet, the report is complete without the sheet. If memory or
time runs out while no delivered file is open, the scene is to blame. The scene is not to blame if
the result differed so far, because the check of a wrong result takes longer.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from rendertrust.node.child_process import ProcessExit
from rendertrust.node.plugin import Task
from rendertrust.node.plugins.render import RenderPlugin, RenderProgress, ran_out
from rendertrust.node.resource_monitor import MEMORY, SCENES
from rendertrust.node.worker.checks.open_watchdog import MAKING, SHEET

TRIES: Final = 2
ENDS: Final = ("done", "failed")
DEADLY: Final = (
    "every program that opens the {} crashes or hangs; a test file of the same size is fine"
)
ABOUT: Final = ("what", "size", "theirs", "ours", "kinds")
Told = Mapping[str, Any]


@attrs.define
class BlameMessages(RenderProgress):
    """Handler of a check's messages. ``about``: the announced step that has not ended.

    ``doubts``: the result differed so far.
    """

    about: Told | None = None
    doubts: bool = False

    def hear(self, line: Told) -> None:
        if line.get("event") == "about":
            self.about = line
        elif line.get("event") == "past":
            self.about = None
        elif line.get("event") == "doubt":
            self.doubts = True
        super().hear(line)


async def run_check(render: RenderPlugin, order: Told, task: Task) -> Told:
    """Run a check. Return the worker's last message or, if the worker died, the attribution.

    ``of_scene`` is set if the scene is to blame.
    """
    heard = BlameMessages(task=task)
    ending = await render.obey(order, task, heard)
    about = heard.about
    if ending.last.get("event") in ENDS or about is None:
        is_of_scene = about is None and not heard.doubts and _is_too_large(ending)
        return {**_last(ending), "of_scene": is_of_scene}
    found = about.get("found")
    before = found if isinstance(found, dict) else {}
    if about["what"] == MAKING:  # the compositor ran on the delivered passes
        return {**before, "event": "done", "unmade": True}
    if about["what"] == SHEET:
        return {**before, "event": "done"}
    return await _open_alone(render, order, task, about, before)


async def _open_alone(
    render: RenderPlugin, order: Told, task: Task, about: Told, before: Told
) -> Told:
    """Open the file without the scene, and judge by the outcome."""
    asked = {name: about[name] for name in ABOUT if name in about}
    asked |= {"do": "alone", "open_seconds": order["open_seconds"]}
    for _ in range(TRIES):
        heard = BlameMessages(task=task)
        ending = await render.obey(asked, task, heard)
        if ending.last.get("event") in ENDS:
            return _opened(order, ending, before)
        if heard.about is None:  # the worker died while it opened the test file
            return _last(ending)
    return _deadly(about)


def _opened(order: Told, ending: ProcessExit, before: Told) -> Told:
    """Return the report on a file that opens without the scene, and so did not cause the crash."""
    last = ending.last
    if last["event"] == "failed" or "fault" in last:
        return last
    if order["do"] == "check" and (before or not order["draws"]):
        return {**before, **({} if before else {"looked": True}), **last}
    return {"event": "failed", "error": "the check crashed on a file that opens without its scene"}


def _deadly(about: Told) -> Told:
    """Return a report that blames the file.

    The report has a ``fault`` if the test file was of the same kind, otherwise ``suspect``.
    """
    said = DEADLY.format(about["what"])
    if "ours" in about or "kinds" in about:
        return {"event": "done", "fault": said}
    return {"event": "done", "looked": True, "suspect": said}


def _is_too_large(ending: ProcessExit) -> bool:
    """Return True if the scene took too much memory or time, or exceeded another limit."""
    excess = ending.excess or ran_out(ending)
    if excess is None:
        return ending.code is None
    return excess.failure == SCENES or excess.lacks == MEMORY


def _last(ending: ProcessExit) -> Told:
    excess = {} if ending.excess is None else {"error": ending.excess.reason}
    return {**excess, **ending.last, "tail": ending.tail}
