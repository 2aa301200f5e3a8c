"""Tests of the async client against a gateway double over a socket."""

import asyncio
import contextlib
import hashlib
import socket
import stat
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from rendertrust.client import (
    AsyncClient,
    BadAnswer,
    BadRequest,
    Conflict,
    FileChanged,
    GatewayFault,
    InsufficientCredits,
    Invalid,
    JobSpec,
    NoAnswer,
    NotAuthenticated,
    NotFound,
    RateLimited,
    StillRunning,
    TransferFailed,
    Unavailable,
)
from tests.integration.client.conftest import FAST, GOOD, client_of
from tests.integration.client.double import (
    NODE,
    PICTURE,
    USER,
    GatewayDouble,
    completing,
    hang_up,
    refuse,
)

DISPATCH, BALANCE = "POST /api/v1/jobs/dispatch", "GET /api/v1/credits/balance"


async def test_registering_logs_in(gateway: GatewayDouble) -> None:
    async with client_of(gateway, None) as client:
        registered = await client.register("jane@example.com", "Jane", "correct horse")
        assert registered.user.id == USER
        assert (await client.balance()).available == "990.0000"


async def test_registering_a_taken_address_is_a_conflict(gateway: GatewayDouble) -> None:
    async with client_of(gateway, None) as client:
        with pytest.raises(Conflict, match="already registered"):
            await client.register("taken@example.com", "Jane", "correct horse")


async def test_a_wrong_password_is_not_authenticated(gateway: GatewayDouble) -> None:
    async with client_of(gateway, None) as client:
        with pytest.raises(NotAuthenticated) as caught:
            await client.login("jane@example.com", "wrong")
    assert (caught.value.status, caught.value.request_id) == (401, "req-1")
    assert gateway.seen["POST /api/v1/auth/refresh"] == 0


async def test_without_a_login_nothing_is_asked(gateway: GatewayDouble) -> None:
    async with client_of(gateway, None) as client:
        with pytest.raises(NotAuthenticated, match="Not logged in"):
            await client.balance()
    assert not gateway.requests


async def test_history_is_read_with_times(client: AsyncClient) -> None:
    history = await client.history(limit=5)
    assert history.count == 42
    assert history.entries[0].created_at == datetime(2026, 3, 13, 12, tzinfo=UTC)
    assert (history.entries[0].amount, history.entries[0].entry_id) == ("10.0000", None)


