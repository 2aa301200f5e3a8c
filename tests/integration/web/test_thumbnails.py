"""Thumbnails of frames: announced by events as they arrive, and shown only to the job's owner."""

import base64
from typing import Any

import aiohttp

from rendertrust.protocol import JobDispatch, JobResult, JobStatus, Preview
from rendertrust.testing import FakeNode
from tests.support.api_clients import Creator
from tests.support.attempts import attempt_of
from tests.support.whole_gateway import Whole

JPEG = b"\xff\xd8\xff\xe0 a small picture of "
HARMLESS = "default-src 'none'; sandbox"


def showing(
    dispatch: JobDispatch, frame: int, picture: bytes, attempt: int | None = None
) -> Preview:
    return Preview(
        job_id=dispatch.job_id,
        unit=dispatch.unit,
        attempt=attempt or dispatch.attempt,
        frame=frame,
        data=base64.b64encode(picture).decode(),
    )


async def step_by_step(node: FakeNode, dispatch: JobDispatch) -> None:
    """Send previews for a chunk of frames 1 and 2: valid previews, and previews to be ignored."""
    said = attempt_of(dispatch)
    await node.send(JobStatus(**said, progress=0.1))
    await node.send(showing(dispatch, 1, JPEG + b"1"))
    await node.send(showing(dispatch, 1, JPEG + b"1 once more"))
    await node.send(showing(dispatch, 7, JPEG + b"a frame that it has not"))
    await node.send(showing(dispatch, 2, b"<script>no picture</script>"))
    await node.send(showing(dispatch, 2, JPEG + b"another attempt", attempt=9))
    await node.send(showing(dispatch, 2, JPEG + b"2"))
    await node.send(JobResult(**said, status="completed", result_ref="s3://elsewhere/x"))


async def shown(person: Creator, path: str) -> tuple[int, bytes, Any]:
    headers = {"Authorization": f"Bearer {person.token}"}
    async with person.http.get(person.url + path, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


async def test_a_picture_of_each_frame_is_told_and_shown_to_its_owner(
    gateway: Whole, http: aiohttp.ClientSession
) -> None:
    jane = Creator(http, gateway.url, "jane@example.org")
    await jane.register()
    async with FakeNode(gateway.url, behave=step_by_step):
        status, placed = await jane.dispatch("render", frames="1-2", chunk=2)
        assert status == 200, placed
        job = placed["job_id"]
        await jane.job_within(job, "COMPLETED")
    _, page = await jane.call("GET", f"/jobs/{job}/events")
    pictures = [event for event in page["events"] if event["type"] == "unit.thumbnail"]
    assert [(event["frame"], event["unit"], event["attempt"]) for event in pictures] == [
        (1, 0, 1),
        (2, 0, 1),
    ]
    (done,) = [e["number"] for e in page["events"] if e["type"] == "unit.completed"]
    assert all(event["number"] < done for event in pictures), "told before the unit is complete"
    assert [event["number"] for event in page["events"]] == list(range(1, len(page["events"]) + 1))
    for event, content in zip(pictures, (b"1", b"2"), strict=True):
        status, picture, headers = await shown(jane, event["thumbnail"])
        assert (status, picture) == (200, JPEG + content)
        assert headers["Content-Type"] == "image/jpeg"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == HARMLESS
    preview = f"/api/v1/jobs/{job}/preview"
    assert (await shown(jane, preview))[1] == JPEG + b"2"
    assert (await shown(jane, preview + "?frame=7"))[0] == 404
    eve = Creator(http, gateway.url, "eve@example.org")
    await eve.register()
    assert (await shown(eve, preview))[0] == 404
    assert (await shown(eve, pictures[0]["thumbnail"]))[0] == 404
