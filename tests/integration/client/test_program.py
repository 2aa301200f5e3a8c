"""Tests of ``rendertrust`` in a separate process: exit codes, JSON, and printed texts."""

import asyncio
import json
import signal
import stat
from pathlib import Path

import pytest
from aiohttp import web

from rendertrust.cli import exit_codes
from tests.integration.client.conftest import Program, ended
from tests.integration.client.double import (
    INVITATION,
    NODE,
    PICTURE,
    GatewayDouble,
    completing,
    refuse,
)

DISPATCH = "POST /api/v1/jobs/dispatch"
ABSENT = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


async def test_exit_codes_are_listed(program: Program) -> None:
    told = await program.run("help", "exit-codes")
    assert told.code == 0
    for code in (0, 1, 2, 4, 5, 6, 7, 8, 75, 130):
        assert f"\n{code:>4}  " in f"\n{told.out}"
    listed = await program.run("help", "exit-codes", "--json")
    assert listed.document == {str(code): words for code, words in exit_codes.TABLE.items()}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--help",), "Rendering:"),
        (("help",), "Rendering:"),
        (("help", "jobs", "list"), "--status"),
        (("jobs", "--help"), "cancel"),
        (("earnings", "--help"), "--from DAY"),
        (("submit", "--help"), "--frame"),
        (("version",), "rendertrust 0."),
        (("--version",), "rendertrust 0."),
    ],
)
async def test_help_and_version_need_no_gateway(
    program: Program, gateway: GatewayDouble, words: tuple[str, ...], expected: str
) -> None:
    told = await program.run(*words)
    assert told.code == 0, told
    assert expected in told.out
    assert not gateway.requests


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "Usage: rendertrust"),
        (("jbos",), "Did you mean jobs?"),
        (("jobs", "lst"), "Did you mean list"),
        (("jobs",), "Usage: rendertrust jobs"),
        (("jobs", "show", " "), "neither the id nor the name of a job"),
        (("submit", "absent.blend"), "No such file"),
        (("submit", "."), "is a folder"),
        (("submit", "notes.txt"), "not a .blend"),
        (("submit", "empty.blend"), "is empty"),
        (("submit", "scene.blend", "--frame", "x"), "whole number"),
        (("submit", "scene.blend", "--width", "64"), "--width and --height"),
        (("submit", "scene.blend", "--timeout", "5"), "--watch"),
        (("submit", "scene.blend", "--out", "absent/frame.png"), "not a folder"),
        (("--url", "ftp://x", "jobs", "list"), "http://"),
        (("jobs", "list", "--url"), "--url needs"),
        (("login", "jane@example.com"), "RENDERTRUST_PASSWORD"),
        (("login",), "E-mail is missing"),
    ],
)
async def test_wrong_use_ends_with_2_before_anything_is_sent(
    program: Program, gateway: GatewayDouble, blend: Path, words: tuple[str, ...], says: str
) -> None:
    blend.with_name("notes.txt").write_text("no scene")
    blend.with_name("empty.blend").touch()
    told = await program.run(*words)
    assert told.code == exit_codes.USAGE, told
    assert says in told.err
    assert "Traceback" not in told.err
    assert not gateway.requests


async def test_wrong_use_is_json_too(program: Program) -> None:
    told = await program.run("jobs", "lst", "--json")
    assert told.code == 2
    assert told.document["error"]["code"] == "usage"
    assert told.err == ""


async def test_registering_by_environment_variable(program: Program) -> None:
    told = await program.run(
        "register", "jane@example.com", "--json", RENDERTRUST_PASSWORD="correct horse"
    )
    assert told.code == 0, told
    assert told.document["user"]["name"] == "jane"
    assert "access-1" not in told.out
    assert (await program.run("credits", "balance")).code == 0


async def test_registering_twice_points_to_login(program: Program) -> None:
    told = await program.run("register", "taken@example.com", RENDERTRUST_PASSWORD="correct horse")
    assert told.code == exit_codes.FAILURE
    assert "rendertrust login taken@example.com" in told.err


