"""Tests on this machine's own graphics cards; skipped where no card with a driver is found."""

from pathlib import Path

import pytest

from rendertrust.node.devices import Device, SystemCards, names_of
from rendertrust.node.plugin import Completed
from rendertrust.node.plugins.render import RenderPlugin
from tests.integration.node.scenes import task

pytestmark = [pytest.mark.gpu, pytest.mark.render]

NO_CARD = "no graphics card with a driver on this machine: nothing was run on a card"


@pytest.fixture(scope="session")
def cards() -> list[Device]:
    """Return each card with each backend that may use it."""
    found = SystemCards().cards()
    if not found:
        pytest.skip(NO_CARD)
    return [Device(name.partition(":")[0], card) for card in found for name in names_of(card)]


async def test_a_frame_is_rendered_by_each_card_in_its_sandbox(
    cards: list[Device], small: Path, tmp_path: Path
) -> None:
    for device in cards:
        folder = tmp_path / device.name.replace(":", "-")
        render = RenderPlugin(scratch=folder / "scratch", device=device)
        assert await render.why_not() is None, device.name
        try:
            result = await render.run(task(folder, small, {"samples": 16}, []))
        finally:
            await render.residents.end()
        assert isinstance(result, Completed), (device.name, result)
        assert result.work["samples"] == 16
