"""One name for a request: in its answer, in the problem it met, in every line that it logged."""

import logging
from pathlib import Path

from tests.face import Face
from tests.logged import logged


async def _broken() -> bool:
    logging.getLogger("elsewhere").warning("about to break")
    raise ZeroDivisionError("broken")


async def test_a_request_has_one_id_in_its_answer_its_lines_and_its_error(
    face: Face, tmp_path: Path
) -> None:
    face.gateway.probes["broken"] = _broken
    with logged(tmp_path) as log:
        async with face.client.get("/api/v1/health/ready") as answer:
            body = await answer.json()
        async with face.client.get("/health", headers={"X-Request-ID": "another"}) as other:
            assert other.headers["X-Request-ID"] == "another"
        events = [event for event in log.events() if event["logger"] in {"elsewhere", "web"}]
    name = answer.headers["X-Request-ID"]
    assert body["request_id"] == name
    assert [event["event"] for event in events] == ["about to break", "request failed"]
    assert [event["request_id"] for event in events] == [name, name]
    assert "ZeroDivisionError" in events[1]["exception"]
