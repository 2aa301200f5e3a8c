"""A scene that needs an add-on of the farm: real gateway, node, verifier and Blender."""

from pathlib import Path

import aiohttp
import numpy as np
import pytest
from PIL import Image

from tests.acceptance.test_linked_files import submit
from tests.support.agent_process import running_agent
from tests.support.api_clients import Creator
from tests.support.blender_addons import addon, painted
from tests.support.lent_engines import StartGateway

pytestmark = [pytest.mark.render, pytest.mark.heavy]


async def test_a_scene_is_rendered_with_an_addon_that_the_farm_offers(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    scene = painted(tmp_path / "scene")
    addon(tmp_path / "addons" / "paint.zip")
    offered = {"RENDERTRUST_DOWNLOADS_ADDONS": str(tmp_path / "addons")}
    async with (
        start_gateway(**offered) as gateway,
        running_agent(gateway.url, tmp_path / "node"),
        aiohttp.ClientSession() as http,
    ):
        jane = Creator(http, gateway.url, "jane@example.org")
        await jane.register()
        words = (str(scene), "--frame", "1", "--out", str(tmp_path / "f.png"))
        code, told, err = await submit(gateway, jane, *words)
        assert (code, "Material 'Material' > Paint" in str(told)) == (1, True), (told, err)
        code, told, err = await submit(gateway, jane, *words, "--addon", "unknown")
        assert (code, "paint_node  Paint node 1.2.0" in str(told)) == (2, True), (told, err)
        code, told, err = await submit(gateway, jane, *words, "--addon", "paint_node")
    assert code == 0, (told, err)
    with Image.open(tmp_path / "f.png") as picture:
        red, green, blue = np.asarray(picture)[18, 32][:3]
    assert (red > 200, green, blue) == (True, 0, 0)
