"""Plugin ``check``: compares another node's result with the scene, in the sandbox."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import attrs

from rendertrust.job_types import CHECK, RENDER, VIDEO
from rendertrust.node.plugin import EVIDENCE as EVIDENCE  # noqa: PLC0414 - exported from here
from rendertrust.node.plugin import PICTURE as PICTURE  # noqa: PLC0414
from rendertrust.node.plugin import SHOWN, Completed, Failed, Result, Task
from rendertrust.node.plugins import crash_attribution, rounding_check
from rendertrust.node.plugins.render import RenderPlugin, order_for
from rendertrust.node.plugins.render_order import refused
from rendertrust.node.plugins.video import playing
from rendertrust.node.safe_open import NotARegularFile, open_plain
from rendertrust.node.sandbox import DELIVERED
from rendertrust.node.worker.checks.open_watchdog import OPEN_SECONDS
from rendertrust.relay_frames import SHEET_BYTES_MAX

NO_SANDBOX: Final = "untrusted scenes are opened only in a sandbox, and this machine has none"
DRAWS_MAX: Final = 16
SHEET: Final = "comparison.png"
PNG: Final = b"\x89PNG\r\n\x1a\n"
_TOLD: Final = (
    "crops",
    "finish",
    "fault",
    "unable",
    "uncut",
    "bare",
    "loose",
    "looked",
    "suspect",
    "whole",
    "across",
    "depends",
    "unmade",
    "seen",
    "frame",
    "samples",
    "seconds",
    "blender",
)


@attrs.define
class CheckPlugin:
    """Check of one result.

    A check gets the parameters and inputs of the checked unit, and the following parameters.
    ``of``: the job type of the checked unit, ``render`` or ``video``. ``draws``: [x, y, cell or
    null] for each crop of a frame or tile. ``shown``: a number for each frame of a chunk or video
    to check. All these numbers are in [0, 1). Without ``draws`` and ``shown``, the plugin takes
    only a quick look. ``whole``: the crops are cut out of a whole rendered frame or tile.
    ``across``: set if another kind of device or instruction set made the result; lists the draws
    for a second look. ``rounding``: another instruction set made the result; if crops differ, test
    whether honest renders may differ by rounding. ``sheet``: also draw a comparison sheet of the
    whole frame, the plugin's file. ``seconds``: the time limit of the renders. The plugin's
    measurements are a report. For each crop or frame and for the picture, the report says whether
    both are ``equal``, or how far ``off``. Instead, the report may name a ``fault`` of the result.
    """

    job_type: ClassVar[str] = CHECK
    render: RenderPlugin
    # Time limit for opening a delivered file. A file that takes longer counts as hanging.
    open_seconds: float = OPEN_SECONDS

    async def why_not(self) -> str | None:
        """Return why this machine cannot render or open untrusted scenes.

        Return None if this machine can render and open such scenes.
        """
        return await why_no_strangers(self.render)

    async def run(self, task: Task) -> Result:
        """Run the check. A failure of the check says nothing about the checked result.

        If memory or time ran out or Blender crashed while no delivered file was open, the failure
        blames the scene. If Blender crashes only with the delivered files, the failure names the
        picture as unread. Otherwise the failure blames the verifier.
        """
        # runs in a thread, because a video's frames are unpacked
        order = await asyncio.to_thread(_order_for, task)
        if isinstance(order, Failed):
            return order
        async with self.render.for_task(task) as render:
            return (
                render if isinstance(render, Failed) else await self._checked(render, order, task)
            )

    async def _checked(self, render: RenderPlugin, order: Mapping[str, Any], task: Task) -> Result:
        order = {**order, "open_seconds": self.open_seconds}
        render = _within(render, task.params.get("seconds"))
        until = time.monotonic() + render.runtime_seconds_max
        last = await crash_attribution.run_check(render, order, task, until)
        told = await rounding_check.check_rounding(render, order, task, last, until)
        return await asyncio.to_thread(_report, told, task)


def _within(render: RenderPlugin, seconds: object) -> RenderPlugin:
    """Return the render plugin with this time limit, at most the plugin's own limit."""
    if not isinstance(seconds, int | float):
        return render
    limit = max(min(seconds, render.runtime_seconds_max), 1.0)
    return attrs.evolve(render, runtime_seconds_max=limit)


async def why_no_strangers(render: RenderPlugin) -> str | None:
    """Return why this machine cannot open untrusted scenes; None if nothing prevents it."""
    if (why := await render.why_no_blender()) is not None:
        return why
    return None if render.found is None or render.found.is_sandboxed else NO_SANDBOX


