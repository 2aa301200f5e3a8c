"""A check announces that a result differs before it measures the difference, which may crash or
hang.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins import crash_attribution
from rendertrust.node.plugins.crash_attribution import BlameMessages
from rendertrust.node.plugins.render import RenderPlugin
from tests.integration.node.checks import DRAWS, FRAME, Files, Stage, files_of
from tests.integration.node.scenes import build, unit
from tests.integration.node.test_check_uncut import TIMED
from tests.unit.proof import receipts

pytestmark = [pytest.mark.render, pytest.mark.heavy]
CHUNK: Mapping[str, Any] = {"frame": None, "frames": [FRAME, FRAME + 1]}
SHOWN: Mapping[str, Any] = {**CHUNK, "draws": [], "shown": [0.9]}


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the events that workers announce."""
    found = list[str]()

    class Overheard(BlameMessages):
        def hear(self, line: Mapping[str, Any]) -> None:
            found.append(str(line.get("event")))
            super().hear(line)

    monkeypatch.setattr(crash_attribution, "BlameMessages", Overheard)
    return found


@attrs.frozen
class Doubts:
    stage: Stage
    events: list[str]

    async def of(self, name: str, files: Files, **params: Any) -> int:
        """Run a check that succeeds, and return how often it announced a doubt."""
        self.events.clear()
        told = await self.stage.told(name, files, **params)
        assert not isinstance(told, Failed), told
        assert self.events[-1] == "done"
        return self.events.count("doubt")

    async def delivered(self, name: str, **params: Any) -> Files:
        given = {"frame": FRAME, **params}
        made = await self.stage.render.run(
            unit(self.stage.folder / name, {"s.blend": self.stage.scene}, given)
        )
        assert isinstance(made, Completed), made
        if made.evidence is not None:
            return files_of(made)
        assert made.file is not None
        return Files(made.file.read_bytes(), None)


def staged(folder: Path, render: RenderPlugin, events: list[str], *lines: str) -> Doubts:
    scene = build(folder / "s.blend", *lines)
    return Doubts(Stage(folder, render, scene, Files(b"", None)), events)


async def test_no_honest_frame_is_doubted(
    tmp_path: Path, render: RenderPlugin, events: list[str]
) -> None:
    doubts = staged(tmp_path, render, events)
    honest = await doubts.delivered("honest", evidence=True)
    assert await doubts.of("regions", honest) == 0
    assert await doubts.of("whole", honest, whole=True) == 0
    assert await doubts.of("open", honest, draws=[]) == 0
    chunk = await doubts.delivered("chunk", **CHUNK)
    assert await doubts.of("of-chunk", chunk, **SHOWN) == 0


async def test_a_lie_is_doubted_before_it_is_measured(
    tmp_path: Path, render: RenderPlugin, events: list[str]
) -> None:
    doubts = staged(tmp_path, render, events)
    lie = await doubts.delivered("lie", evidence=True, samples=1)
    assert await doubts.of("regions", lie) == 1
    assert await doubts.of("whole", lie, whole=True) == 1
    chunk = await doubts.delivered("chunk", samples=1, **CHUNK)
    assert await doubts.of("of-chunk", chunk, **SHOWN) >= 1
    black = attrs.evolve(lie, picture=receipts.png([bytes(64 * 3)] * 36, 64))
    assert await doubts.of("black", black, draws=[]) == 1


async def test_so_is_a_lie_that_is_compared_whole(
    tmp_path: Path, render: RenderPlugin, events: list[str]
) -> None:
    doubts = staged(tmp_path, render, events, TIMED)
    lie = await doubts.delivered("lie", samples=1)
    assert await doubts.of("whole", lie, draws=DRAWS, whole=True) == 1
