"""Layout of a scene's files: near files keep their place, far files are moved and renamed."""

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rendertrust.manifest import alike
from rendertrust.preflight.layout import laid_out

SCENE = PurePosixPath("/home/a/film/shots/010/s.blend")


def named(file: str, path: str | None = None, size: int | None = 7, **more: Any) -> dict[str, Any]:
    told = {"kind": "image", "owner": "Image 'i'", "library": None, "path": path or file}
    return told | {"file": file, "bytes": size} | more


def test_what_is_near_keeps_its_place_and_relative_paths_hold() -> None:
    files = [
        named("/home/a/film/shots/010/tex/a.png", "//tex/a.png"),
        named("/home/a/film/props/chair.blend", "//../../props/chair.blend", kind="library"),
    ]
    layout = laid_out(SCENE, files)
    assert layout.scene == "shots/010/s.blend"
    assert [file.path for file in layout.files] == [
        "props/chair.blend",
        "shots/010/tex/a.png",
    ]
    assert layout.paths == {}
    assert layout.size == 14


def test_absolute_paths_are_told_where_they_are_now() -> None:
    near = named("/home/a/film/shots/010/a.png")
    far = named("/mnt/library/wood.png")
    tiles = [named(f"/mnt/skin/f.{n}.png", "/mnt/skin/f.<UDIM>.png") for n in (1001, 1002)]
    layout = laid_out(SCENE, [near, far, *tiles])
    assert layout.scene == "s.blend"
    assert layout.paths == {
        "/home/a/film/shots/010/a.png": "a.png",
        "/mnt/library/wood.png": "linked/0/wood.png",
        "/mnt/skin/f.<UDIM>.png": "linked/1/f.<UDIM>.png",
    }
    assert {file.path for file in layout.files} == {
        "a.png",
        "linked/0/wood.png",
        "linked/1/f.1001.png",
        "linked/1/f.1002.png",
    }


def test_relative_path_to_far_away_is_moved_too() -> None:
    layout = laid_out(SCENE, [named("/x/y/a.png", "//../../../../../x/y/a.png")])
    assert layout.paths == {"//../../../../../x/y/a.png": "linked/0/a.png"}


def test_of_two_that_some_nodes_take_for_one_the_second_is_moved() -> None:
    folder = "/home/a/film/shots/010"
    names = ("tex/Wood.png", "tex/wood.png", "tex/wool.png", "S.blend")
    layout = laid_out(SCENE, [named(f"{folder}/{name}", f"//{name}") for name in names])
    assert alike([layout.scene, *(file.path for file in layout.files)]) is None
    assert layout.paths == {
        "//S.blend": "linked/0/S.blend",
        "//tex/wood.png": "linked/1/wood.png",
    }
    far = laid_out(SCENE, [named("/x/Wood.png"), named("/x/wood.png")])
    assert {file.path for file in far.files} == {"linked/0/Wood.png", "linked/1/wood.png"}
    assert far.paths == {"/x/Wood.png": "linked/0/Wood.png", "/x/wood.png": "linked/1/wood.png"}


def test_file_of_a_moved_library_is_told_by_the_library() -> None:
    library = named("/lib/chair.blend", kind="library", owner="Library 'c'")
    cloth = named("/lib/tex/cloth.png", "//tex/cloth.png", library="/lib/chair.blend")
    own = named("/home/a/film/shots/010/tex/cloth.png", "//tex/cloth.png")
    layout = laid_out(SCENE, [library, cloth, own])
    assert layout.paths == {
        "/lib/chair.blend": "linked/0/chair.blend",
        "/lib/chair.blend|//tex/cloth.png": "linked/1/cloth.png",
    }


