"""Tests of the wheel that a gateway builds from its checkout."""

import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import rendertrust
from scripts.make_release import SYSTEMS
from web.downloads.wheel import CHECKOUT, Wheel, build, built_wheel


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of what the wheel is made of."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "rendertrust", tmp_path / "rendertrust", ignore=ignored)
    for name in ("pyproject.toml", "LICENSE", "docs/PACKAGE.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / name)
    return tmp_path


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as opened:
        [name] = [each for each in opened.namelist() if each.endswith(".dist-info/METADATA")]
        return Parser().parsestr(opened.read(name).decode())


def kept(wheel: Wheel, folder: Path) -> Path:
    path = folder / wheel.name
    path.write_bytes(wheel.body)
    return path


def test_equal_sources_make_an_equal_wheel(checkout: Path) -> None:
    for cache in (checkout / "rendertrust" / "__pycache__", checkout / "rendertrust" / "api"):
        cache.mkdir(exist_ok=True)
        (cache / "left.pyc").write_bytes(b"no source")
    again = build(checkout, rendertrust.__version__)
    assert (again.name, again.sha256) == (built_wheel().name, built_wheel().sha256)
    assert again.body == built_wheel().body
    (checkout / "rendertrust" / "money.py").write_text("")
    assert build(checkout, rendertrust.__version__).sha256 != again.sha256


def test_a_checkout_without_a_file_is_no_wheel(checkout: Path) -> None:
    (checkout / "docs" / "PACKAGE.md").unlink()
    with pytest.raises(OSError, match=r"PACKAGE\.md"):
        build(checkout, "1.0")


def test_its_name_and_metadata_have_the_version(tmp_path: Path) -> None:
    version = rendertrust.__version__
    said = metadata_of(kept(built_wheel(), tmp_path))
    assert built_wheel().name == f"rendertrust-{version}-py3-none-any.whl"
    assert (said["Name"], said["Version"], said["License-Expression"]) == (
        "rendertrust",
        version,
        "MIT",
    )
    extras = ["render", "inference"]
    assert said.get_all("Provides-Extra") == extras, "no extra without its code"
    assert "client" in str(said.get_payload())
    classifiers = said.get_all("Classifier", [])
    named = {one.rpartition(" :: ")[2] for one in classifiers if one.startswith("Operating System")}
    systems = {each.partition(",")[0].replace("macOS", "MacOS") for each in SYSTEMS}
    assert named == systems, "a release finds all packages for the systems that it names"


@pytest.mark.heavy
def test_setuptools_makes_the_same_of_the_sources(checkout: Path, tmp_path: Path) -> None:
    """The backend that `pip install .` calls finds the same files and writes the same metadata."""
    out = tmp_path / "out"
    offline = ("--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", str(out), "."]
    subprocess.run(command, cwd=checkout, check=True)
    [theirs] = out.iterdir()
    ours = kept(built_wheel(), tmp_path)
    assert theirs.name == ours.name
    with zipfile.ZipFile(theirs) as its, zipfile.ZipFile(ours) as own:
        named = {name for name in its.namelist() if not name.endswith("top_level.txt")}
        assert named == set(own.namelist())
        for name in named:
            if name.rpartition(".dist-info/")[2] in ("METADATA", "WHEEL", "RECORD"):
                continue
            assert its.read(name).split() == own.read(name).split(), name
    assert fields_of(theirs) == fields_of(ours)
    assert metadata_of(theirs).get_payload() == metadata_of(ours).get_payload()


def fields_of(wheel: Path) -> Counter[tuple[str, str]]:
    """Return the fields of the metadata, with requirements in their normal form."""
    said = metadata_of(wheel).items()
    return Counter(
        (name, str(Requirement(value)) if name == "Requires-Dist" else str(value))
        for name, value in said
        if name != "Dynamic"
    )
