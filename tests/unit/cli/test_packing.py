"""What a scene that is submitted asks of nodes."""

from pathlib import Path

import attrs
import pytest

from rendertrust.cli import looking
from rendertrust.cli.looking import Looked
from rendertrust.cli.output import Output
from rendertrust.cli.packing import EVERYBODYS, alone, packed
from rendertrust.preflight.layout import laid_out

GIB = 1 << 30


@pytest.mark.parametrize(
    ("memory", "needs"),
    [(0, None), (EVERYBODYS, None), (5 * GIB, {"memory": 5 * GIB})],
)
def test_a_scene_that_takes_much_memory_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int, needs: dict[str, int] | None
) -> None:
    """Nodes that have it are asked alone; what any has is not worth a word."""
    scene = tmp_path / "s.blend"
    looked = Looked((), laid_out(scene, ()), memory)
    monkeypatch.setattr(looking, "has_blender", lambda: True)

    def look(path: Path, frames: tuple[int, ...]) -> Looked:
        return looked

    monkeypatch.setattr(looking, "look", look)
    assert packed(Output(), scene, ()).needs == needs
    assert attrs.evolve(alone(scene), memory=memory).needs == needs
