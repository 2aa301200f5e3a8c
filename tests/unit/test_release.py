"""Tests of what a release decides: its version and its changelog."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from scripts import make_release
from scripts.make_release import (
    ReleaseRefused,
    begin,
    check_archive,
    present_version,
    released,
)

ROOT = Path(__file__).parents[2]


def test_a_key_that_is_missing_is_named_before_anything_is_built(tmp_path: Path) -> None:
    script = (ROOT / "scripts" / "release").read_text()
    found = re.search(r'bin/python" (-c) "(.+)" "\$@"$', script, re.MULTILINE)
    assert found is not None
    words = ("--key", str(tmp_path / "none.pem"), "--out", str(tmp_path / "out"))
    command = [sys.executable, *found.groups(), *words]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"scripts/release: {tmp_path}/none.pem: No such file")
    assert not (tmp_path / "out").exists()


def test_a_source_archive_without_the_documentation_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "rendertrust-1.2.0.tar.gz", "w:gz") as archive:
        archive.add(__file__, "rendertrust-1.2.0/deploy/container/gateway.Containerfile")
        archive.add(__file__, "rendertrust-1.2.0/web/downloads/built/rendertrust-1.2.0.tgz")
    with pytest.raises(ReleaseRefused, match=r"lacks rendertrust-1\.2\.0/web/documentation/site"):
        check_archive("1.2.0", tmp_path)


def test_a_list_of_packages_says_which_version_of_ours_needs_them() -> None:
    component = {"bom-ref": "root", "name": "rendertrust", "type": "application"}
    listed = {
        "metadata": {"component": component},
        "components": [{"bom-ref": "one"}, {"bom-ref": "two"}],
        "dependencies": [{"ref": "one"}, {"ref": "root"}],
    }
    about = make_release.about_us(listed, "1.2.0")
    assert about["metadata"]["component"]["version"] == "1.2.0"
    assert about["metadata"]["component"]["purl"] == "pkg:pypi/rendertrust@1.2.0"
    assert about["dependencies"] == [{"ref": "root", "dependsOn": ["one", "two"]}, {"ref": "one"}]


def test_what_was_unreleased_becomes_part_of_the_release() -> None:
    before = "# RenderTrust 1.0.0 (2026-12-01)\n\n## Added\n\n- A.\n\n"
    old = "# RenderTrust 1.0.0 (unreleased)\n\nThe first version.\n"
    assert released(before + old, "1.0.0") == before + "The first version.\n"
    assert released(before + old, "2.0.0") == before + old


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with a version."""
    own = tmp_path / "rendertrust" / "__init__.py"
    own.parent.mkdir()
    own.write_text('"""Ours."""\n\n__version__ = "1.2.0"\n')
    monkeypatch.setattr(make_release, "CHECKOUT", tmp_path)
    monkeypatch.setattr(make_release, "OWN", own)
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "All"), ("tag", "v1.3.0")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("1.1.9", "older than 1.2.0"),
        ("v2", "not a version"),
        ("01.2.3", "01.2.3 is not a version"),
        ("1.2.3rc0", "not a version"),
        ("1.3.0", "was released"),
        ("1.3.0rc2", "comes before 1.3.0, which was released"),
    ],
    ids=["older", "odd", "zero", "candidate-0", "again", "candidate-after-final"],
)
def test_a_version_that_cannot_be_is_refused(checkout: Path, version: str, why: str) -> None:
    with pytest.raises(ReleaseRefused, match=why):
        begin(version)
    assert present_version() == "1.2.0"


def test_candidates_come_in_order_and_before_their_version(checkout: Path) -> None:
    make_release.check_version("1.2.0rc1")
    make_release.OWN.write_text('__version__ = "1.2.0rc2"\n')
    make_release.check_version("1.2.0rc1")  # the second was not released
    subprocess.run(["git", "tag", "v1.2.0rc2"], cwd=checkout, check=True)
    with pytest.raises(ReleaseRefused, match=r"1\.2\.0rc1 is older than 1\.2\.0rc2"):
        make_release.check_version("1.2.0rc1")
    make_release.check_version("1.2.0rc10")
    make_release.check_version("1.2.0")


def test_a_checkout_with_changes_is_refused(checkout: Path) -> None:
    (checkout / "rendertrust" / "new.py").touch()
    with pytest.raises(ReleaseRefused, match="has changes"):
        begin("2.0.0")


def test_the_version_is_written_and_the_changelog_built(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = list[tuple[str, ...]]()

    def tool(*words: str) -> None:
        called.append(words)

    monkeypatch.setattr(make_release, "tool", tool)
    (checkout / ".git" / "info" / "exclude").write_text("CHANGELOG.md\n")
    (checkout / "CHANGELOG.md").write_text("before ")
    begin("2.0.0")
    assert present_version() == "2.0.0"
    assert called == [("towncrier", "build", "--yes", "--version", "2.0.0")]
    assert (checkout / "CHANGELOG.md").read_text() == "before "
