"""Tests of the decision whether a node installs what its gateway hands out."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import release
from rendertrust.node.plugins import GROUP
from rendertrust.node.program_tools import plugins_here
from rendertrust.node.program_update import NewRelease, NothingNewer, UpdateRefused, decide
from rendertrust.release import ReleaseStatement, order_of, wheel_name
from tests.support.releases import KEY, KEY_TEXT, OTHER

NUMBERS = st.integers(0, 20)
VERSIONS = st.builds("{}.{}.{}".format, NUMBERS, NUMBERS, NUMBERS)


def offer(version: str, *, signed: str | None = None, keys: Any = (KEY,)) -> dict[str, Any]:
    """Return what a gateway says of a version; ``signed``: the version that it has signed."""
    of = signed or version
    statement = ReleaseStatement(of, wheel_name(of), "ab" * 32, 1000)
    signature = release.sign(statement, *keys) if keys else None
    return {"version": version, "signature": signature}


def test_a_newer_signed_release_is_installed() -> None:
    found = decide(offer("1.3.0"), KEY_TEXT, "1.2.9")
    assert isinstance(found, NewRelease)
    assert found.statement.version == "1.3.0"


@pytest.mark.parametrize(
    ("place", "requirement"),
    [
        (None, "plugin-of-tests==1.5"),
        ({"url": "file:///src/plugin", "dir_info": {}}, "plugin-of-tests @ file:///src/plugin"),
        (
            {
                "url": "https://code.example/plugin.git",
                "vcs_info": {"vcs": "git", "commit_id": "ab12"},
                "subdirectory": "python",
            },
            "plugin-of-tests @ git+https://code.example/plugin.git@ab12#subdirectory=python",
        ),
    ],
    ids=["index", "folder", "repository"],
)
def test_plugins_are_installed_again_from_where_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Any, requirement: str
) -> None:
    about = tmp_path / "plugin_of_tests-1.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-of-tests\nVersion: 1.5\n")
    (about / "entry_points.txt").write_text(f"[{GROUP}]\nshout = plugin:Shout\n")
    if place is not None:
        (about / "direct_url.json").write_text(json.dumps(place))
    monkeypatch.syspath_prepend(tmp_path)
    assert requirement in plugins_here()


@given(VERSIONS, VERSIONS)
def test_a_node_never_goes_back(present: str, offered: str) -> None:
    found = decide(offer(offered), KEY_TEXT, present)
    is_newer = (order_of(offered) or ()) > (order_of(present) or ())
    assert isinstance(found, NewRelease if is_newer else NothingNewer)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_an_old_signature_does_not_make_a_release_new(
    present: str, offered: str, signed: str
) -> None:
    found = decide(offer(offered, signed=signed), KEY_TEXT, present)
    if isinstance(found, NewRelease):
        assert found.statement.version == signed == offered
        assert (order_of(signed) or ()) > (order_of(present) or ())


@pytest.mark.parametrize(
    ("offered", "key", "why", "remedy"),
    [
        (offer("2.0.0"), None, "stored no release key", "rendertrust node join"),
        (offer("2.0.0", keys=()), KEY_TEXT, "2.0.0 is not signed", "sign their release"),
        (offer("2.0.0", keys=(OTHER,)), KEY_TEXT, "not signed by the release key", "--release-key"),
        (offer("2.0.0", signed="1.9.0"), KEY_TEXT, "signature of another, 1.9.0", "admins"),
        ({"version": "2.0.0", "signature": 7}, KEY_TEXT, "is not signed", "sign their release"),
        ({"version": ["2"]}, KEY_TEXT, "does not say which version", "later"),
        ({}, KEY_TEXT, "does not say which version", "later"),
    ],
    ids=["no-key", "unsigned", "other-key", "other-version", "number", "list", "nothing"],
)
def test_a_refusal_says_why_and_what_to_do(
    offered: dict[str, Any], key: str | None, why: str, remedy: str
) -> None:
    found = decide(offered, key, "1.0.0")
    assert isinstance(found, UpdateRefused)
    assert why in found.reason
    assert remedy in found.remedy


def test_an_unsigned_gateway_of_the_same_version_is_no_fault() -> None:
    found = decide(offer("1.0.0", keys=()), None, "1.0.0")
    assert isinstance(found, NothingNewer)
    older = decide(offer("0.9.0"), KEY_TEXT, "1.0.0")
    assert isinstance(older, NothingNewer)
    assert "never goes back" in older.reason
