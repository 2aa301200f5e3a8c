"""Attribution of a crash during a check: to the scene, this machine, or the delivered files.

The worker announces each delivered file before it opens the file
(``worker/checks/open_watchdog.py``). If the worker dies or fails after the announcement, a second
worker opens a test file of the same size and kind. That worker then opens the delivered file,
without the scene (``worker/checks/isolated_open.py``). If the second worker dies twice, the
delivered file is at fault. If it dies of the test file, the scene is to blame, as its frames are
too large. If it fails with the test file, as on a full disk, nothing is to blame. If it fails only
with the delivered file, the delivered files are to blame. If it survives, only the file and the
scene together crash, and the delivered files are to blame. If the worker dies or fails while it
draws the comparison sheet, the report is complete without the sheet.

If memory or time runs out while no delivered file is open, the scene is to blame. If the worker
crashes then, a second worker renders the unit without the delivered files, as a file may do harm
after it was opened: the scene is to blame if that worker crashes, too, and the files if it does
not. The scene is not to blame if the result differed so far, because the check of a wrong result
takes longer.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

import attrs

from rendertrust.node.child_process import ProcessExit
from rendertrust.node.plugin import Task
from rendertrust.node.plugins.render import RenderPlugin, RenderProgress, how_it_died, ran_out
from rendertrust.node.resource_monitor import MEMORY, SCENES
from rendertrust.node.worker.checks.open_watchdog import MAKING, SHEET

TRIES: Final = 2
ENDS: Final = ("done", "failed")
DEADLY: Final = (
    "every program that opens the {} crashes or hangs; a test file of the same size is fine"
)
SCENE, FILES = "scene", "files"  # what is to blame for a failed check
RENDERED: Final = {"check": "prove", "check_unit": "render"}  # the render, by the check
# Members of a check's order that the render of its unit lacks.
OF_CHECK: Final = (
    *("draws", "shown", "whole", "across", "keep", "places", "picture", "evidence"),
    *("open_seconds", "sheet"),
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


async def run_check(render: RenderPlugin, order: Told, task: Task, until: float) -> Told:
    """Run a check. Return the worker's last message or, if the worker died, the attribution.

    ``blamed`` in it is SCENE, FILES or None. ``until``: when the check must end, by the monotonic
    clock.
    """
    heard = BlameMessages(task=task)
    ending = await render.obey(order, task, heard)
    about, event = heard.about, ending.last.get("event")
    # This machine may be the reason why a picture cannot be made of the delivered passes.
    is_unmade = event == "failed" and about is not None and about["what"] == MAKING
    if event == "done" or is_unmade or about is None:
        is_open = about is not None or heard.doubts
        blamed = None if is_open else await _blamed(render, order, task, ending, until)
        return {**_last(ending), "blamed": blamed}
    found = about.get("found")
    before = found if isinstance(found, dict) else {}
    if about["what"] == MAKING:  # the compositor ran on the delivered passes
        return {**before, "event": "done", "unmade": True}
    if about["what"] == SHEET:
        return {**before, "event": "done"}
    return await _open_alone(render, order, task, about, before)


async def _blamed(
    render: RenderPlugin, order: Told, task: Task, ending: ProcessExit, until: float
) -> str | None:
    """Return what is to blame if the worker ended early while no delivered file was open."""
    left = until - time.monotonic()
    if not _has_crashed(ending):
        return SCENE if _is_too_large(ending) else None
    if order["do"] not in RENDERED or "tiles" in order or left <= 0:
        return None
    asked = {name: value for name, value in order.items() if name not in OF_CHECK}
    asked |= {"do": RENDERED[order["do"]]}
    short = attrs.evolve(render, runtime_seconds_max=left)
    again = await short.obey(asked, task, RenderProgress(task=task))
    if _has_crashed(again):
        return SCENE
    return FILES if again.last.get("event") == "done" else None


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
            is_theirs = heard.about is not None or ending.last["event"] == "done"
            return {**_opened(order, ending, before), "blamed": FILES if is_theirs else None}
        if heard.about is None:  # the worker died while it opened the test file
            is_scenes = _is_too_large(ending) or _has_crashed(ending)
            return {**_last(ending), "blamed": SCENE if is_scenes else None}
    return _deadly(about)


def _opened(order: Told, ending: ProcessExit, before: Told) -> Told:
    """Return the report on a file that opens without the scene, and so is not at fault."""
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


def _has_crashed(ending: ProcessExit) -> bool:
    """Return True if a signal ended the worker, and not a limit."""
    is_over = ending.last.get("event") in ENDS or ending.excess is not None
    return not (is_over or ran_out(ending)) and ending.signal_name is not None


def _last(ending: ProcessExit) -> Told:
    error = how_it_died(ending) if ending.excess is None else ending.excess.reason
    return {"error": error, **ending.last, "tail": ending.tail}
