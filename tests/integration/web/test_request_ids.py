"""Request ids: the same in the answer, in its problem document and in every log line."""

import logging
from pathlib import Path

from sql.database_swap import connected
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.http_gateway import Face, face_over
from tests.support.log_file import logged

FOUNDED = "organisation.found"


async def _broken() -> bool:
    logging.getLogger("elsewhere").warning("about to break")
    raise ZeroDivisionError("broken")


async def test_a_request_has_one_id_in_its_answer_its_lines_and_its_error(
    face: Face, tmp_path: Path
) -> None:
    face.gateway.monitoring.probes["broken"] = _broken
    with logged(tmp_path) as log:
        async with face.client.get("/api/v1/health/ready") as answer:
            body = await answer.json()
        async with face.client.get("/health", headers={"X-Request-ID": "another"}) as other:
            assert other.headers["X-Request-ID"] != "another"
        events = [event for event in log.events() if event["logger"] in {"elsewhere", "web"}]
    name = answer.headers["X-Request-ID"]
    assert body["request_id"] == name
    assert [event["event"] for event in events] == ["about to break", "request failed"]
    assert [event["request_id"] for event in events] == [name, name]
    assert "ZeroDivisionError" in events[1]["exception"]


async def test_every_line_of_a_request_names_the_trace_of_its_caller(
    face: Face, tmp_path: Path
) -> None:
    face.gateway.monitoring.probes["broken"] = _broken
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with logged(tmp_path) as log:
        for headers in ({"traceparent": f"00-{trace}-{parent}-01"}, {"traceparent": "00-x"}, {}):
            async with face.client.get("/api/v1/health/ready", headers=headers) as answer:
                assert answer.status == 500
        events = [event for event in log.events() if event["logger"] in {"elsewhere", "web"}]
    traced = [(event.get("trace_id"), event.get("parent_id")) for event in events]
    assert traced == [(trace, parent)] * 2 + [(None, None)] * 4


async def test_a_stranger_chooses_no_name_that_stands_in_an_audit_record(
    face: Face, database: PostgresEndpoint
) -> None:
    headers = {**await face.user(), "X-Request-ID": "0123456789abcdef"}
    body = {"name": "Farm"}
    async with face.client.post("/api/v1/organisations", json=body, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        name = answer.headers["X-Request-ID"]
    async with connected(database.owner_dsn) as connection:
        rows = await connection.fetch("SELECT request_id FROM audit WHERE act = $1", FOUNDED)
    assert [row["request_id"] for row in rows] == [name]
    assert name != "0123456789abcdef"


async def test_a_name_of_a_trusted_proxy_is_kept(database: PostgresEndpoint) -> None:
    async with face_over(database, server={"trusted_proxies": "127.0.0.1"}) as face:
        for given, kept in (("proxy-1.a", True), ("a b", False)):
            async with face.client.get("/health", headers={"X-Request-ID": given}) as answer:
                assert (answer.headers["X-Request-ID"] == given) is kept
