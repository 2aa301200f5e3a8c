"""Tests of the extension in Blender without its windows, against a gateway and an agent that
renders.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio

from tests.acceptance.extension.blenders import INSTALL_SECONDS, Blender, found
from tests.integration.node.scenes import pixels
from tests.support.agent_process import Agent, running_agent
from tests.support.api_clients import PASSWORD, Creator
from tests.support.gateway_process import ROOT, Gateway
from tests.support.lent_engines import StartGateway
from tests.support.network_namespace import Host, another_host
from tests.support.until import until

pytestmark = [
    pytest.mark.render,
    pytest.mark.heavy,
    pytest.mark.skipif(sys.version_info < (3, 13), reason="Blender 5.2 has Python 3.13"),
]
INSTALLED = (pytest.mark.nightly, pytest.mark.timeout(INSTALL_SECONDS + 300))
VERSIONS = [
    pytest.param("5.2", id="5.2"),
    pytest.param("5.0", id="5.0"),
    pytest.param("4.5", id="4.5", marks=INSTALLED),
    pytest.param("4.2", id="4.2", marks=INSTALLED),
]
ARTIST = Path(__file__).with_name("artist.py")
WITHIN_SECONDS = 280.0


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder from which the gateway hands out extensions."""
    return tmp_path_factory.mktemp("zips")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(start_gateway: StartGateway, zips: Path) -> AsyncIterator[Gateway]:
    async with start_gateway(
        RENDERTRUST_DOWNLOADS_EXTENSIONS=str(zips),
        RENDERTRUST_SERVER_HOST="0.0.0.0",
        RENDERTRUST_SERVER_INSECURE_DEVELOPMENT="true",
    ) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def agent(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Agent]:
    """Run a node that renders."""
    async with running_agent(gateway.url, tmp_path_factory.mktemp("node") / "node") as running:
        yield running


class Artist:
    """A creator with a Blender."""

    def __init__(self, gateway: Gateway, creator: Creator, folder: Path) -> None:
        self.gateway, self.creator, self.folder = gateway, creator, folder

    def url(self, host: Host | None) -> str:
        """Return the gateway's address as a host sees it; None: this one."""
        return self.gateway.url if host is None else f"http://{host.here}:{self.gateway.port}"

    async def does(
        self, deed: str, blender: Blender | None = None, host: Host | None = None
    ) -> list[dict[str, Any]]:
        """Run an action in Blender; return its JSON lines, of which the last shows the panel.

        A ``blender`` installs the extension from the gateway's repository, and has only what
        Blender brings. Without one, this environment's Blender uses the checkout. It runs on
        ``host`` if there is one.
        """
        python, source, modules = [sys.executable], "checkout", ROOT
        if blender is not None:
            python, source = [blender.python, "-S"], "repository"
            modules = blender.link(self.folder / "modules")
        words = (self.url(host), self.creator.email, PASSWORD, str(self.folder), source, deed)
        command = [*python, str(ARTIST), *words]
        process = await asyncio.create_subprocess_exec(
            *(command if host is None else host.command(*command)),
            cwd=self.folder,
            env={**os.environ, **self._own(), "PYTHONPATH": str(modules)},
            stdout=PIPE,
            stderr=PIPE,
        )
        async with asyncio.timeout(WITHIN_SECONDS):
            said, complaints = await process.communicate()
        assert process.returncode == 0, said.decode() + complaints.decode()
        return [json.loads(line) for line in said.splitlines() if line.startswith(b"{")]

    def _own(self) -> dict[str, str]:
        """Return the environment of the artist's own home and Blender settings."""
        names = ("HOME", "XDG_STATE_HOME", "BLENDER_USER_RESOURCES")
        return {name: str(self.folder / "home") for name in names}


@pytest_asyncio.fixture(loop_scope="session")
async def artist(gateway: Gateway, agent: Agent, tmp_path: Path) -> AsyncIterator[Artist]:
    (tmp_path / "home").mkdir()
    async with aiohttp.ClientSession() as http:
        creator = Creator(http, gateway.url, f"{tmp_path.name.lower()}@example.org")
        await creator.register()
        yield Artist(gateway, creator, tmp_path)


async def build(line: str, zips: Path) -> None:
    """Build the extension for a line of Blender, unless another test has built it."""
    if list(zips.glob(f"*-blender-{line}-*")):
        return
    builder = str(ROOT / "scripts" / "blender_extension.py")
    chosen = ("--platform", "linux-x64", "--blender", line, "--out", str(zips))
    process = await asyncio.create_subprocess_exec(sys.executable, builder, *chosen)
    assert await process.wait() == 0


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_scene_is_checked_quoted_rendered_and_its_frames_are_where_they_belong(
    artist: Artist, zips: Path, version: str
) -> None:
    """The extension comes from the gateway's repository, with all packages that Blender lacks.

    Blender runs on another host, which reaches only the gateway.
    """
    blender = found(version)
    await build(blender.line, zips)
    with another_host() as host:
        before, panel = await artist.does("submit", blender, host)
        assert before["gateway"] == artist.url(host), "nobody typed an address"
    own = artist.folder / "home" / "extensions" / ".local"
    assert str(own) in panel["client"]
    assert str(ROOT) not in panel["client"]
    assert panel["error"] == ""
    assert (panel["status"], panel["units"], panel["done"]) == ("COMPLETED", 3, 3)
    assert panel["files"] == ["cube_0001.png", "cube_0002.png", "cube_0003.png"]
    assert panel["price"] == panel["charged"]
    assert panel["own_file"] == before["own_file"], "the artist's own file was not saved"
    assert panel["email"] == artist.creator.email
    assert panel["pictures"] == panel["files"]
    assert panel["images"] == {"cube_0003.png": [32, 24]}, "the frame was loaded"
    assert [line for line in panel["drawn"] if line.startswith("Charged: 30 of 30")]
    assert {"(thumbnail)", "[cube_0003.png]"} <= {*panel["drawn"]}
    frames = [pixels(artist.folder / "frames" / name) for name in panel["files"]]
    assert frames[0].shape[:2] == (24, 32)
    assert not np.array_equal(frames[0], frames[2])
    status, balance = await artist.creator.call("GET", "/credits/balance")
    assert status == 200
    assert panel["available"] == balance["available"]


