"""Receipts: their bytes never change, and any changed bit is refused."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rendertrust import merkle, note
from rendertrust.checkpoint import Checkpoint
from rendertrust.proof_check import KnownCheckpoint, Verdict
from rendertrust.receipt import (
    Receipt,
    WorkStatement,
    canonical,
    plain,
    read_receipt,
    read_work,
    sign_work,
)
from rendertrust.receipt_check import picture_for, read_picture, verify_receipt
from rendertrust.strict_json import read_document
from rendertrust.verdict_reason import SENTENCES
from tests.golden.files import golden
from tests.support.examples import chosen
from tests.unit.proof import receipts
from tests.unit.proof.receipts import (
    GATEWAY,
    NODE,
    PICTURE,
    RECEIPT,
    TIME,
    WORK,
    animated,
    file_of,
    png,
)
from tests.unit.proof.test_picture_digest import HEIGHT, ROW, exr
from tests.unit.proof.test_proof_check import bits, flipped

KEPT = golden("receipts", "receipt-file.json")
FILE = file_of()


def said(verdict: Verdict) -> str:
    return "; ".join(f"{step.name}: {step.said}" for step in verdict.steps if not step.holds)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "frame.png"
    path.write_bytes(PICTURE)
    return path


def test_it_holds_step_by_step(picture: Path) -> None:
    found = read_document(KEPT)
    assert not isinstance(found, str)
    verdict = verify_receipt(found, picture=picture_for(found, picture))
    assert verdict.holds, said(verdict)
    assert not verdict.witnessed
    names = ["node", "gateway", "file", "pixels", "entry", "leaf", "inclusion", "checkpoint"]
    assert [step.name for step in verdict.steps] == names


def test_a_checkpoint_from_elsewhere_is_a_witness() -> None:
    root = bytes.fromhex(FILE["proof"]["merkle_root"])
    known = KnownCheckpoint(
        note.verifier_of(receipts.ORIGIN, GATEWAY), Checkpoint(receipts.ORIGIN, 3, root, TIME)
    )
    assert verify_receipt(FILE, witness=known).witnessed
    other = KnownCheckpoint(known.verifier, Checkpoint(receipts.ORIGIN, 3, bytes(32), TIME))
    assert not verify_receipt(FILE, witness=other).holds


def test_without_a_proof_nobody_vouches_for_it() -> None:
    bare = file_of(proved=False)
    assert verify_receipt(bare).holds
    assert not verify_receipt(bare).witnessed
    for key, holds in ((GATEWAY, True), (NODE, False)):
        log = KnownCheckpoint(note.verifier_of("a", key), Checkpoint("a", 0, merkle.root([]), TIME))
        assert verify_receipt(bare, witness=log).holds is holds
        assert not verify_receipt(bare, witness=log).witnessed


def test_one_that_was_withdrawn_does_not_hold() -> None:
    """A withdrawn receipt is refused with or without the withdrawal's own proof."""
    for told in ({"entry_id": 50, "at": "x", "proof": None}, {"entry_id": 50}):
        verdict = verify_receipt({**FILE, "withdrawn": told})
        [fault] = [step for step in verdict.steps if not step.holds]
        assert fault.name == "withdrawn"
        assert fault.said == "withdrawn by entry 50: the creator was refunded"
        assert not verdict.witnessed
    empty: list[Any] = [None, {}, {"entry_id": "50"}, [], 7]
    for nothing in empty:
        assert not verify_receipt({**FILE, "withdrawn": nothing}).holds


def altered(value: Any) -> Iterator[Any]:
    """Yield the value with each bit of each member and of each member's name changed."""
    if isinstance(value, dict):
        for name, part in value.items():
            for changed in altered(part):
                yield {**value, name: changed}
            for other in flipped(name):
                rest = {key: kept for key, kept in value.items() if key != name}
                yield {**rest, other: part}
    elif isinstance(value, list):
        for place, part in enumerate(value):
            for changed in altered(part):
                yield [*value[:place], changed, *value[place + 1 :]]
    elif value is None:
        yield from (False, 0, "", {}, [])
    else:
        yield from flipped(value)


