"""Vendored files are unchanged and named with their licence."""

import hashlib
import json
import re
from typing import Any

from web.routes.documentation import FOLDER

VENDORED = FOLDER / "vendored"
MANIFEST: dict[str, Any] = json.loads((VENDORED / "manifest.json").read_text())


def test_every_file_is_as_its_package_has_it() -> None:
    listed: set[str] = set()
    for package in MANIFEST["packages"]:
        assert package["version"]
        assert package["licence"] in ("MIT", "Apache-2.0")
        assert package["source"].startswith("npm: ")
        for name, file in package["files"].items():
            listed.add(name)
            digest = hashlib.sha256((VENDORED / name).read_bytes()).hexdigest()
            assert digest == file["sha256"], name
        assert f"{package['name']}.LICENSE" in package["files"]
    assert listed == {path.name for path in VENDORED.iterdir()} - {"manifest.json"}


def test_our_pages_have_no_inline_code_and_load_nothing_from_elsewhere() -> None:
    for path in (FOLDER / "pages").glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), path
        assert not re.search(r"\son\w+=|\sstyle=|<style", text), path
        assert not re.search(r"(src|href)=\"(https?:)?//", text), path


def test_the_pages_files_are_all_served() -> None:
    for path in (FOLDER / "pages").glob("*.html"):
        for name in re.findall(r"documentation/([\w.-]+)", path.read_text()):
            folders = (VENDORED / name, FOLDER / "pages" / name)
            assert any(file.is_file() for file in folders), name


def test_no_telemetry_came_along() -> None:
    for path in VENDORED.iterdir():
        assert b"scarf" not in path.read_bytes().lower(), path
