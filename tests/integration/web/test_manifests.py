"""Jobs with several files: every file in a manifest must belong to the user, or the job is
refused.
"""

import hashlib
from typing import Any
from uuid import uuid4

import orjson
import pytest

from actors.scheduler.messages import Dispatch
from rendertrust.manifest import BYTES_MAX, FILENAME, Manifest, ManifestEntry, read
from sql.job_plan import Inputs
from tests.integration.web.test_uploads import announce, complete
from tests.support.http_gateway import Face, Headers

Json = dict[str, Any]
SCENE, WOOD = b"BLENDER a scene", b"wood"


async def sent(face: Face, user: Headers, content: bytes, name: str = "a.bin") -> Json:
    """Return a completed upload."""
    sha256 = hashlib.sha256(content).hexdigest()
    upload = await announce(face, user, sha256=sha256, size=len(content), filename=name)
    put = upload["put"]
    assert (await face.objects.request("PUT", put["url"], put["headers"], content)).status == 200
    status, done = await complete(face, user, upload["id"])
    assert status == 200, done
    return done


def entry(path: str, upload: Json, **other: Any) -> ManifestEntry:
    known = {"sha256": upload["sha256"], "size": upload["size"], "place": upload["id"]}
    return ManifestEntry(path, **(known | other))


async def dispatch(
    face: Face, user: Headers, scene: Json, content: bytes | None, **more: Any
) -> tuple[int, Json]:
    """Submit a job with this manifest, and return status and body."""
    body = {"job_type": "render", "payload_ref": scene["payload_ref"]}
    if content is not None:
        body["manifest"] = (await sent(face, user, content, FILENAME))["payload_ref"]
    body |= more
    async with face.client.post("/api/v1/jobs/dispatch", json=body, headers=user) as answer:
        return answer.status, await answer.json()


def asked(face: Face) -> list[Dispatch]:
    return [message for message in face.script.seen if isinstance(message, Dispatch)]


async def test_the_list_is_kept_with_keys_in_the_place_of_ids(face: Face, user: Headers) -> None:
    scene = await sent(face, user, SCENE, "a.blend")
    wood = await sent(face, user, WOOD, "wood.png")
    listed = (entry("shots/a.blend", scene), entry("t/wood.png", wood), entry("t/copy.png", wood))
    written = Manifest("shots/a.blend", listed).written("upload")
    await dispatch(face, user, scene, written, params={"frame": 3})
    plan = asked(face)[-1].insert.plan
    assert plan.params == {"frame": 3, "scene": "shots/a.blend"}
    files = plan.inputs.files
    assert files is not None
    content = await face.objects.get(files.key)
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (files.sha256, files.size)
    kept = read(content, "key")
    assert kept.scene == "shots/a.blend"
    keys = [upload["payload_ref"].removeprefix("s3://rendertrust/") for upload in (scene, wood)]
    assert [(one.path, one.place) for one in kept.files] == [
        ("shots/a.blend", keys[0]),
        ("t/wood.png", keys[1]),
        ("t/copy.png", keys[1]),
    ]

    await dispatch(face, user, scene, written + b" ", job_type="echo")
    assert asked(face)[-1].insert.plan.inputs == Inputs(files=files)


async def test_nothing_of_anothers_is_ever_taken(face: Face) -> None:
    jane, bob = await face.user(), await face.user("bob@example.org")
    scene = await sent(face, jane, SCENE, "a.blend")
    theirs = await sent(face, bob, WOOD, "wood.png")
    pending = await announce(face, jane, sha256="ab" * 32, size=4)
    wrong = {
        "another's": entry("x", theirs),
        "pending": entry("x", pending),
        "nobody's": entry("x", theirs, place=str(uuid4())),
        "no id": entry("x", theirs, place="../../uploads"),
        "other content": entry("x", scene, sha256="cd" * 32),
        "other size": entry("x", scene, size=1),
    }
    for name, one in wrong.items():
        written = Manifest("a.blend", (entry("a.blend", scene), one)).written("upload")
        status, body = await dispatch(face, jane, scene, written)
        assert status == 422, name
        (fault,) = body["errors"]
        assert fault["field"] == "manifest"
        assert fault["message"].startswith("x: "), name
    assert not asked(face)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (b"{", b"no json", "not JSON"),
        (b"t/wood.png", b"../wood.png", "must not contain"),
        (b"t/wood.png", b"/etc/passwd", "relative"),
        (b'"scene":"a.blend"', b'"scene":"t/wood.png"', "payload_ref"),
        (b"{", b" " * BYTES_MAX, "longer"),
    ],
    ids=["json", "climbs", "absolute", "scene", "long"],
)
async def test_what_is_no_manifest_is_refused_with_the_reason(
    face: Face, user: Headers, before: bytes, after: bytes, words: str
) -> None:
    scene, wood = await sent(face, user, SCENE), await sent(face, user, WOOD)
    files = (entry("a.blend", scene), entry("t/wood.png", wood))
    written = Manifest("a.blend", files).written("upload").replace(before, after, 1)
    status, body = await dispatch(face, user, scene, written)
    assert status == 422
    assert words in body["errors"][0]["message"]
    assert not asked(face)


async def test_a_manifest_is_an_upload_of_ones_own_and_so_is_the_scene(face: Face) -> None:
    jane, bob = await face.user(), await face.user("bob@example.org")
    scene = await sent(face, jane, SCENE)
    written = Manifest("a.blend", (entry("a.blend", scene),)).written("upload")
    theirs = (await sent(face, bob, written, FILENAME))["payload_ref"]
    for manifest in (theirs, "s3://elsewhere/manifest.json", "manifest", "s3://rendertrust/x"):
        status, body = await dispatch(face, jane, scene, None, manifest=manifest)
        assert (status, body["errors"][0]["field"]) == (422, "manifest")
    elsewhere = {"payload_ref": "s3://elsewhere/a.blend"}
    status, body = await dispatch(face, jane, scene, written, **elsewhere)
    assert (status, body["errors"][0]["field"]) == (422, "payload_ref")
    assert not asked(face)


def test_a_manifest_that_was_written_is_json() -> None:
    written = Manifest("a", (ManifestEntry("a", "ab" * 32, 1, "u"),)).written("upload")
    told = {"sha256": "ab" * 32, "size": 1, "upload": "u"}
    assert orjson.loads(written) == {"version": 1, "scene": "a", "files": {"a": told}}
