"""Tests of the changelog: well-formed fragments, and the package's version at the top."""

import re
import tomllib
from pathlib import Path

import rendertrust

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST_FRAGMENT = 400


def test_fragments_have_a_known_type_and_a_short_text() -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
    types = "|".join(kind["directory"] for kind in configuration["type"])
    for fragment in (ROOT / configuration["directory"]).iterdir():
        if fragment.name in configuration["ignore"]:
            continue
        assert re.fullmatch(rf"[a-z0-9-]+\.(?:{types})\.md", fragment.name), fragment.name
        text = fragment.read_text().strip()
        assert 0 < len(text) <= LONGEST_FRAGMENT, f"{fragment.name}: one or two sentences"


def test_the_newest_version_of_the_changelog_is_the_one_of_the_package() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^# RenderTrust (\S+)", changelog, re.MULTILINE)
    assert versions[0] == rendertrust.__version__
