"""Disk errors on the node: the unit fails and the node continues."""

import os
from pathlib import Path

from rendertrust.node.cache import Cache, make_room
from rendertrust.node.spool import Spool
from rendertrust.node.state_folder import StateFolder
from rendertrust.protocol import Hello, Running
from tests.integration.node.conftest import Start
from tests.integration.node.gateway import Gateway


async def test_an_input_that_cannot_be_kept_fails_its_unit_alone(
    peer: Gateway, start: Start, tmp_path: Path
) -> None:
    words = peer.input("in.txt", b"hello")
    cache = StateFolder(tmp_path / "state").cache
    cache.mkdir(parents=True)
    (cache / words.sha256[:2]).write_text("a file where a folder should be")
    async with start():
        await peer.next(Hello)
        await peer.send(peer.dispatch("echo", inputs=(words,)))
        result = await peer.result("j1")
        assert (result.status, result.failure) == ("failed", "node")
        assert "disk" in (result.error or "")
        await peer.send(peer.dispatch("echo", "j2"))
        assert (await peer.result("j2")).status == "completed"


async def test_a_result_that_cannot_be_kept_fails_its_unit_alone(
    peer: Gateway, start: Start, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "other")
    (tmp_path / "file").write_text("x")
    ref = Running(job_id="j1", unit=0, attempt=1)
    name = spool.take(tmp_path / "file", ref).path.name
    spool.close()
    async with start() as node:
        await peer.next(Hello)
        (node.folder.spool / name).mkdir()
        await peer.send(peer.dispatch("echo", output=peer.output("o1")))
        result = await peer.result("j1")
        assert (result.status, result.failure) == ("failed", "node")
        await peer.send(peer.dispatch("echo", "j2", output=peer.output("o2")))
        assert (await peer.result("j2")).status == "completed"


def test_what_is_on_its_way_is_neither_removed_nor_left_for_ever(tmp_path: Path) -> None:
    for age, name in enumerate((".part-1", "old", "new")):
        file = tmp_path / "aa" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x" * 10)
        os.utime(file, (1000 + age, 1000 + age))
    make_room(tmp_path, bytes_max=25, size=10)  # ``size`` covers the part file as well
    assert sorted(file.name for file in tmp_path.glob("aa/*")) == [".part-1", "new"]
    Cache.forget_parts(tmp_path)
    assert [file.name for file in tmp_path.glob("aa/*")] == ["new"]
