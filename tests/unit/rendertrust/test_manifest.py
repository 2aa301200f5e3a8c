"""Manifests are read back as written, and no path in them leaves its folder."""

from pathlib import PurePosixPath
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import manifest
from rendertrust.manifest import Manifest, ManifestEntry, ManifestError, path_fault, read

SHA = "ab" * 32
ENTRY = {"sha256": SHA, "size": 5, "upload": "u"}


def told(files: Any = None, **more: Any) -> bytes:
    members = {"version": 1, "scene": "a.blend", "files": files or {"a.blend": ENTRY}}
    return orjson.dumps(members | more)


def test_what_is_written_is_read() -> None:
    made = Manifest(
        "s/a.blend",
        (ManifestEntry("s/a.blend", SHA, 5, "k"), ManifestEntry("t/w.png", SHA, 5, "k")),
    )
    assert read(made.written("key"), "key") == made
    assert read(made.written("upload"), "upload") == made
    with pytest.raises(ManifestError, match="upload is missing"):
        read(made.written("key"), "upload")


@pytest.mark.parametrize(
    ("first", "second"),
    [("t/Tex.png", "t/tex.png"), ("T/a.png", "t/a.png"), ("\u00e9.png", "e\u0301.png")],
)
def test_files_that_are_one_on_other_machines_are_refused(first: str, second: str) -> None:
    files = {"a.blend": ENTRY, first: ENTRY, second: ENTRY}
    with pytest.raises(ManifestError, match="rename one") as refused:
        read(told(files), "upload")
    assert (first in str(refused.value), second in str(refused.value)) == (True, True)
    kept = {path: {"sha256": SHA, "size": 5, "key": "k"} for path in files}
    assert len(read(told(kept), "key").files) == 3, "older manifests can still be read"


@given(st.text(max_size=40) | st.from_regex(r"[./\\a]{1,12}", fullmatch=True))
def test_a_path_that_is_taken_stays_below_its_folder(path: str) -> None:
    if path_fault(path) is None:
        pure = PurePosixPath(path)
        assert not pure.is_absolute()
        assert not {"..", "."} & set(pure.parts)
        assert str(pure) == path
        path.encode()


@pytest.mark.parametrize(
    "path",
    [
        *[
            "",
            "/etc/passwd",
            "../a",
            "a/../../b",
            "a//b",
            "a/",
            "./a",
            "a\\b",
            "C:/x.png",
            "c:x.png",
            "a\0b",
            "a\nb",
        ],
        *["\ud800", "x" * 256, "ä" * 128, "/".join("a" * 33), "a/" * 300 + "b"],
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    assert path_fault(path) is not None
    assert path_fault("textures/wood 1.png") is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not JSON"),
        (b"[]", "an object"),
        (told(version=2), "version"),
        (told(files=[1]), "files"),
        (orjson.dumps({"version": 1, "scene": "a", "files": {}}), "1 to"),
        (told(scene="b.blend"), "scene"),
        (told(scene=None), "scene"),
        (told({"a.blend": 5}), "a.blend: must be an object"),
        (told({"a.blend": ENTRY | {"sha256": SHA.upper()}}), "sha256"),
        (told({"a.blend": ENTRY | {"size": 0}}), "size"),
        (told({"a.blend": ENTRY | {"size": True}}), "size"),
        (told({"a.blend": ENTRY | {"size": 1.0}}), "size"),
        (told({"a.blend": ENTRY | {"upload": ""}}), "upload"),
        (told({"a.blend": ENTRY, "../b": ENTRY}), "not contain empty names"),
        (told({"a.blend": ENTRY, "a.blend/b": ENTRY}), "below a path that is itself a file"),
        (told({f"{n}": ENTRY | {"size": 64 << 30} for n in range(5)}, scene="0"), "GiB"),
        (told({f"{n}": ENTRY for n in range(manifest.FILES_MAX + 1)}, scene="0"), "1 to"),
        (b" " * (manifest.BYTES_MAX + 1), "longer"),
    ],
)
def test_what_is_no_manifest_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        read(content, "upload")


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
        lambda inner: st.dictionaries(st.sampled_from(["files", "scene", "version", "a"]), inner),
    ).map(orjson.dumps)
)
def test_anything_is_read_or_refused(content: bytes) -> None:
    try:
        read(content, "upload")
    except ManifestError as error:
        assert error.reason  # noqa: PT017 - one of both
