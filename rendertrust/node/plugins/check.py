"""``check``: what another node delivered, held against the same scene, in the sandbox."""

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import attrs
import orjson

from rendertrust.node.plugin import EVIDENCE as EVIDENCE  # noqa: PLC0414 - offered with the rest
from rendertrust.node.plugin import PICTURE as PICTURE  # noqa: PLC0414
from rendertrust.node.plugin import Completed, Failed, Result, Task
from rendertrust.node.plugins import crash_attribution
from rendertrust.node.plugins.render import RenderPlugin, order_for
from rendertrust.node.plugins.render_order import refused
from rendertrust.node.plugins.video import VideoPlugin, playing
from rendertrust.node.sandbox import DELIVERED
from rendertrust.node.worker.open_watchdog import OPEN_SECONDS

NO_SANDBOX: Final = "strangers' scenes are opened in a sandbox alone, and there is none"
DRAWS_MAX: Final = 16
RENDER: Final = "render"
VIDEO: Final = VideoPlugin.job_type
REPORT: Final = "check.json"
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
    """Takes what the unit took, which was a ``render`` unless ``of`` names a ``video``, and where
    to look: ``draws``, [x, y, cell or null] of each crop of a frame or a tile, and ``shown``, which
    frames of a chunk or a video; all from 0 up to 1. Without either it only looks. ``whole``: the
    crops are cut out of a frame, or a tile, that is rendered whole. ``across``: a machine of
    another device kind or instruction set delivered it; the draws of a second look, where one is
    needed. Its result is a report as JSON: of each crop or frame and of the picture whether they
    are ``equal``, else how far ``off``; or a ``fault`` of what was delivered.
    """

    job_type: ClassVar[str] = "check"
    render: RenderPlugin
    open_seconds: float = OPEN_SECONDS  # for what was delivered, once: then it is taken for deadly

    async def why_not(self) -> str | None:
        """What keeps this machine from rendering; or from looking at what strangers sent."""
        return await why_no_strangers(self.render)

    async def run(self, task: Task) -> Result:
        """Render the crops; what goes wrong here is the verifier's, and says nothing of others."""
        order = await asyncio.to_thread(_order_for, task)  # a video's frames are unpacked
        if isinstance(order, Failed):
            return order
        order = {**order, "open_seconds": self.open_seconds}
        last = await crash_attribution.told(self.render, order, task)
        return _report(last, task)


async def why_no_strangers(render: RenderPlugin) -> str | None:
    """Why nothing of strangers' is opened here; None: it may be."""
    if render.found is None:
        return await render.why_not()
    return None if render.found.is_sandboxed else NO_SANDBOX


def _order_for(task: Task) -> Mapping[str, Any] | Failed:
    draws, shown = task.params.get("draws"), task.params.get("shown", [])
    across = task.params.get("across", [])
    if not _are_draws(draws):
        return refused("draws must be a list of [x, y, cell or null], from 0 up to 1")
    if not isinstance(shown, list) or len(shown) > DRAWS_MAX or not all(map(_is_share, shown)):  # pyright: ignore[reportUnknownArgumentType]
        return refused("shown must be a list of numbers from 0 up to 1")
    if not _are_draws(across):
        return refused("across must be a list of [x, y, cell or null], from 0 up to 1")
    if PICTURE not in task.delivered:
        return refused(f"the input {PICTURE} is missing")
    own = ("draws", "shown", "of", "whole", "across")
    params = {name: value for name, value in task.params.items() if name not in own}
    made = attrs.evolve(task, params=params)
    order = _made_of(made, of=task.params.get("of", RENDER), is_look=not (draws or shown))
    if isinstance(order, Failed):
        return order
    delivered = {"picture": place_of(PICTURE, task), "evidence": place_of(EVIDENCE, task)}
    whole = bool(task.params.get("whole"))
    full = {**order, "draws": draws, "shown": shown, "whole": whole, "thumbnails": False}
    full |= {"across": across} if across else {}
    return {**full, **delivered}


def place_of(name: str, task: Task) -> str | None:
    """Where what was delivered lies in the folder for it; None: it was not."""
    path = task.delivered.get(name)
    return None if path is None else str(path.relative_to(task.folder / DELIVERED))


def _made_of(task: Task, *, of: object, is_look: bool) -> Mapping[str, Any] | Failed:
    """The order that the unit itself was, and what is to be done about it."""
    order: Mapping[str, Any] | Failed
    if of == VIDEO:
        order = playing(task)
        return order if isinstance(order, Failed) else {**order, "do": "watch"}
    if of != RENDER:
        return refused("work of such a kind cannot be checked here")
    if is_look:  # the tiles themselves are not looked at again
        params = {name: value for name, value in task.params.items() if name != "tiles"}
        order = order_for(attrs.evolve(task, params=params))
    else:
        order = order_for(task)
    if isinstance(order, Failed):
        return order
    if not ("tile" in order or "tiles" in task.params or len(order.get("frames", ())) > 1):
        return {**order, "do": "check"}
    return {**order, "do": "look" if is_look else "hold"}


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
        error = str(last.get("error") or "the check ended without a word")
        return Failed(failure="verifier", error=error[:500], detail=str(last.get("tail", "")))
    told = {name: last[name] for name in _TOLD if last.get(name) is not None}
    path = task.folder / REPORT
    path.write_bytes(orjson.dumps(told))
    return Completed(file=path, work=told)
