"""Uploads: announced, sent and completed; each belongs to one user."""

import hashlib
from typing import Any

import pytest

from tests.support.http_gateway import Face, Headers

CONTENT = b"BLENDER a scene"
SHA = hashlib.sha256(CONTENT).hexdigest()
NEW = {"sha256": SHA, "size": len(CONTENT), "filename": "My Scene.BLEND"}


async def announce(
    face: Face, headers: Headers, status: int = 201, **changes: Any
) -> dict[str, Any]:
    body = {**NEW, **changes}
    async with face.client.post("/api/v1/uploads", json=body, headers=headers) as answer:
        assert answer.status == status, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


async def complete(face: Face, headers: Headers, upload: str) -> tuple[int, dict[str, Any]]:
    path = f"/api/v1/uploads/{upload}/complete"
    async with face.client.post(path, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_content_is_announced_sent_and_completed(face: Face, user: Headers) -> None:
    upload = await announce(face, user)
    assert upload["status"] == "PENDING"
    assert upload["payload_ref"].startswith("s3://rendertrust/uploads/")
    assert upload["payload_ref"].endswith(f"/{SHA}.blend")
    put = upload["put"]
    assert put["expires_in"] == 3600
    assert (await face.objects.request("PUT", put["url"], put["headers"], CONTENT)).status == 200
    status, done = await complete(face, user, upload["id"])
    assert status == 200
    assert done["status"] == "COMPLETED"
    assert done["put"] is None
    async with face.client.get(f"/api/v1/uploads/{upload['id']}", headers=user) as answer:
        assert await answer.json() == done


async def test_what_is_there_already_is_not_sent_again(face: Face, user: Headers) -> None:
    upload = await announce(face, user)
    put = upload["put"]
    await face.objects.request("PUT", put["url"], put["headers"], CONTENT)
    await complete(face, user, upload["id"])
    again = await announce(face, user, status=200, filename="other.blend")
    assert again["put"] is None
    assert (again["id"], again["filename"]) == (upload["id"], NEW["filename"])


async def test_until_it_is_there_it_may_be_announced_again_otherwise(
    face: Face, user: Headers
) -> None:
    first = await announce(face, user, size=999)
    second = await announce(face, user, filename="a.exr")
    assert second["id"] == first["id"]
    assert (second["size"], second["filename"]) == (len(CONTENT), "a.exr")


async def test_another_users_content_is_never_revealed(face: Face) -> None:
    jane, bob = await face.user(), await face.user("bob@example.org")
    upload = await announce(face, jane)
    put = upload["put"]
    await face.objects.request("PUT", put["url"], put["headers"], CONTENT)
    await complete(face, jane, upload["id"])
    other = await announce(face, bob)
    assert other["put"] is not None
    assert other["payload_ref"] != upload["payload_ref"]
    async with face.client.get(f"/api/v1/uploads/{upload['id']}", headers=bob) as answer:
        assert answer.status == 404
    assert (await complete(face, bob, upload["id"]))[0] == 404


async def test_what_has_not_arrived_is_not_completed(face: Face, user: Headers) -> None:
    upload = await announce(face, user)
    status, problem = await complete(face, user, upload["id"])
    assert status == 409
    assert problem["detail"] == "The content has not arrived in the store"


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": SHA.upper()},
        {"sha256": SHA[:-1]},
        {"size": 0},
        {"size": 1 << 40},
        {"size": "5"},
        {"filename": "../scene.blend"},
        {"filename": "a\\b"},
        {"filename": "a\nb"},
        {"filename": ""},
        {"filename": "a" * 256},
        {"filename": "é" * 128},
        {"filename": "."},
        {"filename": ".."},
    ],
    ids=str,
)
async def test_what_cannot_be_is_refused(face: Face, changes: dict[str, Any]) -> None:
    await announce(face, await face.user(), status=422, **changes)
