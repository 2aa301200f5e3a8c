"""Partial downloads when several calls fetch the same content into one folder."""

from contextlib import ExitStack
from pathlib import Path

from rendertrust.client.local_files import part_in

SHA256 = "ab" * 32


def test_a_call_that_ends_leaves_the_file_of_the_next_one_alone(tmp_path: Path) -> None:
    """The first partial file has moved to its place; the second now has the first one's
    old name.
    """
    with ExitStack() as first, ExitStack() as second:
        one = first.enter_context(part_in(tmp_path, SHA256))
        one.add(b"picture")
        one.take_place(tmp_path / "0001.png")
        other = second.enter_context(part_in(tmp_path, SHA256))
        other.add(b"picture")
        first.close()
        other.take_place(tmp_path / "0002.png")
    assert {path.name for path in tmp_path.iterdir()} == {"0001.png", "0002.png"}
