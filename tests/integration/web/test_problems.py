"""Error answers have one shape and reveal no more than they should."""

import asyncio
import json
import logging
from contextlib import suppress

import pytest

from actors.kernel import ActorCrashed, MailboxFull
from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.http_gateway import Face, Headers, face_over, serving, settings_for_tests
from web.http.responses import ALWAYS

pytestmark = pytest.mark.usefixtures("no_answer_cache")

DEAD = "postgresql://nobody@127.0.0.1:1/nothing"
ANSWER_SECONDS = 30.0  # the gateway's two seconds, and time for a busy machine


async def test_an_unknown_path_is_404_without_a_token(face: Face) -> None:
    for path in ("/nothing", "/api/v1/nothing", "/api/v1/jobs/", "/api/v2/jobs", "/api/v1//jobs"):
        async with face.client.get(path) as answer:
            assert answer.status == 404, path
            body = await answer.json()
    assert body["detail"] == "Not Found"
    assert body["status"] == 404


async def test_a_wrong_method_is_405_and_names_the_right_ones(face: Face) -> None:
    async with face.client.delete("/api/v1/jobs") as answer:
        assert answer.status == 405
        assert "GET" in answer.headers["Allow"]
        assert (await answer.json())["detail"] == "Method Not Allowed"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "BearerX abc", "Bearer a b", "bearer x"]
)
async def test_without_a_good_token_it_is_401(face: Face, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with face.client.get("/api/v1/credits/balance", headers=headers) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="rendertrust"')
        expected = "Not authenticated" if header is None else "Invalid or expired token"
        assert (await answer.json())["detail"] == expected


async def test_a_token_opens_its_own_kind_of_operation_alone(face: Face, user: Headers) -> None:
    async with face.client.post(
        "/api/v1/nodes/heartbeat", json={"current_load": 0}, headers=user
    ) as answer:
        assert answer.status == 401


async def test_problem_json_is_for_those_who_ask_for_it(face: Face) -> None:
    for accept, kind in (
        ("*/*", "application/json"),
        ("application/problem+json, */*", "application/problem+json"),
    ):
        async with face.client.get("/nothing", headers={"Accept": accept}) as answer:
            assert answer.content_type == kind


async def test_a_browser_at_an_unknown_path_gets_a_page(face: Face) -> None:
    accept = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    async with face.client.get("/nothing-here", headers=accept) as answer:
        text = await answer.text()
    assert (answer.status, answer.content_type) == (404, "text/html")
    assert '<a class="button" href="/">To the first page</a>' in text
    async with face.client.get("/api/v1/nothing", headers=accept) as answer:
        assert answer.content_type == "application/json"
    async with face.client.post("/nothing-here", headers=accept) as answer:
        assert (answer.status, answer.content_type) == (404, "application/json")


async def test_every_answer_carries_the_headers_and_a_name(face: Face) -> None:
    for path in ("/health", "/nothing", "/metrics", "/api/v1/jobs"):
        async with face.client.get(path) as answer:
            for name, value in ALWAYS.items():
                assert answer.headers[name] == value
            assert answer.headers["X-Request-ID"]
            assert answer.headers["Server"] == "rendertrust"


async def test_a_bug_is_a_500_that_says_nothing_and_is_logged_under_its_id(
    face: Face, user: Headers, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    face.gateway.monitoring.probes["broken"] = _broken
    with caplog.at_level(logging.ERROR):
        async with face.client.get("/api/v1/health/ready", headers=user) as answer:
            assert answer.status == 500
            text = await answer.text()
    assert "secret detail" not in text
    assert '"detail":"Internal server error"' in text
    logged = capsys.readouterr().out + caplog.text
    assert answer.headers["X-Request-ID"] in logged
    assert "secret detail" in logged


async def _broken() -> bool:
    raise ZeroDivisionError("secret detail")


async def test_an_actor_that_does_not_answer_is_a_503(face: Face, user: Headers) -> None:
    body = {"job_type": "echo", "payload_ref": "s3://bucket/key"}
    for failure in (MailboxFull("Scheduler", "full"), ActorCrashed("Scheduler", "crashed")):
        face.script.failure = failure
        async with face.client.post("/api/v1/jobs/dispatch", json=body, headers=user) as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "1"


async def test_a_closing_gateway_takes_no_new_work_and_still_answers(
    face: Face, user: Headers
) -> None:
    face.script.open = False
    body = {"job_type": "echo", "payload_ref": "s3://bucket/key"}
    async with face.client.post("/api/v1/jobs/dispatch", json=body, headers=user) as answer:
        assert answer.status == 503
        assert (await answer.json())["detail"] == "The gateway is starting or closing; try again"
    async with face.client.get("/api/v1/jobs", headers=user) as answer:
        assert answer.status == 200


@pytest.mark.usual_deadlines
async def test_without_a_database_it_is_503_within_two_seconds(user: Headers) -> None:
    database = Database(lambda: DEAD)
    loop = asyncio.get_running_loop()
    async with serving(database, settings_for_tests()) as other:
        for path in ("/api/v1/credits/balance", "/api/v1/jobs"):
            begun = loop.time()
            async with other.client.get(path, headers=user) as answer:
                assert answer.status == 503
                assert answer.headers["Retry-After"] == "1"
                detail = (await answer.json())["detail"]
                assert detail == "The database is not available; try again"
            assert loop.time() - begun < ANSWER_SECONDS
        async with other.client.get("/health") as answer:
            assert await answer.json() == {"status": "healthy"}


CHECKS = ("database", "redis", "objects", "scheduler", "ledger", "log")


async def test_readiness_names_what_is_missing_and_is_200(face: Face) -> None:
    async with face.client.get("/api/v1/health/ready") as answer:
        assert answer.status == 200
        assert await answer.json() == {
            "status": "ready",
            "checks": dict.fromkeys(CHECKS, "connected"),
            "log": None,  # the log begins with the first run of a Sequencer
        }
    face.gateway.monitoring.probes["redis"] = _no
    async with face.client.get("/api/v1/health/ready") as answer:
        assert answer.status == 200
        body = await answer.json()
    assert body["status"] == "degraded"
    assert body["checks"]["redis"] == "unavailable"


async def _no() -> bool:
    return False


async def test_health_and_version_answer_as_the_reference_shows(face: Face) -> None:
    for path in ("/health", "/api/v1/health"):
        async with face.client.get(path) as answer:
            assert await answer.json() == {"status": "healthy"}
    async with face.client.get("/version") as answer:
        body = await answer.json()
    assert set(body) == {"name", "version", "environment"}
    assert body["environment"] == "development"


async def raw_exchange(face: Face, sent: bytes, within: float = 60.0) -> bytes:
    host, port = face.client.server.host, face.client.server.port
    assert port is not None
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(sent)
    try:
        async with asyncio.timeout(within):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_what_is_no_http_is_a_400_in_json_that_quotes_nothing(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    for sent in (b"GET /a?token=hush HTTP/9.9.9\r\n\r\n", b"\x16\x03\x01hush\r\n\r\n"):
        answer = await raw_exchange(face, sent)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
        assert b'"detail":"The request is not valid HTTP"' in body
        assert b"\r\nServer: rendertrust\r\n" in head
        assert b"\r\nX-Content-Type-Options: nosniff\r\n" in head
        assert b"hush" not in answer
    assert "hush" not in caplog.text


async def test_a_body_that_nobody_reads_is_not_waited_for(face: Face) -> None:
    """The answer comes at once, whatever the request's headers are."""
    head = b"GET /health HTTP/1.1\r\nHost: a\r\nIdempotency-Key: a\r\nContent-Length: 100\r\n\r\n"
    assert (await raw_exchange(face, head)).startswith(b"HTTP/1.1 200")


async def test_a_request_is_one_line_of_the_log_without_query_and_tokens(
    database: PostgresEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    token = "eyJhbGciOiJIUzI1NiIs.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"
    async with face_over(database, logs={"access": True}) as face:
        await face.client.get(f"/api/v1/{token}/x?token={token}")
    (line,) = capsys.readouterr().err.splitlines()
    logged = json.loads(line)
    assert logged["path"] == "/api/v1/[hidden]/x"
    assert (logged["status"], logged["method"], logged["logger"]) == (404, "GET", "access")
    assert logged["request_id"]
    assert token not in line