async def restart(gateway: Gateway, **settings: str) -> None:
    """Restart the gateway, and wait until its node is connected again."""
    await gateway.restart(**settings)

    async def is_back() -> bool:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{gateway.url}/metrics") as answer,
        ):
            return "rendertrust_sockets 1.0" in await answer.text()

    await until(is_back)


async def test_a_scene_is_measured_and_its_price_shown_before_anything_is_held(
    gateway: Gateway, agent: Agent, artist: Artist
) -> None:
    by_work = {"RENDERTRUST_PRICING_FRAME_SECONDS": "60"}
    await restart(gateway, RENDERTRUST_VERIFICATION_OWN_NODES=agent.id, **by_work)
    try:
        quoted, measured, panel = await artist.does("measure")
    finally:
        await restart(gateway)
    assert quoted["price"] == "30.0000"
    assert "[Measure Scene]" in quoted["drawn"]
    assert measured["error"] == ""
    assert 0 < float(measured["price"]) < 30
    assert "measured in small renders" in " ".join(measured["drawn"])
    assert "[Measure Scene]" not in measured["drawn"]
    assert measured["job_id"] == ""
    assert panel["error"] == "" or "were shown" in panel["error"]
    if panel["error"] == "":
        assert (panel["status"], panel["charged"]) == ("COMPLETED", panel["price"])


async def test_a_job_is_gone_on_with_when_the_file_is_opened_again(artist: Artist) -> None:
    (panel,) = await artist.does("reopen")
    assert panel["files"] == ["cube_0001.png", "cube_0002.png", "cube_0003.png"]
    assert panel["saved"] == 3


async def test_what_is_missing_is_shown_at_its_object_and_nothing_is_sent(artist: Artist) -> None:
    (panel,) = await artist.does("submit_without_texture")
    (found,) = [one for one in panel["findings"] if one["level"] == "error"]
    assert found["code"] == "missing_file"
    assert found["object"] == "Image 'wood'"
    assert found["path"].endswith("textures/wood.png")
    assert panel["selected"] == ["Cube"]
    assert panel["job_id"] == ""
    status, jobs = await artist.creator.call("GET", "/jobs")
    assert (status, jobs["count"]) == (200, 0)
    assert found["path"] in panel["drawn"]
    assert "[Show Objects]" not in panel["drawn"], "the button of a finding has no label"


async def test_a_job_is_paused_and_stopped_while_it_is_followed(artist: Artist) -> None:
    (panel,) = await artist.does("pause_and_stop")
    assert panel["status"] == "CANCELLED"
    assert panel["done"] < panel["units"] == 10
    _, balance = await artist.creator.call("GET", "/credits/balance")
    assert balance["available"] == balance["balance"], "no credits are held any more"


async def test_a_job_at_its_cap_goes_on_once_the_cap_is_raised(artist: Artist) -> None:
    paused, panel = await artist.does("raise_cap")
    assert paused["status"] == "PAUSED"
    assert paused["done"] < 2, "only units within the cap were sent"
    assert (panel["error"], panel["status"], panel["done"]) == ("", "COMPLETED", 3)
    assert panel["charged"] == "30.0000"


async def test_a_scene_is_sent_as_it_is_where_the_artist_says_so(artist: Artist) -> None:
    refused, panel = await artist.does("submit_as_it_is")
    assert "Submit as it is" in refused["drawn"]
    assert (refused["job_id"], "Submit as it is" in refused["error"]) == ("", True)
    assert (panel["error"], panel["status"], panel["done"]) == ("", "COMPLETED", 3)


async def test_whose_nodes_may_see_a_scene_is_the_artists_choice(artist: Artist) -> None:
    quoted, panel = await artist.does("use_own_nodes")
    assert quoted["price"] == "0.0000", "on the artist's own nodes it costs nothing"
    assert {"Pool", "Order"} <= set(quoted["drawn"])
    assert (panel["status"], panel["done"]) == ("CANCELLED", 0)
    status, found = await artist.creator.call("GET", f"/jobs/{panel['job_id']}/units")
    assert status == 200
    assert [unit["attempt"] for unit in found["units"]] == [0, 0, 0], "no other node was given it"


async def test_what_goes_wrong_is_said_in_words(artist: Artist) -> None:
    said, panel = await artist.does("make_mistakes")
    unsaved, password, nobody, frames, address = said["said"]
    assert unsaved.startswith("Save the file once")
    assert "Invalid" in password or "password" in password.lower()
    assert "log" in nobody.lower() or "sign" in nobody.lower(), nobody
    assert "write it like 1-250" in frames
    assert "nowhere" in address or "http" in address, address
    assert panel["drawn"][-1]
