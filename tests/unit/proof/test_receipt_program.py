"""A receipt or its picture with one changed bit, as ``rendertrust verify`` reads them."""

import os
from pathlib import Path

import click
import pytest

from rendertrust.cli.verify import ProofFiles, exit_code
from rendertrust.proof_check import Verdict
from rendertrust.receipt_check import is_receipt
from rendertrust.strict_json import read_document
from tests.golden.files import golden
from tests.support.examples import series
from tests.unit.proof.receipts import PICTURE

RECEIPT = golden("receipts", "receipt-file.json")


def verdicts(folder: Path, receipt: bytes, picture: bytes) -> list[Verdict]:
    """Return the verdicts on both files."""
    files = (folder / "receipt.json", folder / "frame.png")
    for file, content in zip(files, (receipt, picture), strict=True):
        file.write_bytes(content)
    given = ProofFiles(files)
    given.look_at_pictures()
    return [*given.broken.values(), *(given.checked(path, None) for path in given.proofs)]


def altered(content: bytes, place: int) -> bytes:
    """Return the content with one bit of a byte changed, another bit at each place."""
    return content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]


def test_unaltered_it_holds(tmp_path: Path) -> None:
    found = verdicts(tmp_path, RECEIPT, PICTURE)
    assert exit_code(found) == 3
    assert any(step.name == "pixels" for step in found[0].steps)


@pytest.mark.parametrize("part", series(range(8), [0]))
def test_every_byte_of_the_receipt_counts(tmp_path: Path, part: int) -> None:
    before = read_document(RECEIPT)
    for place in range(part, len(RECEIPT), 8):
        changed = altered(RECEIPT, place)
        if read_document(changed) == before:
            continue  # the same document, with other white space or escapes
        refused(verdicts(tmp_path, changed, PICTURE))


def test_every_byte_of_the_picture_counts(tmp_path: Path) -> None:
    for place in range(len(PICTURE)):
        refused(verdicts(tmp_path, RECEIPT, altered(PICTURE, place)))


def refused(found: list[Verdict]) -> None:
    """Check that the verdicts refuse the files with a line that says what differs."""
    assert exit_code(found) == 1
    assert all(step.said for verdict in found for step in verdict.steps if not step.holds)
    assert any(not step.holds for verdict in found for step in verdict.steps)


def test_it_is_the_file_of_a_receipt() -> None:
    document = read_document(RECEIPT)
    assert not isinstance(document, str)
    assert is_receipt(document)


def test_what_may_never_end_is_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(click.UsageError, match="not a regular file"):
            ProofFiles([path])
