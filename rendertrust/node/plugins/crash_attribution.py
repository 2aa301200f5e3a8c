"""A check whose worker dies: of the scene, of this machine, or of what was delivered.

The worker says what it is about to open (``worker/open_watchdog.py``). If it dies of that, the file
is opened once more with nothing beside it, in a worker that has just opened one of ours of the same
size and kind (``worker/isolated_open.py``). Where that dies, too, and again, it is the file. Where
it does not, or dies of ours, it is nobody's.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from rendertrust.node.child_process import ProcessExit
from rendertrust.node.plugin import Task
from rendertrust.node.plugins.render import RenderPlugin, RenderProgress
from rendertrust.node.worker.open_watchdog import MAKING

TRIES: Final = 2
ENDS: Final = ("done", "failed")
DEADLY: Final = (
    "the {} keeps whoever opens it from ever ending well; one of ours of its size does not"
)
ABOUT: Final = ("what", "size", "theirs", "ours", "kinds")
Told = Mapping[str, Any]


@attrs.define
class BlameMessages(RenderProgress):
    """``about``: what it said that it was about to do, and did not come back from."""

    about: Told | None = None

    def hear(self, line: Told) -> None:
        if line.get("event") == "about":
            self.about = line
        elif line.get("event") == "past":
            self.about = None
        super().hear(line)


async def told(render: RenderPlugin, order: Told, task: Task) -> Told:
    """What a check's worker says at last; of one that died, what was found out about that."""
    heard = BlameMessages(task=task)
    ending = await render.obey(order, task, heard)
    about = heard.about
    if ending.last.get("event") in ENDS or about is None:
        return _last(ending)
    found = about.get("found")
    before = found if isinstance(found, dict) else {}
    if about["what"] == MAKING:  # the scene's own nodes, fed with what was delivered
        return {**before, "event": "done", "unmade": True}
    return await _alone(render, order, task, about, before)


async def _alone(render: RenderPlugin, order: Told, task: Task, about: Told, before: Told) -> Told:
    """What opening it alone says."""
    asked = {name: about[name] for name in ABOUT if name in about}
    asked |= {"do": "alone", "open_seconds": order["open_seconds"]}
    for _ in range(TRIES):
        heard = BlameMessages(task=task)
        ending = await render.obey(asked, task, heard)
        if ending.last.get("event") in ENDS:
            return _opened(order, ending, before)
        if heard.about is None:  # of ours
            return _last(ending)
    return _deadly(about)


def _opened(order: Told, ending: ProcessExit, before: Told) -> Told:
    """It can be opened: then what the scene and it did together is nobody's fault."""
    last = ending.last
    if last["event"] == "failed" or "fault" in last:
        return last
    if order["do"] == "check" and (before or not order["draws"]):
        return {**before, **({} if before else {"looked": True}), **last}
    return {"event": "failed", "error": "the check died of what opens well without its scene"}


def _deadly(about: Told) -> Told:
    """Only beside one of ours of the very kind is that certain; else a check is to decide."""
    said = DEADLY.format(about["what"])
    if "ours" in about or "kinds" in about:
        return {"event": "done", "fault": said}
    return {"event": "done", "looked": True, "suspect": said}


def _last(ending: ProcessExit) -> Told:
    excess = {} if ending.excess is None else {"error": ending.excess.reason}
    return {**excess, **ending.last, "tail": ending.tail}
