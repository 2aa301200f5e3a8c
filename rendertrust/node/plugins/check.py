"""``check``: what another node delivered, held against the same scene, in the sandbox."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import attrs
import orjson

from rendertrust.node.plugin import EVIDENCE as EVIDENCE  # noqa: PLC0414 - offered with the rest
from rendertrust.node.plugin import PICTURE as PICTURE  # noqa: PLC0414
from rendertrust.node.plugin import Completed, Failed, Result, Task
from rendertrust.node.plugins.order import refused
from rendertrust.node.plugins.render import Progress, Render, order_for
from rendertrust.node.process import Ending
from rendertrust.node.sandbox import DELIVERED

NO_SANDBOX: Final = "strangers' scenes are opened in a sandbox alone, and there is none"
DRAWS_MAX: Final = 16
REPORT: Final = "check.json"
_TOLD: Final = (
    "crops",
    "finish",
    "fault",
    "unable",
    "looked",
    "suspect",
    "whole",
    "seen",
    "frame",
    "seconds",
    "blender",
)


@attrs.define
class Check:
    """Takes what the render of one frame took, and ``draws``: [x, y, cell or null] of each crop,
    from 0 up to 1; none: it only looks, at what is no whole frame, too (``frames``, ``tile``, and
    ``tiles``: a picture made of them); ``whole``: the crops are cut out of a frame that is rendered
    whole. Its result is a report as JSON: of each crop and of the
    picture whether they are ``equal``, else how far ``off``; or a ``fault`` of what was delivered.
    """

    job_type: ClassVar[str] = "check"
    render: Render

    async def why_not(self) -> str | None:
        """What keeps this machine from rendering; or from looking at what strangers sent."""
        return await why_no_strangers(self.render)

    async def run(self, task: Task) -> Result:
        """Render the crops; what goes wrong here is the verifier's, and says nothing of others."""
        order = _order_for(task)
        if isinstance(order, Failed):
            return order
        ending = await self.render.obey(order, task, Progress(task=task))
        return _report(ending, task)


async def why_no_strangers(render: Render) -> str | None:
    """Why nothing of strangers' is opened here; None: it may be."""
    if render.found is None:
        return await render.why_not()
    return None if render.found.is_sandboxed else NO_SANDBOX


def _order_for(task: Task) -> Mapping[str, Any] | Failed:
    draws = task.params.get("draws")
    if not _are_draws(draws):
        return refused("draws must be a list of [x, y, cell or null], from 0 up to 1")
    if PICTURE not in task.delivered:
        return refused(f"the input {PICTURE} is missing")
    made_of = ("draws", "tiles", "whole")  # the tiles themselves are not looked at again
    params = {name: value for name, value in task.params.items() if name not in made_of}
    order = order_for(attrs.evolve(task, params=params))
    if isinstance(order, Failed):
        return order
    delivered = {"picture": _place(PICTURE, task), "evidence": _place(EVIDENCE, task)}
    if "tile" in order or "tiles" in task.params or len(order.get("frames", ())) > 1:
        if draws:
            return refused("one whole frame is checked at a time")
        return {**order, "do": "look", "thumbnails": False, **delivered}
    whole = bool(task.params.get("whole"))
    full = {**order, "do": "check", "draws": draws, "whole": whole, "thumbnails": False}
    return {**full, **delivered}


def _place(name: str, task: Task) -> str | None:
    """Where what was delivered lies in the folder for it; None: it was not."""
    path = task.delivered.get(name)
    return None if path is None else str(path.relative_to(task.folder / DELIVERED))


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


def _report(ending: Ending, task: Task) -> Result:
    last = ending.last
    if last.get("event") != "done":
        error = str(last.get("error") or ending.excess or "the check ended without a word")
        return Failed(failure="verifier", error=error[:500], detail=ending.tail)
    told = {name: last[name] for name in _TOLD if last.get(name) is not None}
    path = task.folder / REPORT
    path.write_bytes(orjson.dumps(told))
    return Completed(file=path, work=told)
