"""Multipart uploads: requested, sent, resumed, completed, and removed when abandoned."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.web.test_uploads import announce
from tests.support.http_gateway import Face, Headers

PART = 64 << 20
CONTENT = b"s" * PART + b"the end of a scene"
BODIES = (CONTENT[:PART], CONTENT[PART:])
SHA, *SHAS = (hashlib.sha256(body).hexdigest() for body in (CONTENT, *BODIES))
NEW: dict[str, Any] = {"sha256": SHA, "size": len(CONTENT), "filename": "scene.blend"}
GIB = 1 << 30


async def call(
    face: Face, headers: Headers, method: str, path: str, body: Any = None
) -> tuple[int, dict[str, Any]]:
    target = f"/api/v1/uploads/{path}"
    async with face.client.request(method, target, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def asked(
    face: Face, headers: Headers, upload: str, numbers: Sequence[int] = (1, 2)
) -> dict[int, dict[str, Any]]:
    """Request the URLs of these parts, and return them by number."""
    wanted = [{"number": number, "sha256": SHAS[number - 1]} for number in numbers]
    status, found = await call(face, headers, "POST", f"{upload}/parts", {"parts": wanted})
    assert status == 200, found
    assert [part["number"] for part in found["parts"]] == list(numbers)
    return {part["number"]: part for part in found["parts"]}


async def put(face: Face, leave: dict[str, Any], body: bytes) -> int:
    return (await face.objects.request("PUT", leave["url"], leave["headers"], body)).status


async def sent(face: Face, headers: Headers, numbers: Sequence[int] = (1, 2)) -> str:
    """Send these parts of a new upload, and return its id."""
    upload = (await announce(face, headers, **NEW))["id"]
    leaves = await asked(face, headers, upload, numbers)
    for number in numbers:
        assert await put(face, leaves[number], BODIES[number - 1]) == 200
    return str(upload)


async def complete(
    face: Face, headers: Headers, upload: str, digests: Sequence[str] = SHAS
) -> tuple[int, dict[str, Any]]:
    return await call(face, headers, "POST", f"{upload}/complete", {"parts": list(digests)})


async def test_content_comes_in_parts_and_becomes_one_object(face: Face, user: Headers) -> None:
    upload = await announce(face, user, **NEW)
    assert upload["parts"] == {"size": PART, "count": 2, "arrived": []}
    leaves = await asked(face, user, upload["id"])
    assert [leave["size"] for leave in leaves.values()] == [PART, len(BODIES[1])]
    for number in (2, 1):
        assert await put(face, leaves[number], BODIES[number - 1]) == 200
    status, done = await complete(face, user, upload["id"])
    assert (status, done["status"], done["parts"]) == (200, "COMPLETED", None), done
    key = done["payload_ref"].removeprefix("s3://rendertrust/")
    assert await face.objects.get(key, at_most=len(CONTENT)) == CONTENT
    assert not face.objects.multiparts.open
    assert await complete(face, user, upload["id"]) == (200, done)
    again = await announce(face, user, status=200, **NEW)
    assert (again["put"], again["parts"]) == (None, None)


async def test_a_part_that_the_store_lists_twice_is_one(face: Face, user: Headers) -> None:
    """A store may list a part twice when two clients send it at the same moment."""
    upload = await sent(face, user)
    face.objects.multiparts.twice = {1}
    assert (await announce(face, user, **NEW))["parts"]["arrived"] == [{"first": 1, "last": 2}]
    status, done = await complete(face, user, upload)
    assert (status, done["status"]) == (200, "COMPLETED"), done
    key = done["payload_ref"].removeprefix("s3://rendertrust/")
    assert await face.objects.get(key, at_most=len(CONTENT)) == CONTENT


async def test_small_content_is_sent_at_once_as_ever(face: Face, user: Headers) -> None:
    upload = await announce(face, user, size=PART)
    assert upload["parts"] is None
    wanted = {"parts": [{"number": 1, "sha256": SHA}]}
    status, problem = await call(face, user, "POST", f"{upload['id']}/parts", wanted)
    assert (status, "not in parts" in problem["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("size", "at_once", "count"),
    [(PART + 1, True, 2), (2 * PART, True, 2), (5 * GIB, True, 80), (64 * GIB, False, 1024)],
)
async def test_what_no_store_takes_at_once_comes_in_parts_alone(
    face: Face, size: int, at_once: bool, count: int
) -> None:
    upload = await announce(face, await face.user(), **(NEW | {"size": size}))
    assert (upload["put"] is not None) is at_once
    assert upload["parts"]["count"] == count


async def test_large_content_may_still_be_put_at_once(face: Face, user: Headers) -> None:
    upload = await announce(face, user, **NEW)
    assert await put(face, upload["put"], CONTENT) == 200
    status, done = await call(face, user, "POST", f"{upload['id']}/complete")
    assert (status, done["status"]) == (200, "COMPLETED")


async def test_an_interrupted_upload_says_what_has_arrived(face: Face, user: Headers) -> None:
    upload = await sent(face, user, (2,))
    arrived = [{"first": 2, "last": 2}]
    assert (await call(face, user, "GET", upload))[1]["parts"]["arrived"] == arrived
    assert (await announce(face, user, **NEW))["parts"]["arrived"] == arrived
    status, problem = await complete(face, user, upload)
    assert (status, problem["detail"]) == (
        409,
        "Of 2 parts, these have not arrived in the store: 1",
    )
    leave = await asked(face, user, upload, (1,))
    assert await put(face, leave[1], BODIES[0]) == 200
    assert (await complete(face, user, upload))[0] == 200


async def test_a_wrong_part_is_refused(face: Face, user: Headers) -> None:
    upload = (await announce(face, user, **NEW))["id"]
    leave = (await asked(face, user, upload, (2,)))[2]
    assert await put(face, leave, BODIES[1].upper()) == 400
    assert await put(face, {**leave, "headers": {}}, BODIES[1]) == 403
    moved = {**leave, "url": leave["url"].replace("partNumber=2", "partNumber=1")}
    assert await put(face, moved, BODIES[1]) == 403
    assert (await call(face, user, "GET", upload))[1]["parts"]["arrived"] == []


async def test_parts_that_are_not_those_named_are_removed(face: Face, user: Headers) -> None:
    upload = await sent(face, user)
    status, problem = await complete(face, user, upload, [SHAS[0], SHAS[0]])
    assert (status, "send all of them again" in problem["detail"]) == (409, True)
    assert not face.objects.multiparts.open
    assert (await call(face, user, "GET", upload))[1]["parts"]["arrived"] == []
    again = await sent(face, user)
    assert (again, (await complete(face, user, again))[0]) == (upload, 200)


@pytest.mark.parametrize("digests", [[], [SHA], [SHA] * 3])
async def test_each_part_is_named(face: Face, user: Headers, digests: list[str]) -> None:
    upload = await sent(face, user)
    status, problem = await complete(face, user, upload, digests)
    assert (status, problem["errors"][0]["field"]) == (422, "parts")
    assert (await complete(face, user, upload))[0] == 200


async def test_what_was_never_begun_is_not_completed(face: Face, user: Headers) -> None:
    upload = (await announce(face, user, **NEW))["id"]
    status, problem = await complete(face, user, upload)
    assert (status, problem["detail"]) == (409, "The content has not arrived in the store")


async def test_an_upload_in_parts_is_its_owners_alone(face: Face) -> None:
    jane, bob = await face.user(), await face.user("bob@example.org")
    upload = await sent(face, jane)
    wanted = {"parts": [{"number": 1, "sha256": SHAS[0]}]}
    for stranger, name in ((bob, upload), (jane, str(uuid4())), (jane, "no-uuid")):
        status, problem = await call(face, stranger, "POST", f"{name}/parts", wanted)
        assert (status, problem["detail"]) == (404, "Upload not found")
    assert (await call(face, bob, "GET", upload))[0] == 404
    assert (await complete(face, bob, upload))[0] == 404
    other = await announce(face, bob, **NEW)
    assert other["parts"]["arrived"] == []
    status, problem = await complete(face, jane, upload)
    assert status == 200, problem
    assert (await call(face, jane, "POST", f"{upload}/parts", wanted))[0] == 409


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ([], "parts"),
        ([{"number": 1, "sha256": SHA}] * 101, "parts"),
        ([{"number": 0, "sha256": SHA}], "parts[0].number"),
        ([{"number": 1, "sha256": SHA}, {"number": 3, "sha256": SHA}], "parts[1].number"),
        ([{"number": 1, "sha256": "x"}], "parts[0].sha256"),
        ([{"number": 1}], "parts[0].sha256"),
    ],
    ids=str,
)
async def test_parts_that_cannot_be_are_refused(
    face: Face, user: Headers, parts: Any, field: str
) -> None:
    upload = (await announce(face, user, **NEW))["id"]
    status, problem = await call(face, user, "POST", f"{upload}/parts", {"parts": parts})
    assert (status, problem["errors"][0]["field"]) == (422, field)


async def test_what_is_announced_otherwise_begins_anew(face: Face, user: Headers) -> None:
    upload = await sent(face, user, (1,))
    (before,) = face.objects.multiparts.open
    other: dict[str, Any] = {**NEW, "filename": "scene.zip"}
    renamed = await announce(face, user, **other)
    assert (renamed["id"], renamed["parts"]["arrived"]) == (upload, [])
    await asked(face, user, upload, (1,))
    assert before not in face.objects.multiparts.open


async def test_a_part_that_became_too_short_is_sent_again(face: Face, user: Headers) -> None:
    upload = await sent(face, user)
    longer = await announce(face, user, **(NEW | {"size": len(CONTENT) + 1}))
    assert longer["parts"]["arrived"] == [{"first": 1, "last": 1}]
    status, problem = await complete(face, user, upload)
    assert (status, problem["detail"][-3:]) == (409, ": 2")


async def test_what_the_store_forgot_begins_anew(face: Face, user: Headers) -> None:
    upload = await sent(face, user, (1,))
    place = (await call(face, user, "GET", upload))[1]["payload_ref"]
    (name,) = face.objects.multiparts.open
    await face.objects.abort_multipart(place.removeprefix("s3://rendertrust/"), name)
    leave = await asked(face, user, upload, (2,))
    assert await put(face, leave[2], BODIES[1]) == 200
    shown = (await call(face, user, "GET", upload))[1]
    assert shown["parts"]["arrived"] == [{"first": 2, "last": 2}]


async def test_a_store_that_is_away_is_said(face: Face, user: Headers) -> None:
    upload = await sent(face, user, (1,))
    face.objects.away = True
    wanted = {"parts": [{"number": 2, "sha256": SHAS[1]}]}
    assert (await call(face, user, "POST", f"{upload}/parts", wanted))[0] == 503
    assert (await call(face, user, "GET", upload))[0] == 503
    face.objects.away = False
    assert (await call(face, user, "GET", upload))[0] == 200


async def test_two_who_begin_at_once_begin_the_same(face: Face, user: Headers) -> None:
    upload = (await announce(face, user, **NEW))["id"]
    one, other = await asyncio.gather(
        asked(face, user, upload, (1,)), asked(face, user, upload, (2,))
    )
    assert len(face.objects.multiparts.open) == 1
    assert await put(face, one[1], BODIES[0]) == 200
    assert await put(face, other[2], BODIES[1]) == 200
    codes = await asyncio.gather(*(complete(face, user, upload) for _ in range(2)))
    assert [code for code, _ in codes] == [200, 200]
