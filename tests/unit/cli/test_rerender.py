"""``rendertrust verify --scene`` in a folder that somebody else packed."""

from pathlib import Path

import pytest

from rendertrust.cli.rerender import keep

SHEET = b"the sheet"


def test_the_comparison_sheet_is_not_written_through_a_symbolic_link(tmp_path: Path) -> None:
    """An archive may have 0001.png and 0001.verify.png, a link to a file of the caller."""
    letter, target, sheet = (tmp_path / name for name in ("letter", "0001.verify.png", "sheet"))
    letter.write_text("precious")
    sheet.write_bytes(SHEET)
    target.symlink_to(letter)
    keep(sheet, target)
    assert letter.read_text() == "precious"
    assert not target.is_symlink()
    assert target.read_bytes() == SHEET


def test_a_sheet_that_cannot_be_kept_leaves_nothing(tmp_path: Path) -> None:
    sheet, target = tmp_path / "sheet", tmp_path / "0001.verify.png"
    sheet.write_bytes(SHEET)
    (target / "folder").mkdir(parents=True)
    with pytest.raises(Exception, match="cannot be written"):
        keep(sheet, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001.verify.png", "sheet"]
