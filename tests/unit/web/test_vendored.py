"""The pages of the API's documentation: nothing inline, nothing foreign, no telemetry."""

import re

from web.routes.documentation import FOLDER

VENDORED = FOLDER / "vendored"


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
