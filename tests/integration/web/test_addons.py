"""Add-ons of Blender that a farm offers: their list, their zips, and jobs that bring them."""

import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from rendertrust.manifest import Manifest
from rendertrust.testing import FakeNode
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import ask
from tests.integration.web.test_manifests import SCENE, asked, dispatch, entry, sent
from tests.integration.web.test_preflights import REPORT, somebody, telling, wait_for_look
from tests.integration.web.test_preflights import sent as sent_scene
from tests.support.blender_addons import PATH, addon
from tests.support.http_gateway import Face, Headers, face_over, settings_for_tests
from tests.support.whole_gateway import whole

Json = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two add-ons and a file that is none."""
    offered = tmp_path / "addons"
    addon(offered / "paint.zip")
    addon(offered / "other.zip", identifier="other", within="other-main/")
    (offered / "broken.zip").write_text("no zip")
    addon(offered / "long.zip", identifier="long", more="#" * (1 << 17))
    return offered


@pytest.fixture
async def face(database: PostgresEndpoint, folder: Path) -> AsyncGenerator[Face]:
    async with face_over(database, downloads={"addons": str(folder)}) as running:
        yield running


async def manifest_with(face: Face, user: Headers, path: str, content: bytes) -> tuple[Json, bytes]:
    """Upload a scene and a file, and return the scene's upload and a manifest of both."""
    scene = await sent(face, user, SCENE)
    files = (entry("a.blend", scene), entry(path, await sent(face, user, content)))
    return scene, Manifest("a.blend", files).written("upload")


async def test_addons_are_listed_and_handed_out(face: Face, folder: Path) -> None:
    with capture_logs() as logged:
        status, found = await ask(face, "GET", "/api/v1/downloads")
    assert status == 200
    assert [str(line["path"]) for line in logged if "no add-on" in line["event"]] == [
        str(folder / "broken.zip"),
        str(folder / "long.zip"),
    ]
    content = (folder / "paint.zip").read_bytes()
    other, paint = found["addons"]
    assert other["id"] == "other"
    assert paint == {
        "id": "paint_node",
        "title": "Paint node",
        "version": "1.2.0",
        "blender_from": "4.2.0",
        "blender_before": None,
        "name": "paint_node-1.2.0.zip",
        "url": str(face.client.make_url("/download/paint_node-1.2.0.zip")),
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
    answer = await face.client.get("/download/paint_node-1.2.0.zip")
    assert (answer.status, await answer.read()) == (200, content)


async def test_a_job_brings_an_offered_addon(face: Face, user: Headers, folder: Path) -> None:
    content = (folder / "paint.zip").read_bytes()
    scene, manifest = await manifest_with(face, user, PATH, content)
    _, answer = await dispatch(face, user, scene, manifest)
    assert answer["code"] == "no_node", answer  # it was taken, and only a node is missing
    assert len(asked(face)) == 1


@pytest.mark.parametrize(
    ("path", "content", "why"),
    [
        (PATH, b"other code", "is another file than paint_node-1.2.0.zip"),
        ("rendertrust-addons/evil.zip", b"other code", "is no add-on that this farm offers"),
        ("rendertrust-addons/paint_node/__init__.py", b"x", "must be rendertrust-addons/ID.zip"),
    ],
    ids=("changed", "unknown", "unpacked"),
)
async def test_a_job_brings_no_other_code(
    face: Face, user: Headers, path: str, content: bytes, why: str
) -> None:
    scene, manifest = await manifest_with(face, user, path, content)
    status, refused = await dispatch(face, user, scene, manifest)
    assert (status, why in refused["detail"]) == (422, True), refused


async def test_a_farm_without_addons_takes_none(database: PostgresEndpoint, folder: Path) -> None:
    async with face_over(database) as face:
        user = await face.user()
        scene, manifest = await manifest_with(face, user, PATH, (folder / "paint.zip").read_bytes())
        status, refused = await dispatch(face, user, scene, manifest)
        assert (status, "no add-on that this farm" in refused["detail"]) == (422, True), refused


async def test_a_finding_names_the_addons_of_the_farm(
    database: PostgresEndpoint, folder: Path, http: aiohttp.ClientSession
) -> None:
    settings = settings_for_tests(credits={"starter": "9"}, downloads={"addons": str(folder)})
    async with whole(database, settings, require_object=True) as gateway:
        jane = await somebody(gateway, http, "jane")
        scene = await sent_scene(gateway, jane)
        report = {**REPORT, "unknown_nodes": ["Material 'Wood' > Paint"]}
        can, behave = ("preflight", "render"), telling(gateway, report)
        async with FakeNode(gateway.url, capabilities=can, behave=behave):
            (finding,) = (await wait_for_look(jane, scene))["findings"]
    assert (finding["code"], finding["level"]) == ("addon_node", "error")
    assert "its add-on is other or paint_node, send it" in finding["setting"]
