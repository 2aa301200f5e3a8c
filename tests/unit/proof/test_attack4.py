"""Receipts whose node, or whose author, states wrong facts about the pixels."""

import hashlib
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import attrs
import pytest

from rendertrust.receipt import read_receipt, receipt_document, sign_work, work_document
from rendertrust.receipt_check import read_picture, verify_receipt
from tests.unit.proof import receipts


def receipt_of(picture: bytes, pixels: dict[str, Any]) -> dict[str, Any]:
    made = {"sha256": hashlib.sha256(picture).hexdigest(), "size": len(picture)}
    done = attrs.evolve(receipts.DONE, pixels=pixels, object=made)
    work = work_document(done, "7d0a7f0e-6f43-4b3a-9a0e-2f6d1d1f0c11", receipts.NODE.public_key())
    return receipt_document(
        work=work,
        node_signature=sign_work(work, receipts.NODE),
        gateway=receipts.GATEWAY.public_key().public_bytes_raw(),
        verdict="exact",
        price=100_000,
        issued=receipts.TIME,
    )


def test_a_node_cannot_make_the_receipt_of_its_delivered_file_invalid(tmp_path: Path) -> None:
    """The gateway's verifier compares only the hash of the pixels with what the node signed."""
    pixels = {"sha256": receipts.PIXELS, "width": 1, "height": 2, "channels": 3, "bits": 8}
    receipt = receipt_of(receipts.PICTURE, pixels)
    path = tmp_path / "0012.png"
    path.write_bytes(receipts.PICTURE)
    read = read_receipt(receipt)
    assert not isinstance(read, str)
    verdict = verify_receipt(receipts.file_of(receipt), picture=read_picture(path, read.work))
    assert verdict.holds, verdict.steps


def attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
    return name + b"\0" + kind + b"\0" + struct.pack("<I", len(value)) + value


@pytest.mark.parametrize("channels", [64])
def test_a_forged_receipt_does_not_take_much_memory(tmp_path: Path, channels: int) -> None:
    width, rows = 65536, 16
    names = b"".join(b"c%d\0" % n + struct.pack("<iiii", 2, 0, 1, 1) for n in range(channels))
    box = struct.pack("<iiii", 0, 0, width - 1, rows - 1)
    head = b"\x76\x2f\x31\x01" + struct.pack("<I", 2)
    head += attribute(b"channels", b"chlist", names + b"\0")
    head += attribute(b"compression", b"compression", b"\3")
    head += attribute(b"dataWindow", b"box2i", box) + b"\0"
    pack, size = zlib.compressobj(9), rows * width * channels * 4
    body = b"".join(pack.compress(bytes(1 << 20)) for _ in range(size >> 20)) + pack.flush()
    bomb = head + struct.pack("<Q", len(head) + 8) + struct.pack("<iI", 0, len(body)) + body
    path = tmp_path / "bomb.exr"
    path.write_bytes(bomb)
    pixels = {"sha256": "00" * 32, "width": width, "height": rows, "channels": channels, "bits": 32}
    read = read_receipt(receipt_of(bomb, pixels))
    assert not isinstance(read, str)
    tracemalloc.start()
    found = read_picture(path, read.work)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(len(bomb) >> 10, "KiB", most >> 20, "MiB", found.pixels)
    assert most < 300 << 20, f"{most >> 20} MiB for {len(bomb) >> 10} KiB"
