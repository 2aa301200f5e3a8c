"""Statements of a node about its work, which receipts contain."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rendertrust.node.plugin import Completed
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.state_folder import Enrolment, StateFolder
from rendertrust.node.worker.formats.bounds import NoPixels
from rendertrust.node.worker.formats.picture_digest import of_file
from rendertrust.node_key import load_or_create_key
from rendertrust.protocol import Hello
from rendertrust.receipt import WorkStatement, is_signed, read_work
from tests.integration.node.conftest import Start
from tests.integration.node.gateway import Gateway
from tests.integration.node.scenes import task
from tests.unit.proof import receipts

NODE = "7d0a7f0e-6f43-4b3a-9a0e-2f6d1d1f0c11"
JOB = "0b0e9a8e-8a55-4f8a-9a46-0e2a3b7c9d10"


async def test_what_it_did_is_signed(peer: Gateway, start: Start, tmp_path: Path) -> None:
    known = Enrolment(url=peer.url, node_id=NODE, name="test", token="first-token")
    folder = StateFolder(tmp_path / "state")
    folder.enrol(known)
    load_or_create_key(folder.key)
    async with start():
        await peer.next(Hello)
        words = peer.input("in.txt", b"hello")
        given = {"inputs": (words,), "output": peer.output("o1"), "params": {"a": [0.5]}}
        await peer.send(peer.dispatch("echo", job_id=JOB, **given))
        result = await peer.result(JOB)
    assert result.work is not None
    assert result.signature is not None
    work = read_work(dict(result.work))
    assert isinstance(work, WorkStatement), work
    assert is_signed(work, bytes.fromhex(result.signature))
    assert (work.job, work.unit, work.attempt, work.node) == (JOB, 0, 1, NODE)
    assert work.object == hashlib.sha256(peer.objects["o1"]).digest()
    assert work.size == result.size == len(peer.objects["o1"])
    assert work.document["inputs"] == [words.sha256]
    assert work.document["parameters"] == {"a": ["0.5"]}
    assert work.document["begun"] < work.document["ended"]


async def test_a_job_that_is_no_uuid_is_done_without(peer: Gateway, start: Start) -> None:
    async with start():
        await peer.next(Hello)
        await peer.send(peer.dispatch("echo", output=peer.output("o1")))
        result = await peer.result("j1")
    assert (result.status, result.signature) == ("completed", None)


def pixel_hash(path: Path) -> str:
    """Return the hash of a picture's pixels, as decoded by another program."""
    with Image.open(path) as image:
        found = np.asarray(image)
    height, width, channels = found.shape
    head = f"rendertrust-pixels-v1 {width} {height} {channels} 8\n".encode()
    return hashlib.sha256(head + found.tobytes()).hexdigest()


@pytest.mark.render
async def test_a_picture_is_named_by_its_pixels(
    render: RenderPlugin, small: Path, tmp_path: Path
) -> None:
    result = await render.run(task(tmp_path / "unit", small, {"frame": 1}))
    assert isinstance(result, Completed), result
    assert result.file is not None
    assert result.work["pixels"]["sha256"] == pixel_hash(result.file)


@pytest.mark.render
@pytest.mark.parametrize(
    "params",
    [
        {"frame": 1, "format": "JPEG"},
        {"frame": 1, "format": "OPEN_EXR"},
        {"frames": [1, 2]},
    ],
)
async def test_whoever_has_a_result_can_tell_its_pixels(
    render: RenderPlugin, small: Path, tmp_path: Path, params: dict[str, Any]
) -> None:
    """The file alone is enough, and two renders at different times have the same hash."""
    told: list[str] = []
    for name in ("one", "two"):
        result = await render.run(task(tmp_path / name, small, params))
        assert isinstance(result, Completed), result
        assert result.file is not None
        assert result.work["pixels"] == of_file(str(result.file))
        told.append(result.work["pixels"]["sha256"])
    assert told[0] == told[1]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_every_filter_of_png_is_undone(tmp_path: Path, mode: str) -> None:
    y, x = np.mgrid[0:67, 0:53]
    noise = np.random.default_rng(7).integers(0, 6, (67, 53))
    bands = [x * 4 + noise, y * 3 + noise, (x * y) // 9 + noise, 255 - x][: len(mode)]
    path = tmp_path / "x.png"
    Image.fromarray(np.stack(bands, -1).astype(np.uint8), mode).save(path, optimize=True)
    assert of_file(str(path))["sha256"] == pixel_hash(path)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    row, picture = receipts.ROWS[0], receipts.PICTURE
    bomb = receipts.png([bytes(6)] * 2, 2).replace(b"\x00\x00\x00\x02", b"\x00\x00\xff\xff", 1)
    for content in (b"", picture[:-12], picture[:40], receipts.png([row], 1), bomb, b"\x89PNG"):
        path.write_bytes(content)
        with pytest.raises(NoPixels):
            of_file(str(path))