async def test_an_expired_token_is_renewed_once_for_many_requests(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    gateway.accepted = set()
    await asyncio.gather(*(client.balance() for _ in range(8)))
    assert gateway.seen["POST /api/v1/auth/refresh"] == 1


async def test_a_refused_refresh_ends_the_login(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    gateway.accepted, gateway.refresh = set(), None
    with pytest.raises(NotAuthenticated, match="session has ended"):
        await client.balance()


async def test_a_gateway_without_refresh_ends_the_login(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    gateway.accepted = set()
    gateway.script("POST /api/v1/auth/refresh", refuse(404, "Not found"))
    with pytest.raises(NotAuthenticated, match="session has ended"):
        await client.balance()


async def test_503_is_tried_again_after_what_retry_after_says(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    gateway.script(BALANCE, refuse(503, headers={"Retry-After": "7"}), refuse(503))
    pauses: list[float] = []
    client.connection.login.transport.sleep = _recording(pauses)
    assert (await client.balance()).balance == "1000.0000"
    assert pauses[0] == 7
    assert pauses[1] < 1


def _recording(pauses: list[float]) -> Callable[[float], Awaitable[None]]:
    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    return sleep


async def test_503_that_stays_is_raised_with_its_words(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    gateway.script(BALANCE, *[refuse(503, "The database is away")] * 4)
    with pytest.raises(Unavailable, match="database is away"):
        await client.balance()
    assert gateway.seen[BALANCE] == 4


async def test_retry_after_beyond_patience_is_not_waited_for(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    gateway.script(BALANCE, refuse(503, headers={"Retry-After": "3600"}))
    with pytest.raises(Unavailable) as caught:
        await client.balance()
    assert caught.value.retry_after == 3600


async def test_429_is_waited_for_even_where_twice_would_not_be_once(
    gateway: GatewayDouble,
) -> None:
    gateway.script("POST /api/v1/auth/register", refuse(429, headers={"Retry-After": "9"}))
    pauses: list[float] = []
    async with client_of(gateway, None) as client:
        client.connection.login.transport.sleep = _recording(pauses)
        await client.register("jane@example.com", "Jane", "correct horse")
    assert pauses == [9]


@pytest.mark.parametrize("headers", [None, {"Retry-After": "60"}], ids=["unnamed", "long"])
async def test_429_that_takes_too_long_is_raised(
    gateway: GatewayDouble, client: AsyncClient, headers: dict[str, str] | None
) -> None:
    gateway.script(BALANCE, refuse(429, "Too many requests", headers=headers))
    with pytest.raises(RateLimited, match="Too many"):
        await client.balance()
    assert gateway.seen[BALANCE] == 1


async def test_a_retried_submit_makes_one_job(gateway: GatewayDouble, client: AsyncClient) -> None:
    async def lost(request: web.Request) -> web.StreamResponse:
        key = request.headers["Idempotency-Key"]
        gateway.keys[key] = gateway.add_job()
        return hang_up(request)

    gateway.script(DISPATCH, lost, refuse(503))
    placed = await client.dispatch(JobSpec("render", "s3://b/k", {"frame": 1}, queue=True))
    other = await client.dispatch(JobSpec("render", "s3://b/k"))
    assert list(gateway.jobs) == [placed.job_id, other.job_id]
    assert placed.node_id == NODE
    assert gateway.bodies[0]["params"] == {"frame": 1}


async def test_a_register_whose_answer_was_lost_is_not_repeated(gateway: GatewayDouble) -> None:
    gateway.script("POST /api/v1/auth/register", hang_up)
    async with client_of(gateway, None) as client:
        with pytest.raises(NoAnswer) as caught:
            await client.register("jane@example.com", "Jane", "correct horse")
    assert caught.value.delivered
    assert gateway.seen["POST /api/v1/auth/register"] == 1


async def test_a_refused_connection_is_tried_again_even_for_register() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        told: list[float] = []

        def waiting(_: object, pause: float) -> None:
            told.append(pause)

        async with AsyncClient(url, retries=FAST, waiting=waiting) as client:
            with pytest.raises(NoAnswer, match="connection refused") as caught:
                await client.register("jane@example.com", "Jane", "correct horse")
    assert not caught.value.delivered
    assert len(told) == 3


async def test_insufficient_credits_name_both_amounts(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    answer = refuse(402, "Insufficient credits", available="3.0000", requested="10.0000")
    gateway.script(DISPATCH, answer)
    with pytest.raises(InsufficientCredits) as caught:
        await client.dispatch(JobSpec("render", "s3://b/k"))
    assert (caught.value.available, caught.value.requested) == ("3.0000", "10.0000")


async def test_all_faults_of_a_422_are_there(gateway: GatewayDouble, client: AsyncClient) -> None:
    faults = [{"field": "params.frame", "code": "type", "message": "must be an integer"}]
    gateway.script(DISPATCH, refuse(422, "params.frame: must be an integer", errors=faults))
    with pytest.raises(Invalid) as caught:
        await client.dispatch(JobSpec("render", "s3://b/k"))
    assert [fault.field for fault in caught.value.errors] == ["params.frame"]


async def test_a_gateway_fault_is_not_tried_again(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    gateway.script(BALANCE, refuse(500, "Internal Server Error"))
    with pytest.raises(GatewayFault):
        await client.balance()
    assert gateway.seen[BALANCE] == 1


async def test_something_that_is_no_gateway_is_told_so(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    gateway.script(BALANCE, lambda _: web.Response(text="<html>It works!</html>"))
    gateway.script(BALANCE, lambda _: web.json_response({"balance": 5}))
    with pytest.raises(BadAnswer, match="not JSON"):
        await client.balance()
    with pytest.raises(BadAnswer, match="not a Balance"):
        await client.balance()


async def test_a_redirect_does_not_carry_the_token_away(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    gateway.script(BALANCE, lambda _: web.Response(status=302, headers={"Location": "/stolen"}))
    with pytest.raises(Exception, match="302"):
        await client.balance()
    assert gateway.seen["GET /stolen"] == 0


async def test_a_file_is_hashed_sent_once_and_known_after(
    gateway: GatewayDouble, client: AsyncClient, blend: Path
) -> None:
    told: list[tuple[int, int]] = []
    upload = await client.upload(blend, progress=lambda done, total: told.append((done, total)))
    again = await client.upload(blend)
    size = blend.stat().st_size
    assert upload.sha256 == hashlib.sha256(blend.read_bytes()).hexdigest()
    assert again.payload_ref == upload.payload_ref
    assert told[-1] == (size, size)
    assert sum(path.startswith("/store/") for _, path in gateway.requests) == 1


async def test_a_cut_upload_begins_again_with_a_fresh_url(
    gateway: GatewayDouble, client: AsyncClient, blend: Path
) -> None:
    key = f"uploads/{USER}/{hashlib.sha256(blend.read_bytes()).hexdigest()}.blend"
    gateway.script(f"PUT /store/{key}", hang_up, lambda _: web.Response(status=403))
    await client.upload(blend)
    assert gateway.objects[key] == blend.read_bytes()
    assert gateway.seen["POST /api/v1/uploads"] == 3


async def test_a_file_that_is_written_to_meanwhile_is_refused(
    gateway: GatewayDouble, client: AsyncClient, blend: Path
) -> None:
    key = f"uploads/{USER}/{hashlib.sha256(blend.read_bytes()).hexdigest()}.blend"

    async def grow(request: web.Request) -> web.StreamResponse:
        with blend.open("ab") as file:
            file.write(b"more")
        await request.read()
        return web.Response(status=400)

    gateway.script(f"PUT /store/{key}", grow)
    with pytest.raises(FileChanged):
        await client.upload(blend)
    assert not gateway.objects


async def test_a_store_that_refuses_is_told(
    gateway: GatewayDouble, client: AsyncClient, blend: Path
) -> None:
    key = f"uploads/{USER}/{hashlib.sha256(blend.read_bytes()).hexdigest()}.blend"
    gateway.script(f"PUT /store/{key}", lambda _: web.Response(status=400))
    with pytest.raises(TransferFailed) as caught:
        await client.upload(blend)
    assert caught.value.status == 400


async def test_a_large_file_is_sent_in_parts(
    gateway: GatewayDouble, client: AsyncClient, blend: Path
) -> None:
    gateway.part_bytes = 1 << 20
    told: list[tuple[int, int]] = []
    upload = await client.upload(blend, progress=lambda done, total: told.append((done, total)))
    assert (upload.status, upload.parts) == ("COMPLETED", None)
    (key,) = gateway.objects
    size = blend.stat().st_size
    assert gateway.objects[key] == blend.read_bytes()
    assert sorted(told) == told
    assert told[-1] == (size, size)
    assert part_numbers(gateway) == [1, 2, 3, 4]


async def test_a_cut_part_is_sent_again_and_no_other(
    gateway: GatewayDouble, client: AsyncClient, blend: Path
) -> None:
    gateway.part_bytes = 1 << 20
    upload_id = hashlib.sha256(blend.read_bytes()).hexdigest()[:32]

    def expired(_: web.Request) -> web.StreamResponse:
        return web.Response(status=403)

    for number in (1, 2, 3, 4):  # all parts together fail more often than one part may
        gateway.script(f"PUT /store/parts/{upload_id}/{number}", hang_up, expired, hang_up)
    await client.upload(blend)
    assert gateway.objects.popitem()[1] == blend.read_bytes()
    assert part_numbers(gateway) == [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4


async def test_a_part_that_never_arrives_is_given_up(
    gateway: GatewayDouble, client: AsyncClient, blend: Path
) -> None:
    gateway.part_bytes = 1 << 20
    upload_id = hashlib.sha256(blend.read_bytes()).hexdigest()[:32]
    gateway.script(f"PUT /store/parts/{upload_id}/2", *[hang_up] * 100)
    with pytest.raises(NoAnswer):
        await client.upload(blend)
    assert part_numbers(gateway)[:2] == [1, 2]
    assert len(part_numbers(gateway)) < 10


async def test_an_interrupted_upload_goes_on_where_it_stopped(
    gateway: GatewayDouble, blend: Path
) -> None:
    gateway.part_bytes = 1 << 20
    upload_id = hashlib.sha256(blend.read_bytes()).hexdigest()[:32]
    gateway.script(f"PUT /store/parts/{upload_id}/3", lambda _: web.Response(status=400))
    for _ in range(2):
        async with client_of(gateway) as client:
            with contextlib.suppress(TransferFailed):
                await client.upload(blend)
    assert gateway.objects.popitem()[1] == blend.read_bytes()
    assert part_numbers(gateway) == [1, 2, 3, 3, 4]


async def test_parts_that_the_store_removed_are_sent_again(
    gateway: GatewayDouble, client: AsyncClient, blend: Path
) -> None:
    gateway.part_bytes = 1 << 20
    upload_id = hashlib.sha256(blend.read_bytes()).hexdigest()[:32]

    def forget(_: web.Request) -> web.StreamResponse:
        gateway.parts.clear()
        return web.Response(status=404)

    gateway.script(f"PUT /store/parts/{upload_id}/3", forget)
    await client.upload(blend)
    assert gateway.objects.popitem()[1] == blend.read_bytes()
    assert part_numbers(gateway) == [1, 2, 3, 1, 2, 3, 4]


async def test_a_file_that_is_written_to_between_parts_is_refused(
    gateway: GatewayDouble, client: AsyncClient, blend: Path
) -> None:
    gateway.part_bytes = 1 << 20
    upload_id = hashlib.sha256(blend.read_bytes()).hexdigest()[:32]

    async def grow(request: web.Request) -> web.StreamResponse:
        await request.read()
        with blend.open("ab") as file:
            file.write(b"more")
        return web.Response()

    gateway.script(f"PUT /store/parts/{upload_id}/2", grow)
    with pytest.raises(FileChanged):
        await client.upload(blend)
    assert not gateway.objects


@pytest.mark.parametrize("wrong", [{"count": 3}, {"count": 5}, {"size": 0}, {"size": -1}], ids=str)
async def test_parts_of_something_else_are_no_answer(
    gateway: GatewayDouble, client: AsyncClient, blend: Path, wrong: dict[str, int]
) -> None:
    parts = {"size": 1 << 20, "count": 4, "arrived": [], **wrong}
    upload = {
        "id": "1",
        "payload_ref": "s3://b/k",
        "sha256": "",
        "size": 1,
        "filename": "a",
        "status": "PENDING",
        "put": None,
        "parts": parts,
    }
    gateway.script("POST /api/v1/uploads", lambda _: web.json_response(upload, status=201))
    with pytest.raises(BadAnswer):
        await client.upload(blend)


def part_numbers(gateway: GatewayDouble) -> list[int]:
    """Return the numbers of the parts that were sent, in order."""
    found = [path for method, path in gateway.requests if method == "PUT"]
    return [int(path.rpartition("/")[2]) for path in found if "/parts/" in path]


async def test_a_job_is_watched_to_its_end(gateway: GatewayDouble, client: AsyncClient) -> None:
    job_id = gateway.add_job("QUEUED", node_id=None)
    gateway.life = completing(0.25, 0.25, 0.5)
    seen = [(job.status, job.progress) async for job in client.watch(job_id)]
    assert seen == [("DISPATCHED", None), ("RUNNING", 0.25), ("RUNNING", 0.5), ("COMPLETED", 1.0)]


async def test_a_gateway_that_restarts_is_waited_for_by_a_watch(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    job_id = gateway.add_job()
    gateway.life = completing(0.5)

    watch = client.watch(job_id)
    first = await anext(watch)
    gateway.script(f"GET /api/v1/jobs/{job_id}", *[hang_up] * 6, *[refuse(503)] * 6)
    rest = [job.status async for job in watch]
    assert first.status == "DISPATCHED"
    assert rest == ["RUNNING", "COMPLETED"]


async def test_a_watch_of_an_unreachable_gateway_ends_at_once(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    job_id = gateway.add_job()
    gateway.script(f"GET /api/v1/jobs/{job_id}", *[refuse(503)] * 4)
    with pytest.raises(Unavailable):
        await client.wait(job_id)


async def test_a_wait_ends_at_its_deadline(gateway: GatewayDouble, client: AsyncClient) -> None:
    job_id = gateway.add_job()
    with pytest.raises(StillRunning, match="DISPATCHED"):
        await client.wait(job_id, within=0.3)


async def test_who_does_not_want_to_wait_learns_how_it_stands(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    job_id = gateway.add_job()
    with pytest.raises(StillRunning, match="DISPATCHED"):
        await client.wait(job_id, within=0)


async def test_a_cancel_whose_answer_was_lost_succeeds(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    job_id = gateway.add_job()

    async def lost(request: web.Request) -> web.StreamResponse:
        gateway.jobs[job_id] |= {"status": "CANCELLED"}
        return hang_up(request)

    gateway.script(f"POST /api/v1/jobs/{job_id}/cancel", lost)
    assert (await client.cancel(job_id)).status == "CANCELLED"


async def test_a_running_job_cannot_be_cancelled(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    job_id = gateway.add_job("RUNNING")
    with pytest.raises(BadRequest, match="RUNNING"):
        await client.cancel(job_id)


async def test_a_result_is_downloaded_into_a_folder(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    job_id = gateway.add_job("COMPLETED")
    path = await client.download(job_id, tmp_path)
    named = await client.download(job_id, tmp_path, stem="scene-0001")
    assert path == tmp_path / f"{job_id}.png"
    assert named == tmp_path / "scene-0001.png"
    assert path.read_bytes() == PICTURE
    assert stat.S_IMODE(path.stat().st_mode) & 0o400


async def test_a_cut_download_leaves_the_old_file_or_the_whole_new_one(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    job_id = gateway.add_job("COMPLETED")
    place = tmp_path / "frame.png"
    place.write_bytes(b"old")

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(PICTURE))})
        await response.prepare(request)
        await response.write(PICTURE[:1000])
        assert request.transport is not None
        request.transport.abort()
        return response

    route = f"GET /store/results/{job_id}/0/1/result"
    gateway.script(route, *[cut] * 4)
    with pytest.raises(NoAnswer):
        await client.download(job_id, place)
    assert place.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".part"] == ["frame.png"]
    gateway.script(route, cut)
    await client.download(job_id, place)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [PICTURE]


async def test_the_result_of_a_running_job_is_not_found(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    job_id = gateway.add_job("RUNNING")
    with pytest.raises(NotFound):
        await client.result(job_id)


async def test_a_job_id_that_is_none_is_never_sent(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    with pytest.raises(ValueError, match="UUID"):
        await client.job("../auth/login")
    assert not gateway.requests


async def test_jobs_are_listed_by_status(gateway: GatewayDouble, client: AsyncClient) -> None:
    gateway.add_job("COMPLETED", progress=1)
    gateway.add_job("FAILED")
    found = await client.jobs("COMPLETED", limit=5)
    assert [job.status for job in found.jobs] == ["COMPLETED"]
    assert found.jobs[0].progress == 1.0


def test_secrets_do_not_show_in_repr(gateway: GatewayDouble) -> None:
    assert "access-1" not in repr(GOOD)
    assert "refresh-1" not in repr(GOOD)