@pytest.mark.heavy
@pytest.mark.parametrize("member", FILE)
def test_every_bit_of_it_counts(member: str) -> None:
    count = 0
    for changed in altered(FILE[member]):
        verdict = verify_receipt({**FILE, member: changed})
        assert not verdict.holds, changed
        assert said(verdict)
        count += 1
    assert count >= chosen(day=20, night=40)


def test_every_bit_of_the_file_counts_but_where_it_says_the_same() -> None:
    raw = KEPT
    for place in range(len(raw)):
        for bit in bits(8, place):
            changed = bytearray(raw)
            changed[place] ^= 1 << bit
            found = read_document(bytes(changed))
            if isinstance(found, str):
                assert found  # the reason why the bytes are no document
            elif found != FILE:
                verdict = verify_receipt(found)
                assert not verdict.holds
                assert all(step.said for step in verdict.steps if not step.holds)


@pytest.mark.parametrize("member", RECEIPT)
def test_a_gateway_cannot_be_made_to_say_something_else(member: str) -> None:
    """Even a receipt signed by the gateway is refused if the log has another receipt."""
    forged = {**RECEIPT, member: {"price": 1, "verdict": "exact"}.get(member, RECEIPT[member])}
    document = {**file_of(forged), "proof": FILE["proof"]}
    assert verify_receipt(document).holds is (forged == RECEIPT)


def test_the_entry_must_pay_the_price() -> None:
    def with_entry(entry: int, kind: str, amount: int) -> Verdict:
        proof = receipts.proof_of(RECEIPT, kind=kind, amount=amount, entry=entry)
        return verify_receipt({**FILE, "entry_id": entry, "proof": proof})

    assert with_entry(41, "USAGE", 100_000).holds
    assert with_entry(42, "EARNING", 70_000).holds
    wrong = ((41, "USAGE", 99_999), (41, "USAGE", 100_001), (42, "EARNING", 100_001))
    for found in (*wrong, (41, "REFUND", 100_000), (42, "REFUND", 100_000)):
        verdict = with_entry(*found)
        assert [step.name for step in verdict.steps if not step.holds] == ["entry"], found
    for found in ((42, "USAGE", 100_000), (41, "EARNING", 70_000)):
        assert "pays for nothing" in said(with_entry(*found)), found


def test_the_work_of_another_key_is_refused() -> None:
    stolen = {
        **WORK,
        "node": {**WORK["node"], "key": GATEWAY.public_key().public_bytes_raw().hex()},
    }
    verdict = verify_receipt(file_of({**RECEIPT, "work": stolen}))
    assert "not signed by the node key" in said(verdict)


def test_a_picture_counts_by_its_pixels(tmp_path: Path) -> None:
    def holds(content: bytes) -> bool:
        path = tmp_path / "picture"
        path.write_bytes(content)
        return verify_receipt(FILE, picture=picture_for(FILE, path)).holds

    assert holds(PICTURE)
    assert holds(png(receipts.ROWS, 2, level=0, kind=2))  # another encoding of the same picture
    rows = [bytes(row) for row in receipts.ROWS]
    for place in range(6):
        for bit in bits(8, place):
            changed = bytearray(rows[1])
            changed[place] ^= 1 << bit
            assert not holds(png([rows[0], bytes(changed)], 2))
    assert not holds(png([rows[0] + rows[1]], 4))  # the same bytes in another shape
    assert not holds(b"no picture")
    for place in range(len(PICTURE)):
        broken = bytearray(PICTURE)
        broken[place] ^= 1
        assert not holds(bytes(broken))


