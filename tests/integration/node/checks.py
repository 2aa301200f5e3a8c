"""Stage for tests of checks: a scene, its honest result, and the plugins that render and check it
in the sandbox.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from actors.verifier.check_orders import draws
from actors.verifier.report import Report, read_report
from actors.verifier.thresholds import of_all
from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins.check import EVIDENCE, PICTURE, SHEET, CheckPlugin
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.worker.checks.open_watchdog import OPEN_SECONDS
from tests.integration.node.scenes import unit

DRAWS = [list(drawn) for drawn in draws(b"secret" * 6, b"job:0:1", b"r" * 32)]
FRAME = 4


@attrs.frozen
class Files:
    """Files of a result: a picture, and the evidence beside it."""

    picture: bytes = attrs.field(repr=False)
    evidence: bytes | None = attrs.field(repr=False)


def files_of(result: Completed) -> Files:
    assert result.file is not None
    assert result.evidence is not None
    return Files(result.file.read_bytes(), result.evidence.read_bytes())


@attrs.frozen
class OtherMachine:
    """Renderer that imitates another machine by an environment variable (``NAME=value``)."""

    renderer: Any
    variable: str
    kind: str = "bpy"

    def program(self, worker: str, order: str) -> list[str]:
        return ["/usr/bin/env", self.variable, *self.renderer.program(worker, order)]


@attrs.frozen
class Stage:
    """A scene, its honest result, and the plugin that renders and checks it."""

    folder: Path
    render: RenderPlugin
    scene: Path
    honest: Files
    open_seconds: float = OPEN_SECONDS

    async def delivered(self, name: str, scene: Path, **params: Any) -> Files:
        """Return what a node delivers for other parameters, or for another scene."""
        return files_of(await self._rendered(name, scene, **params))

    async def made(self, name: str, scene: Path, **params: Any) -> Files:
        """Return what a node delivers for any kind of unit, with evidence if the unit has any."""
        is_frame = "tile" not in params and "frames" not in params
        result = await self._rendered(name, scene, evidence=is_frame, **params)
        assert result.file is not None
        evidence = None if result.evidence is None else result.evidence.read_bytes()
        return Files(result.file.read_bytes(), evidence)

    async def _rendered(self, name: str, scene: Path, **params: Any) -> Completed:
        given = {"frame": FRAME, "evidence": True, **params}
        result = await self.render.run(unit(self.folder / name, {"s.blend": scene}, given))
        assert isinstance(result, Completed), result
        return result

    async def told(self, name: str, files: Files, **params: Any) -> Mapping[str, Any] | Failed:
        """Return the report of a check, or its failure."""
        given = {"frame": FRAME, "draws": DRAWS, **params}
        inputs = {"s.blend": self.scene}
        for path, content in ((PICTURE, files.picture), (EVIDENCE, files.evidence)):
            if content is not None:
                inputs[path] = self.folder / f"{name}-{Path(path).name}"
                inputs[path].write_bytes(content)
        task = attrs.evolve(unit(self.folder / f"check-{name}", inputs, given), job_type="check")
        found = await CheckPlugin(self.render, self.open_seconds).run(task)
        if isinstance(found, Failed):
            return found
        return found.work

    def sheet(self, name: str) -> Path:
        """Return the path of the comparison sheet of a check."""
        return self.folder / f"check-{name}" / SHEET

    async def verdict(self, name: str, files: Files) -> str:
        told = await self.told(name, files)
        assert not isinstance(told, Failed), told
        read = read_report(told)
        assert isinstance(read, Report), read
        farthest = max((c.off for c in read.compared), default=0.0)
        said = "mismatch" if read.fault else of_all(read.compared)
        row = f"{name:28} {said:10} {farthest:9.3g} {read.fault or ''}"
        sys.stdout.write(row + "\n")
        return said