async def test_an_invitation_is_taken_from_the_environment(program: Program) -> None:
    words = ("register", "invited@example.com")
    for given, hint in (("", "RENDERTRUST_INVITATION"), ("rti_other", "Ask an admin")):
        told = await program.run(
            *words, RENDERTRUST_PASSWORD="correct horse", RENDERTRUST_INVITATION=given
        )
        assert told.code == exit_codes.FAILURE
        assert hint in told.err
        assert "role" not in told.err
    link = f"https://farm.example/console/sign-up#invitation={INVITATION}"
    told = await program.run(
        *words, RENDERTRUST_PASSWORD="correct horse", RENDERTRUST_INVITATION=link
    )
    assert told.code == 0, told
    assert INVITATION not in told.out + told.err


async def test_a_login_is_kept_for_its_owner_alone_and_names_the_gateway(program: Program) -> None:
    words = ("login", "jane@example.com", "--password-stdin")
    assert (await program.run(*words, typed="correct horse\n")).code == 0
    assert stat.S_IMODE(program.credentials.stat().st_mode) == 0o600
    assert stat.S_IMODE(program.credentials.parent.stat().st_mode) == 0o700
    # Without --url and RENDERTRUST_URL, the program uses the gateway of the last login.
    told = await program.run("credits", "balance", RENDERTRUST_URL="")
    assert told.code == 0
    assert "available  990\n" in told.out


async def test_a_wrong_password_ends_with_4(program: Program) -> None:
    told = await program.run("login", "jane@example.com", "--password-stdin", typed="wrong\n")
    assert told.code == exit_codes.NOT_AUTHENTICATED
    assert "Invalid credentials" in told.err
    assert not program.credentials.exists()


async def test_without_a_login_4_says_how_to_log_in(program: Program) -> None:
    told = await program.run("jobs", "list")
    assert told.code == exit_codes.NOT_AUTHENTICATED
    assert "rendertrust login" in told.err
    listed = await program.run("jobs", "list", "--json")
    assert listed.document["error"]["exit_code"] == 4


async def test_a_renewed_login_is_kept(jane: Program, gateway: GatewayDouble) -> None:
    gateway.accepted = set()
    assert (await jane.run("credits", "balance")).code == 0
    kept = json.loads(jane.credentials.read_text())["logins"][gateway.url]
    assert (kept["access_token"], kept["email"]) == ("access-2", "jane@example.com")


async def test_several_calls_at_once_renew_a_login_once(
    jane: Program, gateway: GatewayDouble
) -> None:
    gateway.accepted = set()
    calls = [jane.run("credits", "balance") for _ in range(4)]
    assert [told.code for told in await asyncio.gather(*calls)] == [0] * 4
    assert gateway.seen["POST /api/v1/auth/refresh"] == 1


async def test_submit_watch_and_save(jane: Program, gateway: GatewayDouble, blend: Path) -> None:
    gateway.life = completing(0.25, 0.5)
    told = await jane.run(
        *("submit", "--yes", "--no-preflight", str(blend), "--frame", "7", "--watch"),
    )
    assert told.code == 0, told
    assert "\x1b" not in told.out + told.err
    assert "\r" not in told.out + told.err
    assert f"Rendering 25 % node {NODE[:8]}" in told.out
    assert "Charged: 10 credits." in told.out
    assert (blend.parent / "scene-0007.png").read_bytes() == PICTURE


async def test_submit_as_json_lines(jane: Program, gateway: GatewayDouble, blend: Path) -> None:
    gateway.life = completing(0.5)
    told = await jane.run(
        "submit",
        "--yes",
        "--no-preflight",
        str(blend),
        "--json",
        "--out",
        str(blend.parent / "f.png"),
    )
    assert told.code == 0, told
    events = [line["event"] for line in told.lines]
    assert events == ["uploaded", "submitted", *["progress"] * 2, "ended", "saved"]
    assert told.lines[-1]["bytes"] == len(PICTURE)
    assert told.err == ""