@pytest.mark.parametrize("is_delivered", [False, True])
def test_an_animation_beside_the_signed_pixels_is_refused(
    tmp_path: Path, *, is_delivered: bool
) -> None:
    """Browsers would show the animation instead of the signed pixels."""
    path = tmp_path / "frame.png"
    path.write_bytes(content := animated(PICTURE))
    made = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    work = {**WORK, "object": made} if is_delivered else WORK
    receipt = {**RECEIPT, "work": work, "node_signature": sign_work(work, NODE)}
    verdict = verify_receipt(file_of(receipt), picture=read_picture(path))
    assert "is not the picture that was signed: the file has a chunk (acTL)" in said(verdict)


def test_a_picture_whose_header_does_not_fit_the_receipt_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of 10 KiB can contain a picture that takes minutes, or gigabytes."""

    def never(_: str) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("rendertrust.receipt_check.of_file", never)
    gray, large = io.BytesIO(), io.BytesIO()
    Image.new("L", (2, 2)).save(gray, "PNG")
    Image.new("RGB", (2, 3)).save(large, "JPEG")
    path = tmp_path / "frame"
    for content in (
        png([bytes(12)] * 2, 4),
        gray.getvalue(),
        large.getvalue(),
        exr(bytes(ROW * HEIGHT)),
    ):
        path.write_bytes(content)
        verdict = verify_receipt(FILE, picture=picture_for(FILE, path))
        assert "not the picture that was signed: the file's size or channels are not" in said(
            verdict
        )


def test_a_node_cannot_make_the_receipt_of_its_own_file_invalid(tmp_path: Path) -> None:
    """The gateway's verifier compares the hash of the pixels, not the sizes that a node states."""
    work = {**WORK, "pixels": {**WORK["pixels"], "width": 1}}
    receipt = {**RECEIPT, "work": work, "node_signature": sign_work(work, NODE)}
    path = tmp_path / "frame.png"
    path.write_bytes(PICTURE)
    verdict = verify_receipt(file_of(receipt), picture=picture_for(file_of(receipt), path))
    assert verdict.holds, verdict.steps


@pytest.mark.parametrize("delivered", [[(64, 1)], [(4, 4)] * 3])
def test_pictures_larger_or_more_than_those_of_a_chunk_are_not_decoded(
    tmp_path: Path, delivered: list[tuple[int, int]]
) -> None:
    pixels = {"sha256": "a" * 64, "files": 2}
    work = {**WORK, "pixels": pixels, "measured": {"width": 4, "height": 4}}
    receipt = {**RECEIPT, "work": work, "node_signature": sign_work(work, NODE)}
    path = tmp_path / "chunk.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for number, (width, height) in enumerate(delivered):
            packed.writestr(f"{number:04}.png", png([bytes(3 * width)] * height, width))
    verdict = verify_receipt(file_of(receipt), picture=picture_for(file_of(receipt), path))
    assert "the file has more pictures or pixels than the receipt" in said(verdict)


def test_pictures_that_are_not_those_of_the_whole_count_for_nothing(tmp_path: Path) -> None:
    """A node could sign other pixels beside the hash of the whole file, of which only the hash was
    checked.
    """
    path = tmp_path / "other.png"
    path.write_bytes(png([bytes(6)] * 2, 2))
    other = read_picture(path).pixels
    assert isinstance(other, bytes)
    pixels = {**WORK["pixels"], "pictures": {"0001.png": other.hex()}}
    work = {**WORK, "pixels": pixels}
    receipt = {**RECEIPT, "work": work, "node_signature": sign_work(work, NODE)}
    assert not verify_receipt(file_of(receipt), picture=read_picture(path)).holds


@pytest.mark.parametrize("verdict", ["sampled-out", "unverified", "unverifiable"])
def test_of_pixels_that_nobody_checked_that_is_said(tmp_path: Path, verdict: str) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(PICTURE)
    found = verify_receipt(file_of({**RECEIPT, "verdict": verdict}), picture=read_picture(path))
    [pixels] = [step.said for step in found.steps if step.name == "pixels"]
    assert "not compared with the scene" in pixels


