"""Tests of ``rendertrust`` with jobs of many frames: submitting, watching, changing and
downloading.
"""

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web

from rendertrust.cli import exit_codes
from tests.integration.client.conftest import Program
from tests.integration.client.double import (
    NOW,
    PICTURE,
    GatewayDouble,
    answering,
    completing,
    quote,
    refuse,
)
from tests.integration.client.test_terminal import CONTROL, run_on_terminal

QUOTE = "POST /api/v1/jobs/quote"
DISPATCH = "POST /api/v1/jobs/dispatch"
FRAMES = ("--frames", "1-3", "--no-preflight")
ONE = ("--no-preflight", "--yes")


def submit_three_frames(gateway: GatewayDouble, *, failed: int = 0) -> None:
    """Let the gateway's next job have three frames; with ``failed=1`` the last one fails."""
    gateway.film = [PICTURE, PICTURE, "FAILED" if failed else PICTURE]
    done = 3 - failed
    gateway.life.extend(
        [
            {"status": "RUNNING", "done": 0, "progress": 0.0},
            {"status": "RUNNING", "done": 1, "progress": 0.33},
            {
                "status": "FAILED" if failed else "COMPLETED",
                "done": done,
                "failed": failed,
                "charged": f"{done}0.0000",
                "completed_at": NOW,
            },
        ]
    )


async def test_an_animation_from_submit_to_frames(
    jane: Program, gateway: GatewayDouble, blend: Path, tmp_path: Path
) -> None:
    submit_three_frames(gateway)
    order = ("--order", "middle_first", "--priority", "high", "--max-credits", "200")
    told = await jane.run("submit", str(blend), *FRAMES, *order, "--yes", "--out", "out", "--watch")
    assert told.code == 0, told
    assert "48 frames: 480 credits (10 a frame); 990 are available." in told.err
    body = next(body for body in gateway.bodies if body.get("payload_ref"))
    assert body["frames"], body["order"] == ("1-3", "middle_first")
    assert (body["priority"], body["max_credits"]) == ("high", "200")
    assert "frame 2 COMPLETED node 7c9e6679 10 credits" in told.out
    assert "Completed, 3 of 3 done" in told.out
    assert "3 new files are in out." in told.out
    assert not re.search(r"[\x1b\r]", told.out + told.err)
    names = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert names == ["scene-0001.png", "scene-0002.png", "scene-0003.png"]


async def test_one_frame_of_a_range_keeps_its_number(
    jane: Program, gateway: GatewayDouble, blend: Path, tmp_path: Path
) -> None:
    """Without the frame's number in the name, the next frame's file would overwrite this file."""
    gateway.film = [PICTURE]
    gateway.life.append({"status": "COMPLETED", "done": 1, "completed_at": NOW})
    frames = ("--frames", "1", "--no-preflight", "--yes")
    told = await jane.run("submit", str(blend), *frames, "--out", "out", "--json")
    assert told.code == 0, told
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["scene-0001.png"]
    job = told.lines[-1]["job_id"]
    told = await jane.run("jobs", "download", job, "--out", "again")
    assert told.code == 0, told
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["frame-0001.png"]


async def test_a_picture_whose_name_has_no_suffix_gets_that_of_its_kind(
    jane: Program, gateway: GatewayDouble, blend: Path, tmp_path: Path
) -> None:
    gateway.life.append({"status": "COMPLETED", "done": 1, "completed_at": NOW})
    told = await jane.run("submit", str(blend), *ONE, "--out", "still", "--json")
    assert told.code == 0, told
    assert Path(told.lines[-1]["path"]) == Path("still.png")
    assert (tmp_path / "still.png").read_bytes() == PICTURE


