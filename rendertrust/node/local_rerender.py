"""Local rendering of a delivered frame in the sandbox, to compare it with the delivered picture.

The scene belongs to the caller, but the picture is untrusted and is opened only in the sandbox.
"""

import asyncio
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from rendertrust.json_values import members
from rendertrust.node import sandbox
from rendertrust.node.cache import place, safe_path
from rendertrust.node.child_process import ProcessExit
from rendertrust.node.machine_facts import cores
from rendertrust.node.plugin import EVIDENCE, PICTURE, SHOWN, Failed, Task
from rendertrust.node.plugins.render import RenderPlugin, RenderProgress, order_for
from rendertrust.node.safe_open import NotARegularFile, open_plain
from rendertrust.node.sandbox import DELIVERED
from rendertrust.receipt_rerender import RegionDifference, RerenderReport

SHOWN_BYTES_MAX: Final = 64 * 2**20
WORDS_MAX: Final = 500
Hear = Callable[[float, str], None]


@attrs.frozen(kw_only=True)
class RerenderRequest:
    """A frame to render again.

    ``files``: each input by its path; ``scene``: the scene's path. ``parameters``: the parameters
    of one frame. ``draws``: positions of the regions. ``evidence``: the delivered passes.
    ``before``: earlier frames, which are rendered in a small size before the whole frame.
    """

    files: Mapping[str, Path]
    scene: str
    picture: Path
    parameters: Mapping[str, Any]
    draws: Sequence[Sequence[float | None]]
    evidence: Path | None = None
    whole: bool = False
    before: Sequence[int] = ()
    threads: int = attrs.field(factory=cores)


@attrs.frozen
class RerenderResult:
    """The report, and the path of the comparison sheet; None without a sheet."""

    report: RerenderReport
    shown: Path | None


@attrs.define(kw_only=True)
class RerenderMessages(RenderProgress):
    """Handler of the worker's messages that also reports why the whole frame is rendered."""

    on_whole: Callable[[str], None]

    def hear(self, line: Mapping[str, Any]) -> None:
        """Handle one message from the worker."""
        if line.get("event") == "whole":
            self.on_whole(str(line.get("why"))[:WORDS_MAX])
        super().hear(line)


async def rerender(
    render: RenderPlugin,
    asked: RerenderRequest,
    folder: Path,
    *,
    hear: Hear = lambda share, detail: None,
    on_whole: Callable[[str], None] = lambda why: None,
) -> RerenderResult | Failed:
    """Render the frame in the empty work folder ``folder``; ``render`` must have found Blender."""
    task = await asyncio.to_thread(_task, asked, folder, hear)
    order = order_for(task)
    if isinstance(order, Failed):
        return order
    places = {name: str(path.relative_to(folder / DELIVERED)) for name, path in _named(task)}
    draws = [list(drawn) for drawn in asked.draws]
    more: dict[str, Any] = {
        "do": "rerender",
        "draws": draws,
        "whole": asked.whole,
        "thumbnails": False,
    }
    more |= {"before": [*asked.before]} if asked.before else {}
    progress = RerenderMessages(task=task, on_whole=on_whole)
    async with render.for_task(task) as chosen:
        if isinstance(chosen, Failed):
            return chosen
        ending = await chosen.obey({**order, **more, **places}, task, progress)
    if ending.last.get("event") != "done":
        return Failed(failure="node", error=_how_it_ended(ending), detail=ending.tail)
    shown = folder / "out" / SHOWN
    try:
        report = read_report(ending.last)
        is_there = ending.last.get("shown") == SHOWN and _is_picture(shown)
    except (TypeError, ValueError, KeyError, NotARegularFile) as fault:
        return Failed(failure="node", error=f"Blender's report cannot be read: {fault}"[:WORDS_MAX])
    return RerenderResult(report, shown if is_there else None)


def _named(task: Task) -> Iterator[tuple[str, Path]]:
    """Yield (name in the worker's order, path) of each delivered file."""
    for name, delivered in (("picture", PICTURE), ("evidence", EVIDENCE)):
        if delivered in task.delivered:
            yield name, task.delivered[delivered]


def read_report(said: Mapping[str, Any]) -> RerenderReport:
    """Parse the worker's last line. Raises TypeError, ValueError or KeyError."""
    whole, finish = said.get("whole"), said.get("finish")
    return RerenderReport(
        regions=tuple(_compared(one) for one in said.get("regions", ())),
        whole=None if whole is None else _compared(whole),
        finish=None if finish is None else _compared(finish),
        why_whole=_words(said.get("why_whole")),
        is_loose=bool(said.get("loose")),
        fault=_words(said.get("fault")),
        unable=_words(said.get("unable")),
        amplified=int(said.get("amplified", 1)),
        blender=str(said.get("blender", ""))[:WORDS_MAX],
    )


def _compared(said: object) -> RegionDifference:
    known = members(said)
    at, off, equal = known.get("at"), known["off"], known["equal"]
    if type(equal) is not bool:
        raise TypeError("equal must be true or false")
    where: tuple[int, int, int, int] | None = None
    if at is not None:
        x, y, across, down = (int(side) for side in at)
        where = x, y, across, down
    return RegionDifference(equal=equal, off=None if off is None else float(off), at=where)


def _words(said: object) -> str | None:
    return None if said is None else str(said)[:WORDS_MAX]


def _task(asked: RerenderRequest, folder: Path, hear: Hear) -> Task:
    """Lay out the files as a node does: inputs in ``in``, and the picture out of the scene's reach.

    Raises ValueError if an input's path leaves the folder.
    """
    if unsafe := [path for path in asked.files if safe_path(path) is None]:
        raise ValueError(f"{unsafe[0]!r} is not a valid path of an input")
    inputs = {path: folder / "in" / path for path in asked.files}
    for path, source in asked.files.items():
        _lay(source, inputs[path])
    delivered: dict[str, Path] = {}
    for name, given in ((PICTURE, asked.picture), (EVIDENCE, asked.evidence)):
        if given is not None:
            delivered[name] = folder / DELIVERED / secrets.token_hex(16) / Path(name).name
            _lay(given, delivered[name])
    return Task(
        job_id="rerender",
        job_type="render",
        payload_ref="",
        unit=None,
        attempt=None,
        params={**asked.parameters, "scene": asked.scene},
        folder=folder,
        inputs=inputs,
        delivered=delivered,
        threads=asked.threads,
        on_progress=hear,
    )


def _lay(source: Path, target: Path) -> None:
    """Link the file. Under root, copy a file that other users cannot read."""
    source = source.resolve()
    if not sandbox.is_root() or source.stat().st_mode & stat.S_IROTH:
        place(source, target)
        return
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o444)


def _is_picture(path: Path) -> bool:
    with open_plain(path) as file:
        return 0 < os.fstat(file.fileno()).st_size <= SHOWN_BYTES_MAX


def _how_it_ended(ending: ProcessExit) -> str:
    if ending.excess is not None:
        return ending.excess.reason
    if ending.last.get("event") == "failed":
        return str(ending.last.get("error"))[:WORDS_MAX]
    if ending.code is None:
        return "Blender exceeded its time limit"
    return f"Blender ended by {ending.signal_name or f'code {ending.code}'}"