def test_what_libraries_elsewhere_link_keeps_its_place_to_them() -> None:
    files = [
        named("/srv/sets/kitchen.blend", kind="library"),
        named("/srv/props/cup.blend", "//../props/cup.blend", of="/srv/sets/kitchen.blend"),
        named("/srv/props/tex/glaze.png", "//tex/glaze.png", of="/srv/props/cup.blend"),
        named("/mnt/other.png"),
    ]
    assert {file.path for file in laid_out(SCENE, files).files} == {
        "linked/0/other.png",
        "linked/1/sets/kitchen.blend",
        "linked/1/props/cup.blend",
        "linked/1/props/tex/glaze.png",
    }


def test_nothing_from_elsewhere_takes_the_place_of_what_is_here() -> None:
    files = [named("/home/a/film/shots/010/Linked/0/t.png", "//Linked/0/t.png"), named("/x/t.png")]
    assert {file.path for file in laid_out(SCENE, files).files} == {
        "Linked/0/t.png",
        "linked-1/0/t.png",
    }


def test_a_folder_of_a_cache_far_away_stays_together() -> None:
    within: dict[str, Any] = {"stands": "/far/bake", "within": "/far"}
    names = ("meta/1.json", "blobs/1.blob")
    layout = laid_out(SCENE, [named(f"/far/bake/{name}", "/far/bake", **within) for name in names])
    assert {file.path for file in layout.files} == {f"linked/0/bake/{name}" for name in names}
    assert layout.paths == {"/far/bake": "linked/0/bake"}


def test_a_stage_finds_its_parts_where_they_lay() -> None:
    within: dict[str, Any] = {"stands": "/far/a/stage.usda", "within": "/far"}
    stage = named("/far/a/stage.usda", **within)
    part = named("/far/parts/p.usdc", "/far/a/stage.usda", **within)
    layout = laid_out(SCENE, [part, stage])
    assert {file.path for file in layout.files} == {
        "linked/0/a/stage.usda",
        "linked/0/parts/p.usdc",
    }
    assert layout.paths == {"/far/a/stage.usda": "linked/0/a/stage.usda"}


def test_a_folder_that_holds_the_whole_project_has_no_place_in_it() -> None:
    within: dict[str, Any] = {"stands": "/home/a/film", "within": "/home/a"}
    (file,) = laid_out(
        SCENE, [named("/home/a/film/shots/010/x.vdb", "/home/a/film", **within)]
    ).files
    assert file.path == "x.vdb"


def test_missing_file_is_told_once_with_its_owner() -> None:
    gone = named("/home/a/film/shots/010/a.png", "//a.png", size=None)
    layout = laid_out(SCENE, [gone, gone])
    (missing,) = layout.missing
    assert (missing.owner, missing.path) == ("Image 'i'", "//a.png")
    assert layout.files == ()


def test_one_file_of_two_owners_is_sent_once() -> None:
    path = "/home/a/film/shots/010/a.png"
    layout = laid_out(SCENE, [named(path, "//a.png"), named(path, "//a.png", owner="Image 'j'")])
    (file,) = layout.files
    assert file.owners == ("Image 'i'", "Image 'j'")


def test_windows() -> None:
    scene = PureWindowsPath("C:\\film\\s.blend")
    files = [named("C:\\film\\tex\\a.png", "//tex\\a.png"), named("D:\\maps\\wood.png")]
    layout = laid_out(scene, files)
    assert layout.scene == "s.blend"
    assert {file.path for file in layout.files} == {"tex/a.png", "linked/0/wood.png"}
    assert layout.paths == {"D:\\maps\\wood.png": "linked/0/wood.png"}


NAMES = st.sampled_from(["a", "b", "c", "shots", "film"])


@given(st.lists(st.lists(NAMES, min_size=1, max_size=6), max_size=8))
def test_no_file_is_lost_nor_leaves_the_inputs(places: list[list[str]]) -> None:
    files = [named("/home/" + "/".join(parts) + ".png") for parts in places]
    layout = laid_out(SCENE, files)
    assert len({file.path for file in layout.files}) == len({file["file"] for file in files})
    for file in layout.files:
        assert not file.path.startswith("/")
        assert ".." not in file.path.split("/")
    assert layout.scene.endswith("s.blend")
