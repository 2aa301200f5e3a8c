"""Jobs of many units in the client: their units, changes to them, and downloads of frames."""

import asyncio
import io
import zipfile
from pathlib import Path

import pytest

from rendertrust.client import (
    AsyncClient,
    Client,
    Conflict,
    JobSpec,
    NoAnswer,
    NotFound,
    NotReady,
    Tokens,
    TransferFailed,
)
from rendertrust.frame_range import FrameRangeError
from tests.integration.client.double import PICTURE, GatewayDouble, answering, hang_up

EXR = b"\x76\x2f\x31\x01" + b"linear" * 100


def packed_chunk(*names: str, packed: int = zipfile.ZIP_STORED) -> bytes:
    """Return a chunk as a node packs it; each frame's content ends with its name."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", packed) as file:
        for name in names:
            file.writestr(name, PICTURE[:100] + name.encode())
    return content.getvalue()


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


async def test_an_order_of_many_frames_says_what_was_asked_for_and_nothing_else(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    await client.dispatch(
        JobSpec("render", "s3://b/k", frames="1-48", order="middle_first", max_credits="200")
    )
    await client.dispatch(JobSpec("render", "s3://b/k", {"frame": 1}))
    told = await client.quote(JobSpec("render", frames="1-48", chunk=4))
    first, second, third = gateway.bodies
    assert first == {
        "job_type": "render",
        "payload_ref": "s3://b/k",
        "frames": "1-48",
        "order": "middle_first",
        "max_credits": "200",
    }
    assert second == {"job_type": "render", "payload_ref": "s3://b/k", "params": {"frame": 1}}
    assert third == {"job_type": "render", "frames": "1-48", "chunk": 4}
    assert (told.units, told.price, told.enough) == (48, "480.0000", True)


async def test_units_come_page_by_page_and_one_by_its_number(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    job = gateway.add_job("RUNNING")
    gateway.add_units(job, *["QUEUED"] * 230)
    assert [unit.number async for unit in client.each_unit(job)] == [*range(230)]
    page = await client.units(job, limit=2, after=3)
    assert ([unit.number for unit in page.units], page.count, page.next) == ([4, 5], 230, 5)
    assert (await client.unit(job, 7)).frames == "8"
    with pytest.raises(NotFound, match="no unit 230"):
        await client.unit(job, 230)
    assert gateway.seen[f"GET /api/v1/jobs/{job}/units"] == 3 + 1 + 1 + 1


async def test_a_job_is_paused_resumed_changed_and_stopped(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    job, ended = gateway.add_job("RUNNING"), gateway.add_job("COMPLETED")
    # a repeated request gets the same answer
    gateway.script(f"POST /api/v1/jobs/{job}/pause", hang_up)
    paused = await client.pause(job)
    assert (paused.status, paused.paused) == ("PAUSED", "owner")
    assert (await client.resume(job)).status == "RUNNING"
    changed = await client.change(job, priority="high", max_credits="12.5")
    assert (changed.priority, changed.max_credits) == ("high", "12.5")
    with pytest.raises(Conflict, match="already committed"):
        await client.change(job, max_credits="1")
    with pytest.raises(ValueError, match="priority, max_credits"):
        await client.change(job)
    assert (await client.change(job, uncapped=True)).max_credits is None
    with pytest.raises(ValueError, match="uncapped"):
        await client.change(job, max_credits="1", uncapped=True)
    assert (await client.stop(job)).status == "CANCELLED"
    with pytest.raises(Conflict, match="it has ended"):
        await client.pause(ended)


async def test_a_failed_unit_is_retried_once_however_often_it_is_asked(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    job = gateway.add_job("FAILED")
    gateway.add_units(job, "FAILED", PICTURE)
    gateway.script(f"POST /api/v1/jobs/{job}/units/0/retry", hang_up)
    assert (await client.retry_unit(job, 0)).state == "QUEUED"
    with pytest.raises(Conflict, match="COMPLETED"):
        await client.retry_unit(job, 1)


async def test_one_unit_is_downloaded_when_it_is_ready(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    job = gateway.add_job("RUNNING")
    gateway.add_units(job, PICTURE, "RUNNING")
    path = await client.download_unit(job, 0, tmp_path, stem="first")
    with pytest.raises(NotReady, match=r"Unit 1 .* is RUNNING") as raised:
        await client.download_unit(job, 1, tmp_path)
    assert (path.name, path.read_bytes()) == ("first.png", PICTURE)
    assert (raised.value.number, raised.value.state) == (1, "RUNNING")


async def test_frames_are_fetched_as_they_come_and_none_twice(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    job = gateway.add_job("RUNNING")
    gateway.add_units(job, PICTURE, "RUNNING", EXR)
    first = await client.download_frames(job, tmp_path)
    assert [path.name for path in first.paths] == ["frame-0001.png", "frame-0003.exr"]
    assert (first.new, first.missing) == (first.paths, 1)
    gateway.units[job].pop(1)
    gateway.units[job].insert(1, gateway.units[job][0] | {"number": 1, "frames": "2"})
    second = await client.download_frames(job, tmp_path)
    assert ([path.name for path in second.new], second.missing) == (["frame-0002.png"], 0)
    assert len(second.paths) == 3
    assert len(gateway.ranges) == 3
    (tmp_path / "frame-0001.png").write_bytes(b"spoiled")
    third = await client.download_frames(job, tmp_path, frames="1-2")
    assert [path.name for path in third.new] == ["frame-0001.png"]
    assert len(third.paths) == 2
    with pytest.raises(FrameRangeError, match="backwards"):
        await client.download_frames(job, tmp_path, frames="2-1")
    assert (tmp_path / "frame-0001.png").read_bytes() == PICTURE
    assert visible(tmp_path) == ["frame-0001.png", "frame-0002.png", "frame-0003.exr"]


@pytest.mark.parametrize("place", ["new", "new/and/deep"])
async def test_a_folder_that_is_not_there_is_made_for_the_frames(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path, place: str
) -> None:
    job = gateway.add_job("COMPLETED")
    gateway.add_units(job, PICTURE, EXR)
    fetched = await client.download_frames(job, tmp_path / place)
    assert visible(tmp_path / place) == [path.name for path in fetched.paths]
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        await client.download_frames(job, tmp_path / "file")


async def test_frames_go_on_where_they_were_cut_off(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    job = gateway.add_job("RUNNING")
    gateway.add_units(job, PICTURE)
    route = f"GET /store/results/{job}/0/1/result"

    def arrived() -> bool:
        return sum(path.stat().st_size for path in tmp_path.glob(".*.part")) == 1 << 20

    gateway.script(route, gateway.cut(1 << 20, arrived), *[gateway.cut(0)] * 3)
    told: list[float] = []
    with pytest.raises(NoAnswer):
        await client.download_frames(job, tmp_path)
    assert visible(tmp_path) == []
    fetched = await client.download_frames(
        job, tmp_path, progress=lambda done, total: told.append(done / total)
    )
    assert gateway.ranges[-1] == f"bytes={1 << 20}-"
    assert fetched.paths[0].read_bytes() == PICTURE
    assert told[-1] == 1.0


async def test_chunks_are_taken_apart_and_tiles_left_out(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    job = gateway.add_job("COMPLETED")
    gateway.add_units(job, packed_chunk("-0003.png", "-0003.noisy.exr", "0004.png"), frames="-3,4")
    gateway.add_units(job, EXR, frames="5", tile=0)
    first = await client.download_frames(job, tmp_path, stem="shot")
    names = ["shot--0003.png", "shot--0003.noisy.exr", "shot-0004.png"]
    assert [path.name for path in first.paths] == names
    assert first.paths[2].read_bytes() == PICTURE[:100] + b"0004.png"
    second = await client.download_frames(job, tmp_path, stem="shot")
    assert (second.paths, second.new) == (first.paths, ())
    first.paths[0].unlink()
    third = await client.download_frames(job, tmp_path, stem="shot")
    assert third.new == first.paths
    assert len(gateway.ranges) == 2
    assert visible(tmp_path) == sorted(names)


async def test_tiles_of_frames_that_are_not_complete_are_fetched_where_they_are_asked_for(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    job = gateway.add_job("FAILED")
    for frame, whole in (("1", PICTURE), ("12", "FAILED")):
        gateway.add_units(job, EXR, frames=frame, tile=0)
        gateway.add_units(job, EXR if whole == PICTURE else "FAILED", frames=frame, tile=1)
        gateway.add_units(job, whole, frames=frame)
    first = await client.download_frames(job, tmp_path)
    assert (visible(tmp_path), first.tiles, first.missing) == (["frame-0001.png"], (), 1)
    second = await client.download_frames(job, tmp_path, tiles=True)
    assert second.tiles == (tmp_path / "tiles" / "frame-0012-0.exr",)
    assert (second.paths, second.new) == (first.paths, ())
    assert visible(tmp_path / "tiles") == ["frame-0012-0.exr"]
    fetched = len(gateway.ranges)
    again = await client.download_frames(job, tmp_path, frames="12", tiles=True)
    assert (again.paths, again.tiles, len(gateway.ranges)) == ((), second.tiles, fetched)
    assert (await client.download_frames(job, tmp_path, frames="1", tiles=True)).tiles == ()


async def test_a_zip_of_what_is_complete_is_fetched_however_the_job_ended(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    job = gateway.add_job("FAILED", loose_tiles={"tiles": 2, "checking": 1, "charged": "5.0000"})
    gateway.objects["job.zip"] = packed_chunk("0001.png", "tiles/0002-0.exr")
    url = f"{gateway.url}/store/job.zip"
    told = {"job_id": job, "download_url": url, "expires_in": 3600}
    gateway.script(f"GET /api/v1/jobs/{job}/archive", *[answering(told)] * 4)
    loose = (await client.job(job)).loose_tiles
    assert loose is not None
    assert (loose.tiles, loose.checking, loose.charged) == (2, 1, "5.0000")
    assert (await client.archive(job)).download_url == url
    path = await client.download_archive(job, tmp_path, stem="film")
    assert (path.name, path.read_bytes()) == ("film.zip", gateway.objects["job.zip"])

    def work() -> None:
        with Client(gateway.url, tokens=Tokens("access-1", "refresh-1")) as blocking:
            assert blocking.archive(job).download_url == url
            assert blocking.download_archive(job, tmp_path / "again.zip").is_file()

    await asyncio.to_thread(work)


async def test_of_a_chunk_only_the_frames_that_are_asked_for_are_saved_and_others_later(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    job = gateway.add_job("COMPLETED")
    gateway.add_units(job, packed_chunk("0001.png", "0002.png", "0003.png"), frames="1-3")
    first = await client.download_frames(job, tmp_path, frames="2")
    assert [path.name for path in first.paths] == visible(tmp_path) == ["frame-0002.png"]
    again = await client.download_frames(job, tmp_path, frames="2")
    assert (again.paths, again.new, len(gateway.ranges)) == (first.paths, (), 1)
    rest = await client.download_frames(job, tmp_path)
    kept = await client.download_frames(job, tmp_path, frames="1-2")
    assert len(rest.paths) == 3
    assert visible(tmp_path) == [path.name for path in rest.paths]
    assert (kept.paths, kept.new, len(gateway.ranges)) == (rest.paths[:2], (), 2)


@pytest.mark.parametrize(
    "hostile",
    [
        packed_chunk("../0001.png"),
        packed_chunk("/etc/0001.png"),
        packed_chunk("0001.sh.png"),
        packed_chunk("0001.exe"),
        packed_chunk("0001.png", packed=zipfile.ZIP_DEFLATED),
        b"PK\x03\x04 no zip at all",
    ],
)
async def test_a_zip_that_no_honest_node_makes_is_refused(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path, hostile: bytes
) -> None:
    job = gateway.add_job("COMPLETED")
    gateway.add_units(job, hostile, frames="1-2")
    (tmp_path / "out").mkdir()
    with pytest.raises(TransferFailed, match="cannot be read"):
        await client.download_frames(job, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not list((tmp_path / "out").glob("*.png"))


async def test_without_asyncio_it_is_the_same(gateway: GatewayDouble, tmp_path: Path) -> None:
    job = gateway.add_job("RUNNING")
    gateway.add_units(job, PICTURE, "FAILED")

    def work() -> None:
        with Client(gateway.url, tokens=Tokens("access-1", "refresh-1")) as client:
            assert [unit.state for unit in client.each_unit(job)] == ["COMPLETED", "FAILED"]
            assert client.units(job).count == 2
            assert client.retry_unit(job, 1).state == "QUEUED"
            assert client.unit(job, 1).state == "QUEUED"
            assert client.pause(job).status == "PAUSED"
            assert client.resume(job).status == "RUNNING"
            assert client.change(job, priority="low").priority == "low"
            assert client.quote(JobSpec("render", frames="1-48")).units == 48
            assert client.download_frames(job, tmp_path).missing == 1
            assert client.download_unit(job, 0, tmp_path / "one.png").read_bytes() == PICTURE
            assert client.stop(job).status == "CANCELLED"

    await asyncio.to_thread(work)


async def test_files_are_named_after_the_job(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    one = gateway.add_job("COMPLETED", name="Wide shot: #3", units=1, done=1)
    gateway.add_units(one, PICTURE)
    many = gateway.add_job("COMPLETED", name="../CON", units=2, done=2)
    gateway.add_units(many, PICTURE, EXR)
    assert (await client.download(one, tmp_path)).name == "Wide shot_ _3-0001.png"
    assert (await client.download_unit(many, 1, tmp_path)).name == "_CON-0002.exr"
    found = await client.download_frames(many, tmp_path / "all")
    assert [path.name for path in found.paths] == ["_CON-0001.png", "_CON-0002.exr"]
    assert (await client.download(one, tmp_path / "still.png")).name == "still.png"


async def test_a_job_is_renamed(gateway: GatewayDouble, client: AsyncClient) -> None:
    job = gateway.add_job("COMPLETED", name="scene")
    assert (await client.rename(job, "cathedral")).name == "cathedral"
    assert [one.name async for one in client.each_job(name="CATH")] == ["cathedral"]
    assert (await client.jobs(name="scene")).count == 0


async def test_files_of_other_jobs_are_kept_if_asked_for(
    client: AsyncClient, gateway: GatewayDouble, tmp_path: Path
) -> None:
    job = gateway.add_job("RUNNING", units=2)
    gateway.add_units(job, PICTURE, "RUNNING")
    other = tmp_path / "shot_0002.exr"
    other.write_bytes(b"of another job, where this job has no frame yet")
    for _ in range(2):
        found = await client.download_frames(job, tmp_path, stem="shot_####", overwrite=False)
        assert found.stem == f"shot_{job[:8]}-####"
        assert [path.name for path in found.paths] == [f"shot_{job[:8]}-0001.png"]
    other.unlink()
    found = await client.download_frames(job, tmp_path, stem="shot_####", overwrite=False)
    again = await client.download_frames(job, tmp_path, stem="shot_####", overwrite=False)
    assert (found.stem, again.stem, again.new) == ("shot_####", "shot_####", ())


async def test_an_invalid_frame_is_replaced_also_if_the_download_of_another_failed(
    client: AsyncClient,
    gateway: GatewayDouble,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rendertrust.client.frame_downloads.AT_ONCE", 1)  # one after the other
    job = gateway.add_job("RUNNING", units=2)
    gateway.add_units(job, PICTURE)
    gateway.add_units(job, b"PK\x03\x04 no zip at all", frames="2-3")
    gateway.units[job][0]["state"] = "VERIFYING"
    with pytest.raises(TransferFailed, match="cannot be read"):
        await client.download_frames(job, tmp_path, overwrite=False)
    gateway.units[job].clear()
    gateway.add_units(job, PICTURE[:-1], PICTURE)  # the first was invalid, and rendered again
    found = await client.download_frames(job, tmp_path, overwrite=False)
    assert [path.name for path in found.paths] == ["frame-0001.png", "frame-0002.png"]
    assert found.paths[0].read_bytes() == PICTURE[:-1]