async def test_another_submission_under_a_key_is_no_fault_of_the_scene(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    fault = {"field": "Idempotency-Key", "code": "conflict", "message": "was used for another"}
    gateway.script(DISPATCH, refuse(422, "The request is not valid", errors=[fault]))
    told = await jane.run("submit", str(blend), *ONE, "--idempotency-key", "a")
    assert told.code != 0, told
    assert "no-preflight" not in told.err
    assert "as-is" not in told.err


async def test_an_animation_as_json_lines(
    jane: Program, gateway: GatewayDouble, blend: Path, tmp_path: Path
) -> None:
    submit_three_frames(gateway)
    told = await jane.run("submit", str(blend), *FRAMES, "--yes", "--json", "--watch")
    assert told.code == 0, told
    assert told.err == ""
    kinds = [line["event"] for line in told.lines]
    assert kinds[:2] == ["uploaded", "submitted"]
    assert kinds.count("unit") == 3
    assert kinds[-2:] == ["ended", "saved"]
    assert "Signature" not in told.out
    assert len(told.lines[-1]["paths"]) == 3


async def test_of_a_job_that_failed_the_rest_is_fetched_and_what_to_do_is_said(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    submit_three_frames(gateway, failed=1)
    told = await jane.run("submit", str(blend), *FRAMES, "--yes", "--out", ".")
    assert told.code == exit_codes.JOB_FAILED, told
    assert "2 new files are in this folder" in told.out
    assert "2 of 3 units are done. Download the results: rendertrust jobs download" in told.err
    assert "--failed" in told.err


async def test_a_quote_sends_nothing(jane: Program, gateway: GatewayDouble, blend: Path) -> None:
    told = await jane.run("submit", str(blend), "--frames", "1-48", "--quote", "--json")
    assert told.code == 0, told
    assert (told.document["held"], told.document["enough"]) == ("480.0000", True)
    assert not gateway.uploads
    assert gateway.seen[DISPATCH] == 0


async def test_too_few_credits_are_told_before_anything_is_sent(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    told = await jane.run("submit", str(blend), "--frames", "1-100", "--no-preflight")
    assert told.code == exit_codes.INSUFFICIENT_CREDITS, told
    assert "rendertrust credits buy" in told.err
    assert not gateway.uploads


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
async def test_on_a_terminal_it_asks_before_credits_are_held(
    jane: Program, gateway: GatewayDouble, blend: Path, answer: str, code: int
) -> None:
    gateway.film = ["QUEUED"] * 3
    ended, text = await run_on_terminal(jane, "submit", str(blend), *FRAMES, typed=f"{answer}\n")
    assert "990 are available. Submit?" in CONTROL.sub("", text)
    assert (ended, gateway.seen[DISPATCH]) == (code, 1 - code), text


async def test_a_submission_without_a_terminal_needs_a_yes(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    for words in ((*FRAMES, "--watch"), (*FRAMES, "--estimate")):
        told = await jane.run("submit", str(blend), *words)
        assert told.code == exit_codes.USAGE, told
        assert "48 frames: 480 credits (10 a frame); 990 are available." in told.err
        assert "add --yes" in told.err
    told = await jane.run("submit", str(blend), "--no-preflight", "--json")
    assert told.code == exit_codes.USAGE, told
    error = told.document["error"]
    assert (error["code"], error["requested"]) == ("yes_needed", "10.0000")
    assert "One picture: 10 credits" in error["detail"]
    assert not gateway.uploads
    assert not gateway.jobs


async def test_what_costs_nothing_needs_no_yes(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    amounts = dict.fromkeys(("frame_price", "price", "held"), "0.0000")
    free = quote({"units": 1, "frames": 0, "available": "9.0000", "enough": True, **amounts})
    gateway.script(QUOTE, answering(free))
    told = await jane.run("submit", str(blend), "--no-preflight", "--pool", "mine")
    assert told.code == 0, told
    assert len(gateway.jobs) == 1


async def test_an_animation_is_downloaded_beside_its_scene_and_replaces_nothing(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    scene = blend.parent / "shots" / "scene.blend"
    scene.parent.mkdir()
    blend.rename(scene)
    other = scene.with_name("scene-0002.png")
    for _ in range(2):
        submit_three_frames(gateway)
        told = await jane.run("submit", str(scene), *FRAMES, "--yes", "--watch")
        assert told.code == 0, told
    job = list(gateway.jobs)[-1][:8]
    names = sorted(path.name for path in scene.parent.glob("*.png"))
    assert names == [f"scene-000{n}.png" for n in (1, 2, 3)], "both jobs have the same pictures"
    other.write_bytes(b"of somebody else")
    submit_three_frames(gateway)
    told = await jane.run("submit", str(scene), *FRAMES, "--yes", "--watch")
    assert told.code == 0, told
    job = list(gateway.jobs)[-1][:8]
    assert f"this job's are scene-{job}-…" in told.err
    assert other.read_bytes() == b"of somebody else"
    assert sorted(path.name for path in scene.parent.glob(f"scene-{job}-*.png")) == [
        f"scene-{job}-000{n}.png" for n in (1, 2, 3)
    ]


async def test_a_picture_is_downloaded_beside_its_scene_and_replaces_nothing(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    other = blend.with_name("scene-0012.png")
    other.write_bytes(b"of somebody else")
    gateway.life = completing(0.5)
    told = await jane.run("submit", str(blend), *ONE, "--frame", "12", "--watch")
    assert told.code == 0, told
    (job,) = gateway.jobs
    assert other.read_bytes() == b"of somebody else"
    assert blend.with_name(f"scene-0012-{job[:8]}.png").read_bytes() == PICTURE
    assert "another file of that name, which was kept" in told.err
    told = await jane.run("jobs", "result", job, "--out", str(other))
    assert "in place of an earlier file." in told.out
    assert other.read_bytes() == PICTURE


async def test_a_watch_can_download_nothing(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    gateway.life = completing(0.5)
    told = await jane.run("submit", str(blend), *ONE, "--watch", "--no-download")
    assert told.code == 0, told
    assert "Download the result: rendertrust jobs result" in told.err
    assert [path.name for path in blend.parent.iterdir() if path.is_file()] == [blend.name]
    told = await jane.run("submit", str(blend), *ONE, "--out", ".", "--no-download")
    assert told.code == exit_codes.USAGE, told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--frames", "5-1"), "write 1-5"),
        (("--frames", "1-5", "--frame", "2"), "Use either --frame"),
        (("--chunk", "4"), "needs --frames"),
        (("--frames", "1-5", "--tiles", "two"), "2x2"),
        (("--frames", "1-5", "--tiles", "2x2", "--no-preflight"), "--width and --height"),
        (("--frames", "1-5", "--max-credits", "-3"), "decimal"),
        (("--frames", "1-5", "--order", "random"), "every_nth"),
        (("--frames", "1-5", "--out", "frame.png"), "not a folder"),
    ],
)
async def test_what_does_not_go_together_is_told_before_anything_is_sent(
    program: Program, gateway: GatewayDouble, blend: Path, words: tuple[str, ...], says: str
) -> None:
    told = await program.run("submit", str(blend), *words)
    assert told.code == exit_codes.USAGE, told
    assert says in told.err
    assert not gateway.requests


async def test_a_job_is_steered(jane: Program, gateway: GatewayDouble) -> None:
    job, ended = gateway.add_job("RUNNING", units=3), gateway.add_job("COMPLETED", units=3)
    told = await jane.run("jobs", "pause", job)
    assert (told.code, f"rendertrust jobs resume {job}" in told.out) == (0, True), told
    assert (await jane.run("jobs", "list", "--status", "paused")).out.count(job) == 1
    assert (await jane.run("jobs", "resume", job)).code == 0
    assert "high priority" in (await jane.run("jobs", "priority", job, "high")).out
    assert "may cost 20.5 credits" in (await jane.run("jobs", "cap", job, "20.5")).out
    assert "has no cap" in (await jane.run("jobs", "cap", job, "--none")).out
    assert gateway.jobs[job]["max_credits"] is None
    for wrong in ((), ("20.5", "--none")):
        assert (await jane.run("jobs", "cap", job, *wrong)).code == exit_codes.USAGE
    told = await jane.run("jobs", "stop", job, "--json")
    assert told.document["status"] == "CANCELLED"
    told = await jane.run("jobs", "pause", ended)
    assert (told.code, "jobs show" in told.err) == (exit_codes.FAILURE, True), told
    assert (await jane.run("jobs", "cap", job, "0")).code == exit_codes.USAGE


async def test_units_are_listed_and_tried_again(jane: Program, gateway: GatewayDouble) -> None:
    job = gateway.add_job("FAILED", units=4)
    gateway.add_units(
        job,
        PICTURE,
        "FAILED",
        "FAILED",
        "FAILED",
        error_message="no \x1bcamera",
        error_code="reported",
    )
    told = await jane.run("jobs", "units", job)
    rows = [line.split("\t") for line in told.out.splitlines()]
    assert (rows[0][:2], rows[0][-1]) == (["FRAME", "STATE"], "UNIT")
    assert (len(rows), rows[2][:2], rows[2][-1]) == (5, ["2", "FAILED"], "1")
    assert "\x1b" not in told.out
    assert told.err.count(f"More about reported: {gateway.url}/help/errors/#unit-reported") == 1
    gateway.units[job][0] |= {"given_back": "a check found that the result is invalid"}
    told = await jane.run("jobs", "units", job)
    assert "refunded: a check found that the result is invalid" in told.out.splitlines()[1]
    assert "To render refunded frames again: rendertrust submit SCENE --frames 1" in told.err
    listed = await jane.run("jobs", "units", job, "--state", "completed", "--json")
    assert [unit["frames"] for unit in listed.document["units"]] == ["1"]
    told = await jane.run("jobs", "retry", job)
    assert (told.code, f"jobs retry {job} --failed" in told.err) == (exit_codes.USAGE, True)
    assert "Frame 3 is QUEUED." in (await jane.run("jobs", "retry", job, "--frame", "3")).out
    told = await jane.run("jobs", "retry", job, "--failed", "--json")
    assert [unit["number"] for unit in told.document["units"]] == [1, 3]
    told = await jane.run("jobs", "retry", job, "--frame", "99")
    assert (told.code, "no frame 99" in told.err) == (exit_codes.FAILURE, True)


async def test_what_took_more_than_its_quote_keeps_no_other_frame_from_a_retry(
    jane: Program, gateway: GatewayDouble
) -> None:
    job = gateway.add_job("FAILED", units=3, failed=2)
    gateway.add_units(job, "FAILED", PICTURE, "FAILED")
    said = "Frame 1 takes about 3.6 times its quote. Submit frame 1 again, as a job of its own"
    no = refuse(409, said, code="underquoted", frames="1", price="1.0000", new_price="3.6000")
    gateway.script(f"POST /api/v1/jobs/{job}/units/0/retry", no, no, no)
    told = await jane.run("jobs", "retry", job, "--failed")
    assert told.code == 0, told
    assert (said in told.err, "Frame 3 is QUEUED." in told.out) == (True, True)
    told = await jane.run("jobs", "retry", job, "--frame", "1")
    assert (told.code, said in told.err) == (exit_codes.FAILURE, True), told
    gateway.units[job][2]["state"] = "COMPLETED"
    told = await jane.run("jobs", "retry", job, "--failed")
    assert (told.code, said in told.err) == (exit_codes.FAILURE, True), told


async def test_frames_are_fetched_as_far_as_there_are_any(
    jane: Program, gateway: GatewayDouble, tmp_path: Path
) -> None:
    job = gateway.add_job("RUNNING", units=3)
    gateway.add_units(job, "RUNNING", "QUEUED", "QUEUED")
    told = await jane.run("jobs", "download", job)
    assert (told.code, "No frame is finished yet" in told.err) == (exit_codes.STILL_RUNNING, True)
    gateway.units[job].clear()
    gateway.add_units(job, PICTURE, "RUNNING", PICTURE)
    told = await jane.run("jobs", "download", job, "--frames", "1-2", "--name", "shot")
    assert told.code == 0, told
    assert "One new file is in this folder; 1 is not finished." in told.out
    told = await jane.run("jobs", "download", job, "--frames", "9-11")
    assert told.code == exit_codes.NOT_FOUND, told
    assert "The job has no frame 9-11; its frames are 1-3" in told.err
    assert "Finished frames: 1,3" in told.err
    told = await jane.run("jobs", "download", job, "--frames", "2")
    assert told.code == exit_codes.STILL_RUNNING, told
    assert "Frame 2 is not finished" in told.err
    assert "Finished frames: 1,3" in told.err
    told = await jane.run("jobs", "download", job, "--frames", "1,9", "--name", "shot")
    assert (told.code, "The job has no frame 9; its frames are 1-3." in told.err) == (0, True)
    told = await jane.run("jobs", "download", job, "--name", "shot", "--json")
    assert json.loads(told.out)["new"] == 1
    told = await jane.run("jobs", "download", job, "--unit", "1")
    assert (told.code, "is RUNNING" in told.err) == (exit_codes.STILL_RUNNING, True)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "shot-0001.png",
        "shot-0003.png",
    ]


async def test_units_name_their_nodes_and_tell_the_verification_apart(
    jane: Program, gateway: GatewayDouble
) -> None:
    job = gateway.add_job("RUNNING", units=3)
    gateway.add_units(job, PICTURE, PICTURE, "RUNNING", node_name="farm")
    other = {"node_id": "1b9f7a1c-0000-4000-8000-000000000000", "node_name": "farm"}
    times = {
        "delivered_at": "2026-03-13T12:00:14Z",
        "ended_at": "2026-03-13T12:00:17Z",
        "node_name": "studio",
        "node_id": "2b9f7a1c-0000-4000-8000-000000000000",
    }
    gateway.units[job][0] |= times
    gateway.units[job][1] |= other
    told = await jane.run("jobs", "units", job)
    rows = [row.split("\t") for row in told.out.splitlines()]
    assert [row[3] for row in rows] == ["NODE", "studio", "farm (1b9f7a1c)", "farm (7c9e6679)"]
    assert rows[1][4] == "14 s + 3 s"
    assert "TIME: on the node + for the verification" in told.err


async def test_frames_that_are_not_verified_yet_are_named_and_later_replaced(
    jane: Program, gateway: GatewayDouble, tmp_path: Path
) -> None:
    job = gateway.add_job("RUNNING", units=3)
    gateway.add_units(job, PICTURE, PICTURE[:-1], "RUNNING")
    gateway.units[job][1]["state"] = "VERIFYING"
    only = "--verified-only"
    told = await jane.run("jobs", "download", job, only)
    assert told.out == "One new file is in this folder; 2 are not finished and verified.\n"
    told = await jane.run("jobs", "download", job, "--frames", "2", only)
    assert (told.code, "Frame 2 is not finished and verified" in told.err) == (8, True)
    told = await jane.run("jobs", "download", job, "--unit", "1", only)
    assert (told.code, "Unit 1 is still being verified" in told.err) == (8, True)
    assert [path.name for path in tmp_path.glob("*.png")] == ["frame-0001.png"]
    told = await jane.run("jobs", "download", job)
    assert "1 of them is not verified yet: frame-0002.png" in told.out
    assert "found invalid are rendered again: run the command again" in told.err
    told = await jane.run("jobs", "download", job, "--json")
    assert json.loads(told.out)["unverified"] == ["frame-0002.png"]
    told = await jane.run("jobs", "download", job, "--unit", "1", "--out", "second.png")
    assert "which is not verified yet" in told.out

    gateway.units[job][1] |= {"state": "QUEUED", "download_url": None, "sha256": None}  # invalid
    told = await jane.run("jobs", "download", job)
    assert "not verified" not in told.out
    del gateway.units[job][1:]
    gateway.add_units(job, PICTURE[:-2], PICTURE)
    told = await jane.run("jobs", "download", job)
    assert told.out == "3 files are in this folder, 2 of them new.\n"
    names = ["frame-0001.png", "frame-0002.png", "frame-0003.png", "second.png"]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == names
    assert (tmp_path / "frame-0002.png").read_bytes() == PICTURE[:-2]
    assert not [*tmp_path.glob("*.unverified")]


async def test_tiles_that_no_frame_is_made_of_are_told_at_a_stop_and_fetched(
    jane: Program, gateway: GatewayDouble, tmp_path: Path
) -> None:
    loose = {"tiles": 2, "checking": 1, "charged": "5.0000"}
    job = gateway.add_job("RUNNING", units=3, done=1, loose_tiles=loose)
    gateway.add_units(job, PICTURE, frames="7", tile=0)
    gateway.add_units(job, "CANCELLED", frames="7", tile=1)
    gateway.add_units(job, "CANCELLED", frames="7")
    told = await jane.run("jobs", "stop", job)
    assert told.code == 0, told
    assert "2 delivered tiles are of frames that cannot be completed." in told.out
    assert "They cost 5 credits; one of them is being verified, and charged if" in told.out
    assert f"Download the tiles: rendertrust jobs download {job} --tiles" in told.err
    assert "2 delivered tiles are of frames" in (await jane.run("jobs", "show", job)).out
    told = await jane.run("jobs", "download", job, "--out", "out")
    assert told.code == exit_codes.STILL_RUNNING, told
    assert f"rendertrust jobs download {job} --tiles" in told.err
    told = await jane.run("jobs", "download", job, "--out", "out", "--tiles")
    assert told.code == 0, told
    assert "One tile of unfinished frames is in out/tiles." in told.out
    assert [path.name for path in (tmp_path / "out" / "tiles").iterdir()] == ["frame-0007-0.png"]
    told = await jane.run(
        "jobs", "download", job, "--out", "out", "--tiles", "--frames", "7", "--json"
    )
    assert json.loads(told.out)["tiles"] == ["out/tiles/frame-0007-0.png"]


async def test_a_video_is_ordered_waited_for_and_saved(
    jane: Program, gateway: GatewayDouble, tmp_path: Path
) -> None:
    running = gateway.add_job("RUNNING", units=3)
    done = gateway.add_job("COMPLETED", units=3, completed_at=NOW)
    told = await jane.run("jobs", "video", running, "--out", "film.mp4")
    assert (told.code, "has not ended" in told.err) == (exit_codes.FAILURE, True), told
    gateway.picture = b"\0\0\0\x18ftypisom a film"
    gateway.life = completing(0.5)
    told = await jane.run("jobs", "video", done, "--yes", "--fps", "12", "--out", "film.mp4")
    assert told.code == 0, told
    assert gateway.bodies[-1] == {"container": "MP4", "fps": 12}
    assert (tmp_path / "film.mp4").read_bytes() == gateway.picture
    told = await jane.run("jobs", "video", done, "--yes", "--webm", "--json")
    assert (told.code, gateway.bodies[-1]["container"]) == (0, "WEBM")
    assert told.document["status"] == "DISPATCHED"
    gateway.life = completing(0.5)
    await jane.run("jobs", "video", done, "--yes", "--fps", "23.976", "--out", "film.webm")
    assert gateway.bodies[-1] == {"container": "WEBM", "fps": 24000, "fps_base": 1001}
    told = await jane.run("jobs", "video", done, "--webm", "--out", "film.mp4")
    assert (told.code, "film.webm" in told.err) == (exit_codes.USAGE, True), told
    told = await jane.run("jobs", "video", done, "--fps", "fast")
    assert (told.code, "24000/1001" in told.err) == (exit_codes.USAGE, True), told


async def test_a_video_says_its_price_first_and_asks(jane: Program, gateway: GatewayDouble) -> None:
    done = gateway.add_job("COMPLETED", units=3, completed_at=NOW, pool="trusted")
    made = f"POST /api/v1/jobs/{done}/video"
    amounts = {"frame_price": "1.0000", "price": "1.0000", "held": "1.0000"}
    price = quote({"units": 1, "frames": 0, "available": "9.0000", "enough": True, **amounts})
    gateway.script(QUOTE, answering(price), answering(price | {"enough": False}))
    told = await jane.run("jobs", "video", done)
    assert (told.code, gateway.seen[made]) == (exit_codes.USAGE, 0), told
    assert "The video: 1 credit; 9 are available." in told.err
    told = await jane.run("jobs", "video", done)
    assert (told.code, gateway.seen[made]) == (exit_codes.INSUFFICIENT_CREDITS, 0), told
    told = await jane.run("jobs", "video", done, "--yes")
    assert (told.code, gateway.seen[made], gateway.seen[QUOTE]) == (0, 1, 2), told
    ended, text = await run_on_terminal(jane, "jobs", "video", done, typed="n\n")
    assert "990 are available. Make it?" in CONTROL.sub("", text)
    assert (ended, gateway.seen[made]) == (exit_codes.FAILURE, 1), text
    assert gateway.bodies[-1] == {"job_type": "video", "pool": "trusted"}


async def test_a_refusal_of_the_quote_is_the_order_s(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    gateway.script(QUOTE, refuse(422, "frames: are 9000 units; ask for larger chunks"))
    told = await jane.run("submit", str(blend), "--frames", "1-9000", "--no-preflight")
    assert (told.code, "larger chunks" in told.err) == (exit_codes.USAGE, True)
    assert not gateway.uploads


async def test_one_frame_of_its_own_number_keeps_it(
    jane: Program, gateway: GatewayDouble, tmp_path: Path
) -> None:
    job = gateway.add_job("COMPLETED", units=1)
    gateway.add_units(job, PICTURE)
    gateway.units[job][0]["frames"] = "40"
    told = await jane.run("jobs", "download", job, "--name", "shot")
    assert told.code == 0, told
    assert [path.name for path in tmp_path.glob("*.png")] == ["shot-0040.png"]


async def test_units_that_cannot_be_looked_at_do_not_end_a_watch(
    jane: Program, gateway: GatewayDouble
) -> None:
    """The gateway is busy when it is asked for the units once; the watch goes on."""
    job = gateway.add_job("RUNNING", units=2)
    gateway.add_units(job, PICTURE, PICTURE)
    away = refuse(503, "Not now", headers={"Retry-After": "120"})
    gateway.script(f"GET /api/v1/jobs/{job}/units", away)
    gateway.life += [{}, {"done": 1}, {"status": "COMPLETED", "done": 2, "completed_at": NOW}]
    told = await jane.run("jobs", "watch", job)
    assert (told.code, "frame 2 COMPLETED" in told.out) == (0, True), told


async def test_a_gateway_that_is_lost_leaves_the_job_and_what_to_do(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    placed = {"job_id": str(uuid4()), "node_id": None, "status": "QUEUED"}
    gateway.script(DISPATCH, lambda _: web.json_response(placed))
    away = refuse(503, "Not now", headers={"Retry-After": "120"})
    gateway.script(f"GET /api/v1/jobs/{placed['job_id']}", away)
    told = await jane.run("submit", str(blend), *ONE, "--out", "out")
    assert told.code == exit_codes.UNAVAILABLE, told
    assert f"jobs watch {placed['job_id']}" in told.err
