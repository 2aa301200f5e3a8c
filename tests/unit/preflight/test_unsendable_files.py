"""A file name that a manifest would refuse is a finding before anything is sent."""

from rendertrust.preflight.layout import laid_out
from rendertrust.preflight.unsendable_files import unsendable
from tests.unit.preflight.test_layout import SCENE, named


def test_what_a_manifest_takes_is_no_finding() -> None:
    layout = laid_out(SCENE, [named(f"/home/a/film/tex/{n}.png") for n in range(4_998)])
    assert unsendable(layout) == ()


def test_a_name_that_cannot_be_sent_says_whose_it_is_and_what_to_do() -> None:
    folder = SCENE.parent
    files = [named(f"{folder}/a:wood.png"), named(f"{folder}/what\tis.png"), named("/mnt/b:c.png")]
    first, second = unsendable(laid_out(SCENE, files))
    assert (first.code, first.level, first.object) == ("file_name", "error", "Image 'i'")
    assert first.path == f"{folder}/a:wood.png"
    assert "Find Missing Files" in first.setting
    assert "control characters" in second.message


def test_the_scenes_own_name_is_one() -> None:
    (found,) = unsendable(laid_out(SCENE.with_name("a:b.blend"), []))
    assert (found.code, "Save As" in found.setting) == ("file_name", True)


def test_too_many_files_are_not_to_be_renamed() -> None:
    files = [named(f"/home/a/film/tex/{n}.png") for n in range(4_999)]
    (found,) = unsendable(laid_out(SCENE, files))
    assert (found.code, found.level) == ("too_many_files", "error")
    assert "4999 files" in found.message
    assert "Pack Resources" in found.setting
    assert "ename" not in found.setting


def test_too_many_bytes_are_one() -> None:
    files = [named(f"/home/a/film/tex/{n}.exr", size=60 << 30) for n in range(5)]
    (found,) = unsendable(laid_out(SCENE, files))
    assert found.code == "too_much_to_send"
    (found, _) = unsendable(laid_out(SCENE, [named("/home/a/film/big.vdb", size=300 << 30)]))
    assert (found.code, found.path) == ("too_much_to_send", "/home/a/film/big.vdb")