@pytest.mark.parametrize(
    ("reason", "said"),
    [(None, "unverified, 100000"), *((code, f"({said})") for code, said in SENTENCES.items())],
)
def test_a_receipt_says_why_its_work_is_unverified(reason: str | None, said: str) -> None:
    told = {} if reason is None else {"reason": reason}
    found = verify_receipt(file_of({**RECEIPT, "verdict": "unverified", **told}))
    assert found.holds
    [gateway] = [step.said for step in found.steps if step.name == "gateway"]
    assert said in gateway


def test_a_reason_of_a_later_release_is_told_as_it_is_and_no_other_text_is_one() -> None:
    found = verify_receipt(file_of({**RECEIPT, "verdict": "unverified", "reason": "of-later"}))
    assert "(of-later)" in next(step.said for step in found.steps if step.name == "gateway")
    for wrong in ("", "Words", "x" * 41, 7, None, "a\u0007b"):
        assert not verify_receipt(file_of({**RECEIPT, "reason": wrong})).holds


def test_of_the_renderer_it_is_said_that_it_is_the_nodes_word() -> None:
    [node] = [step for step in verify_receipt(file_of()).steps if step.name == "node"]
    assert node.said.endswith("; with bpy 5.2.0 e13b728c6880, by the node's own word")


@pytest.mark.parametrize(
    ("verdict", "is_said"),
    [("exact", True), ("consistent", True), ("sampled-out", False), ("unverified", False)],
)
def test_of_a_chunk_it_is_said_that_not_each_frame_was_looked_at(
    verdict: str, is_said: bool
) -> None:
    several = {**WORK, "pixels": {"sha256": "a" * 64, "files": 16}}
    receipt = {
        **RECEIPT,
        "work": several,
        "node_signature": sign_work(several, NODE),
        "verdict": verdict,
    }
    [gateway] = [one for one in verify_receipt(file_of(receipt)).steps if one.name == "gateway"]
    assert gateway.holds
    assert (f"{verdict}, by a look at some of its 16 pictures" in gateway.said) is is_said


def test_an_object_without_pixels_counts_by_its_bytes(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"a film")
    made = {"sha256": hashlib.sha256(b"a film").hexdigest(), "size": 6}
    work = {**WORK, "pixels": None, "object": made}
    receipt = {**RECEIPT, "work": work, "node_signature": sign_work(work, NODE)}
    assert verify_receipt(file_of(receipt), picture=read_picture(film)).holds
    film.write_bytes(b"a filn")
    assert not verify_receipt(file_of(receipt), picture=read_picture(film)).holds


def test_numbers_that_are_not_whole_stand_as_texts() -> None:
    assert plain({"a": [0.5, 1e21, True, None, 3, 2**60]}) == {
        "a": ["0.5", "1e+21", True, None, 3, str(2**60)]
    }
    for wrong in ({"a": 0.5}, {"a": 2**60}, {1: 2}, {"a": b""}):
        with pytest.raises(ValueError, match=r"form|large|string"):
            canonical(wrong)  # type: ignore[arg-type]


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_whatever_a_stranger_gives_is_refused_and_nothing_raised(value: Any) -> None:
    assert not verify_receipt(value).holds
    assert isinstance(read_work(value), str)
    for member in FILE:
        found = verify_receipt({**FILE, member: value})
        assert not found.holds or (member == "proof" and value is None and not found.witnessed)
    for member in RECEIPT:
        assert isinstance(read_receipt({**RECEIPT, member: value}), str | Receipt)
    for member in WORK:
        assert isinstance(read_work({**WORK, member: value}), str | WorkStatement)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_the_canonical_form_says_what_it_is_of(value: Any) -> None:
    assert json.loads(canonical({"value": value})) == {"value": value}
    assert canonical(json.loads(canonical({"value": value}))) == canonical({"value": value})
