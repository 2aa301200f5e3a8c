"""Self-test of a node: runs ``echo`` and ``cpu_benchmark`` once, and renders a small picture."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

from rendertrust.node.plugin import Completed, Failed, Result, Task
from rendertrust.node.plugins import PluginOffer
from rendertrust.node.plugins.cpu_benchmark import CpuBenchmarkPlugin
from rendertrust.node.plugins.echo import EchoPlugin
from rendertrust.node.plugins.render import RenderPlugin, result_of
from rendertrust.node.plugins.video import VideoPlugin
from rendertrust.node.rmtree import clear
from rendertrust.node.safe_open import NotARegularFile, open_plain

ROWS: Final = 200
CHECKSUM: Final = 8_268_688_513_963_245  # checksum of ROWS rows on every machine without faults
RENDER_SECONDS_MAX: Final = 300.0
PNG: Final = b"\x89PNG\r\n\x1a\n"


@attrs.frozen(kw_only=True)
class SelfTestResult:
    """Result of the self-test. ``faults``: the reason for each job type that is not offered.

    ``cpu``: million steps per second on one processor. ``render``: pixel samples per second. None
    stands for a value that was not measured.
    """

    faults: Mapping[str, str]
    cpu: float | None = None
    render: float | None = None

    @property
    def figures(self) -> Mapping[str, float]:
        """Return the measurements by their names in the registration."""
        given = {"cpu_msteps": self.cpu, "render_samples": self.render}
        return {name: value for name, value in given.items() if value is not None}


async def self_test(offer: PluginOffer, scratch: Path, threads: int) -> SelfTestResult:
    """Run ``echo`` and the benchmark, and render a small picture, in folders below ``scratch``.

    The picture is rendered only if the node offers ``render``.
    """
    faults: dict[str, str] = {}
    cpu = render = None
    said = await _tried(EchoPlugin(), scratch, {"rows": 1})
    if isinstance(said, Failed):
        faults[EchoPlugin.job_type] = said.error
    scored = await _tried(CpuBenchmarkPlugin(), scratch, {"rows": ROWS})
    if isinstance(scored, Failed):
        faults[CpuBenchmarkPlugin.job_type] = scored.error
    else:
        cpu = float(scored.work["score"])
    if offer.render is not None:
        drawn = await _rendered(offer.render, scratch, threads)
        if isinstance(drawn, str):
            faults |= {RenderPlugin.job_type: drawn, VideoPlugin.job_type: drawn}
        else:
            render = drawn
    return SelfTestResult(faults=faults, cpu=cpu, render=render)


async def _tried(
    plugin: EchoPlugin | CpuBenchmarkPlugin, scratch: Path, params: Mapping[str, Any]
) -> Result:
    folder = await asyncio.to_thread(_folder, scratch)
    try:
        result = await plugin.run(_task(plugin.job_type, folder, params))
        return await asyncio.to_thread(_checked, plugin.job_type, result)
    except OSError as fault:
        return Failed(failure="node", error=f"the self-test failed: {fault.strerror}")
    finally:
        await asyncio.to_thread(clear, folder)


def _checked(job_type: str, result: Result) -> Result:
    """Return a failure if the benchmark's checksum is wrong; otherwise the result itself."""
    if isinstance(result, Failed) or job_type != CpuBenchmarkPlugin.job_type:
        return result
    assert result.file is not None, "both plugins write a result"
    told = orjson.loads(result.file.read_bytes())
    if told.get("checksum") != CHECKSUM:
        return Failed(failure="node", error="this machine computes wrongly: the checksum differs")
    return result


async def _rendered(render: RenderPlugin, scratch: Path, threads: int) -> float | str:
    """Return samples per second, or why nothing was rendered."""
    assert render.found is not None, "only a found Blender is offered"
    folder = await asyncio.to_thread(_folder, scratch)
    try:
        render.found.box.prepare(folder)
        ending = await render.found.obey(
            {"do": "try"}, folder, threads=threads, within=RENDER_SECONDS_MAX, hear=lambda _: None
        )
        result = await asyncio.to_thread(result_of, ending, folder)
        if isinstance(result, Failed):
            return f"a small picture could not be rendered: {result.error}"
        if not await asyncio.to_thread(_is_picture, result):
            return "a small picture was rendered but is not a PNG"
        return float(ending.last.get("samples_per_second", 0))
    finally:
        await asyncio.to_thread(clear, folder)


def _is_picture(result: Completed) -> bool:
    try:
        with open_plain(result.file or Path()) as file:
            return bool(file.read(len(PNG)) == PNG)
    except NotARegularFile:
        return False


def _folder(scratch: Path) -> Path:
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="self-test-", dir=scratch))
    (folder / "in").mkdir()
    return folder


def _task(job_type: str, folder: Path, params: Mapping[str, Any]) -> Task:
    return Task(
        job_id="self-test",
        job_type=job_type,
        payload_ref="none",
        unit=None,
        attempt=None,
        params=params,
        folder=folder,
        inputs={},
        threads=1,
        on_progress=lambda share, detail: None,
    )