async def test_submit_without_watch_prints_one_document(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    told = await jane.run(
        "submit", "--yes", "--no-preflight", str(blend), "--json", "--format", "exr", "--queue"
    )
    assert told.document["status"] == "DISPATCHED"
    assert gateway.bodies[-1]["params"] == {"format": "OPEN_EXR"}
    assert gateway.bodies[-1]["queue"] is True


async def test_503_then_success(jane: Program, gateway: GatewayDouble, blend: Path) -> None:
    gateway.script(DISPATCH, refuse(503, "Starting"), refuse(503, "Starting"))
    told = await jane.run("submit", "--yes", "--no-preflight", str(blend))
    assert told.code == 0, told
    assert "Starting; trying again in" in told.err
    assert len(gateway.jobs) == 1


async def test_503_that_stays_ends_with_75(jane: Program, gateway: GatewayDouble) -> None:
    away = refuse(503, "Not now", headers={"Retry-After": "120"})
    gateway.script("GET /api/v1/jobs", away, away)
    told = await jane.run("jobs", "list")
    assert told.code == exit_codes.UNAVAILABLE
    assert "Try again in 2 min." in told.err
    assert (await jane.run("jobs", "list", "--json")).document["error"]["status"] == 503


async def test_nobody_there_ends_with_75(program: Program) -> None:
    words = ("login", "jane@example.com", "--password-stdin", "--url", "http://127.0.0.1:1")
    told = await program.run(*words, typed="correct horse\n")
    assert told.code == exit_codes.UNAVAILABLE
    assert "connection refused" in told.err
    assert "rendertrust serve" in told.err


async def test_402_ends_with_5_and_names_both_amounts(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    poor = refuse(402, "Insufficient credits", available="3.0000", requested="10.0000")
    gateway.script(DISPATCH, poor, poor)
    told = await jane.run("submit", "--yes", "--no-preflight", str(blend))
    assert told.code == exit_codes.INSUFFICIENT_CREDITS
    assert "Available: 3 credits. Needed: 10 credits." in told.err
    assert "rendertrust credits balance" in told.err
    error = (await jane.run("submit", "--yes", "--no-preflight", str(blend), "--json")).document[
        "error"
    ]
    assert (error["available"], error["requested"]) == ("3.0000", "10.0000")


async def test_no_node_ends_with_75_and_tells_of_queue(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    gateway.script(DISPATCH, refuse(400, "No healthy nodes with matching capability"))
    told = await jane.run("submit", "--yes", "--no-preflight", str(blend))
    assert told.code == exit_codes.UNAVAILABLE
    assert "--queue" in told.err


async def test_a_failed_job_ends_with_6_and_is_harmless(
    jane: Program, gateway: GatewayDouble
) -> None:
    job_id = gateway.add_job("FAILED", error_message="scene: \x1b]0;evil\x07no\ncamera")
    told = await jane.run("jobs", "watch", job_id)
    assert told.code == exit_codes.JOB_FAILED
    assert "no camera" in told.err
    assert "Nothing was charged." in told.err
    assert "\x1b" not in told.out + told.err
    assert (await jane.run("jobs", "show", job_id)).code == 0


async def test_a_job_of_which_something_was_given_back_says_so(
    jane: Program, gateway: GatewayDouble
) -> None:
    job_id = gateway.add_job("COMPLETED", done=1, given_back=1)
    shown = await jane.run("jobs", "show", job_id)
    assert shown.code == 0, shown
    said = f"1 of 1 units, by a later check or an admin: rendertrust jobs units {job_id}"
    assert said in shown.out


async def test_an_absent_job_ends_with_7(jane: Program) -> None:
    for command in ("show", "watch", "cancel", "result"):
        told = await jane.run("jobs", command, ABSENT)
        assert told.code == exit_codes.NOT_FOUND, told


async def test_a_job_that_still_runs_ends_with_8(
    jane: Program, gateway: GatewayDouble, tmp_path: Path
) -> None:
    job_id = gateway.add_job("RUNNING", progress=0.4)
    told = await jane.run("jobs", "watch", job_id, "--timeout", "0.2")
    assert told.code == exit_codes.STILL_RUNNING
    assert f"rendertrust jobs watch {job_id}" in told.err
    told = await jane.run("jobs", "result", job_id, "--out", str(tmp_path), "--json")
    assert told.code == exit_codes.STILL_RUNNING
    assert told.document["error"]["job"]["progress"] == 0.4


async def test_cancel_gives_the_job_back_and_refuses_a_running_one(
    jane: Program, gateway: GatewayDouble
) -> None:
    job_id, running = gateway.add_job(), gateway.add_job("RUNNING")
    told = await jane.run("jobs", "cancel", job_id, "--json")
    assert told.document["status"] == "CANCELLED"
    told = await jane.run("jobs", "cancel", running)
    assert told.code == exit_codes.FAILURE
    assert f"rendertrust jobs show {running}" in told.err


async def test_a_result_is_a_url_or_a_file(
    jane: Program, gateway: GatewayDouble, tmp_path: Path
) -> None:
    job_id = gateway.add_job("COMPLETED")
    told = await jane.run("jobs", "result", job_id)
    assert told.out.startswith(f"{gateway.url}/store/results/{job_id}/0/1/result?")
    told = await jane.run("jobs", "result", job_id, "--out", str(tmp_path / "a.png"), "--json")
    assert told.document["path"] == str(tmp_path / "a.png")


async def test_lists_in_a_pipe_are_tab_separated(jane: Program, gateway: GatewayDouble) -> None:
    job_id = gateway.add_job("COMPLETED", progress=1.0)
    rows = (await jane.run("jobs", "list", "--status", "completed")).out.splitlines()
    assert rows[0].split("\t")[:2] == ["ID", "STATUS"]
    assert rows[1].split("\t")[:5] == [
        *[job_id, "Completed", "100 %", "10", "2026-03-13T12:00:00Z"],
    ]
    history = await jane.run("credits", "history")
    assert "-10\t990\tUSAGE" in history.out
    assert "\x1b" not in history.out
    assert (await jane.run("credits", "history", "--json")).document["count"] == 42


@pytest.mark.parametrize("as_json", [False, True])
async def test_ctrl_c_ends_the_watch_and_not_the_job(
    jane: Program, gateway: GatewayDouble, *, as_json: bool
) -> None:
    job_id = gateway.add_job("RUNNING", progress=0.1)
    process = await jane.start("jobs", "watch", job_id, *(["--json"] if as_json else []))
    assert process.stdout is not None
    first = await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    told = await ended(process)
    assert told.code == exit_codes.INTERRUPTED, told
    if as_json:
        assert json.loads(first)["job"]["id"] == job_id
        assert told.document["error"]["job_id"] == job_id
    else:
        assert "continues" in told.err
        assert f"rendertrust jobs watch {job_id}" in told.err
    assert gateway.jobs[job_id]["status"] == "RUNNING"
    assert "Traceback" not in told.err


async def test_a_reader_that_leaves_is_no_traceback(jane: Program, gateway: GatewayDouble) -> None:
    job_id = gateway.add_job("RUNNING", progress=0.1)
    process = await jane.start("jobs", "watch", job_id)
    assert process.stdout is not None
    await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined]
    gateway.jobs[job_id] |= {"status": "COMPLETED"}
    told = await ended(process)
    assert told.code == exit_codes.FAILURE
    assert "Traceback" not in told.err


async def test_a_node_that_never_joined_says_how(program: Program, gateway: GatewayDouble) -> None:
    for command in ("status", "run"):
        told = await program.run("node", command)
        assert told.code == exit_codes.NOT_FOUND, told
        assert "rendertrust node join" in told.err


async def test_a_refused_join_is_told(program: Program, gateway: GatewayDouble) -> None:
    gateway.script("POST /api/v1/nodes/register", refuse(503, "Not now"))
    told = await program.run("node", "join", gateway.url, "--unowned")
    assert told.code == exit_codes.UNAVAILABLE, told


async def test_without_a_checkout_the_gateway_is_pointed_to_one(
    program: Program, tmp_path: Path
) -> None:
    import shutil

    import rendertrust

    # As after the installation of the wheel, only the package ``rendertrust`` is on the path.
    shutil.copytree(Path(rendertrust.__file__).parent, tmp_path / "site" / "rendertrust")
    told = await program.execute("serve", PYTHONPATH=str(tmp_path / "site"))
    assert told.code == exit_codes.USAGE
    assert "runs from a checkout" in told.err


@pytest.mark.parametrize(
    ("route", "says"),
    [
        ("POST /api/v1/uploads", "nothing was submitted"),
        (DISPATCH, "Interrupted while submitting"),
    ],
)
async def test_ctrl_c_before_there_is_a_job_says_whether_there_may_be_one(
    jane: Program, gateway: GatewayDouble, blend: Path, route: str, says: str
) -> None:
    reached, ever = asyncio.Event(), asyncio.Event()

    async def never(_: web.Request) -> web.StreamResponse:
        reached.set()
        await ever.wait()
        return web.Response()

    gateway.script(route, never)
    process = await jane.start("submit", "--yes", "--no-preflight", str(blend), "--watch")
    async with asyncio.timeout(60):
        await reached.wait()
    process.send_signal(signal.SIGINT)
    told = await ended(process)
    ever.set()
    assert told.code == exit_codes.INTERRUPTED
    assert says in told.err


async def test_a_job_is_named_by_its_name_if_that_is_unique(
    jane: Program, gateway: GatewayDouble
) -> None:
    job = gateway.add_job("COMPLETED", name="Cathedral")
    gateway.add_job("COMPLETED", name="Cathedral film")
    told = await jane.run("jobs", "show", "cathedral", "--json")
    assert told.document["id"] == job
    twin = gateway.add_job("FAILED", name="cathedral")
    told = await jane.run("jobs", "show", "cathedral", "--json")
    assert told.code == exit_codes.USAGE
    assert told.document["error"]["candidates"] == [twin, job]
    told = await jane.run("jobs", "show", "cathedral")
    assert f"{twin}  cathedral, FAILED" in told.err
    missing = await jane.run("jobs", "show", "chapel")
    assert missing.code == exit_codes.NOT_FOUND
    assert "No job of yours is called chapel" in missing.err


async def test_jobs_are_renamed_and_found_by_name(jane: Program, gateway: GatewayDouble) -> None:
    job = gateway.add_job("COMPLETED", name="scene")
    gateway.add_job("COMPLETED", name="other")
    told = await jane.run("jobs", "rename", "scene", "Nave \u202e at dusk")
    assert told.code == 0, told
    assert "is called Nave \N{REPLACEMENT CHARACTER} at dusk" in told.out
    assert gateway.bodies[-1] == {"name": "Nave \u202e at dusk"}
    listed = await jane.run("jobs", "list", "--name", "NAVE", "--json")
    assert [one["id"] for one in listed.document["jobs"]] == [job]
    nothing = await jane.run("jobs", "list", "--name", "chapel")
    assert "No job has 'chapel' in its name." in nothing.err
    refused = await jane.run("jobs", "rename", job, "a" * 101)
    assert refused.code == exit_codes.USAGE
    assert "1 to 100 characters on one line" in refused.err


async def test_a_submission_names_its_job(
    jane: Program, gateway: GatewayDouble, blend: Path
) -> None:
    submit = ("submit", "--yes", "--no-preflight", "--json")
    assert (await jane.run(*submit, str(blend))).code == 0
    assert "name" not in gateway.bodies[-1], "the gateway knows the scene's name"
    assert (await jane.run(*submit, str(blend), "--name", "Nave")).code == 0
    assert gateway.bodies[-1]["name"] == "Nave"
    same = blend.with_name("choir.blend")
    same.write_bytes(blend.read_bytes())
    assert (await jane.run(*submit, str(same))).code == 0
    assert gateway.bodies[-1]["name"] == "choir", "the gateway has the file as scene.blend"
