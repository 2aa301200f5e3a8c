"""A node that is older than its gateway tells its operator the line that updates it."""

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

import rendertrust
from rendertrust.node import doctor, enrolment
from rendertrust.node.doctor import GOOD, WARNING
from rendertrust.node.state_folder import StateFolder
from rendertrust.program_version import installed_extras
from rendertrust.protocol import Hello, Welcome
from tests.integration.node.conftest import Start
from tests.integration.node.gateway import Gateway
from tests.support.until import until

SUM = "0123456789abcdef" * 4
WHEEL = "rendertrust-99.1-py3-none-any.whl"
NEWER: dict[str, Any] = {"version": "99.1", "wheel": {"name": WHEEL, "sha256": SUM}}


def line_of(url: str) -> str:
    return f"rendertrust @ {url}/download/{WHEEL}#sha256={SUM}"


async def test_an_older_node_is_told_once_how_to_update(peer: Gateway, start: Start) -> None:
    peer.downloads = NEWER
    async with start() as node:
        for _ in range(2):
            await peer.next(Hello)
            await peer.send(Welcome(version="99.1"))
            await until(lambda: any("99.1" in each for each in node.told))
            await peer.sockets[-1].close(code=1012)
        await peer.next(Hello)
        await peer.send(Welcome(version=rendertrust.__version__))
        [told] = [each for each in node.told if "99.1" in each]
    assert f"version {rendertrust.__version__}, the gateway's is 99.1" in told
    words = shlex.split(told.partition("run: ")[2].partition("; then restart")[0])
    assert words[:4] == [sys.executable, "-m", "pip", "install"]
    assert words[4].replace(installed_extras(), "") == line_of(peer.url)


async def test_doctor_shows_the_line(peer: Gateway, tmp_path: Path) -> None:
    await enrolment.join(peer.url, name="box", state=tmp_path)
    known = (tmp_path, peer)
    assert (await program(*known)).state == GOOD, "a gateway that says nothing"
    peer.downloads = {**NEWER, "version": rendertrust.__version__}
    assert (await program(*known)).state == GOOD
    peer.downloads = NEWER
    found = await program(*known)
    assert (found.state, WHEEL in found.remedy) == (WARNING, True)


@pytest.mark.parametrize(
    "wheel",
    [
        {"name": "$(reboot)-py3-none-any.whl", "sha256": SUM},
        {"name": WHEEL, "sha256": "'; reboot; '"},
        {"name": WHEEL},
        "wheel",
        None,
    ],
    ids=["name", "hash", "no-hash", "text", "nothing"],
)
async def test_nothing_of_a_strange_answer_is_in_the_line(
    peer: Gateway, tmp_path: Path, wheel: object
) -> None:
    await enrolment.join(peer.url, name="box", state=tmp_path)
    peer.downloads = {"version": "99.1", "wheel": wheel}
    found = await program(tmp_path, peer)
    assert found.state == WARNING
    assert found.remedy == f"see {peer.url}/download; then restart the node"


async def program(state: Path, peer: Gateway) -> doctor.Diagnosis:
    """Return what doctor says of the program."""
    joined = StateFolder(state).enrolment()
    assert joined is not None
    [found] = [each for each in await doctor.gateway(joined) if each.name == "program"]
    return found