def _order_for(task: Task) -> Mapping[str, Any] | Failed:
    draws, shown = task.params.get("draws"), task.params.get("shown", [])
    across = task.params.get("across", [])
    if not _are_draws(draws):
        return refused("draws must be a list of [x, y, cell or null], from 0 up to 1")
    if not isinstance(shown, list) or len(shown) > DRAWS_MAX or not all(map(_is_share, shown)):
        return refused("shown must be a list of numbers from 0 up to 1")
    if not _are_draws(across):
        return refused("across must be a list of [x, y, cell or null], from 0 up to 1")
    if PICTURE not in task.delivered:
        return refused(f"the input {PICTURE} is missing")
    own = ("draws", "shown", "of", "whole", "across", "rounding", "sheet", "seconds")
    params = {name: value for name, value in task.params.items() if name not in own}
    made = attrs.evolve(task, params=params)
    order = _made_of(made, of=task.params.get("of", RENDER), is_look=not (draws or shown))
    if isinstance(order, Failed):
        return order
    delivered = {
        "picture": delivered_path(PICTURE, task),
        "evidence": delivered_path(EVIDENCE, task),
    }
    whole = bool(task.params.get("whole"))
    full = {**order, "draws": draws, "shown": shown, "whole": whole, "thumbnails": False}
    full |= {"across": across} if across else {}
    full |= {"keep": True} if task.params.get("rounding") else {}
    full |= {"sheet": task.params["sheet"]} if task.params.get("sheet") else {}
    return {**full, **delivered}


def delivered_path(name: str, task: Task) -> str | None:
    """Return a delivered file's path below ``delivered``; None if the file was not delivered."""
    path = task.delivered.get(name)
    return None if path is None else str(path.relative_to(task.folder / DELIVERED))


def _made_of(task: Task, *, of: object, is_look: bool) -> Mapping[str, Any] | Failed:
    """Return the worker's order of the checked unit, with the kind of check as ``do``."""
    order: Mapping[str, Any] | Failed
    if of == VIDEO:
        order = playing(task)
        return order if isinstance(order, Failed) else {**order, "do": "watch"}
    if of != RENDER:
        return refused("a result of this job type cannot be checked")
    if is_look:  # the tiles were checked already
        params = {name: value for name, value in task.params.items() if name != "tiles"}
        order = order_for(attrs.evolve(task, params=params))
    else:
        order = order_for(task)
    if isinstance(order, Failed):
        return order
    if not ("tile" in order or "tiles" in task.params or len(order.get("frames", ())) > 1):
        return {**order, "do": "check"}
    return {**order, "do": "look" if is_look else "check_unit"}


def _are_draws(value: object) -> bool:
    if not isinstance(value, list) or len(value) > DRAWS_MAX:  # pyright: ignore[reportUnknownArgumentType]
        return False
    return all(map(_is_draw, value))  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]


def _is_draw(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 3:  # pyright: ignore[reportUnknownArgumentType]
        return False
    x, y, cell = value  # pyright: ignore[reportUnknownVariableType]
    return _is_share(x) and _is_share(y) and (cell is None or _is_share(cell))


def _is_share(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < 1  # type: ignore[operator]


def _report(last: Mapping[str, Any], task: Task) -> Result:
    if last.get("event") != "done":
        error = str(last.get("error") or "the check ended without a report")
        blamed, detail = last.get("blamed"), str(last.get("tail", ""))
        failure = "scene" if blamed == crash_attribution.SCENE else "verifier"
        unread = PICTURE if blamed == crash_attribution.FILES else None
        return Failed(failure=failure, error=error[:500], detail=detail, unread=unread)
    told = {name: last[name] for name in _TOLD if last.get(name) is not None}
    return Completed(file=_sheet(task) if task.params.get("sheet") else None, work=told)


def _sheet(task: Task) -> Path | None:
    """Copy the comparison sheet out of the reach of the worker, which has opened a delivered file.

    Return None if there is no sheet, or if it is no PNG of a possible size.
    """
    try:
        with open_plain(task.folder / "out" / SHOWN) as file:
            content = file.read(SHEET_BYTES_MAX + 1)
    except (NotARegularFile, OSError):
        return None
    if not content.startswith(PNG) or len(content) > SHEET_BYTES_MAX:
        return None
    path = task.folder / SHEET
    path.write_bytes(content)
    return path
