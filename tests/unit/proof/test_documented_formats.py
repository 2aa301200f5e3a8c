"""``docs/PROOF-FORMATS.md`` suffices: a verifier written from it alone accepts what the gateway
makes, and refuses every changed bit, as ours does.
"""

import json
from typing import Any

import pytest

from rendertrust.leaf import commitment, leaf_bytes, salt_of
from rendertrust.proof_check import verify
from rendertrust.receipt_check import verify_receipt
from tests.golden.files import golden
from tests.golden.signed import CREDIT, DEBIT, LEAF, SALTS
from tests.support.examples import chosen
from tests.unit.proof import receipts
from tests.unit.proof.documented_verifier import Refused, verify_proof, verify_receipt_file
from tests.unit.proof.receipts import RECEIPT, file_of
from tests.unit.proof.test_proof_check import MEANT, NO_ANCHOR, OPENING, PROOF, flipped
from tests.unit.proof.test_receipt import altered

FILE: dict[str, Any] = json.loads(json.dumps(file_of()))


def accepts(check: Any, document: Any) -> bool:
    try:
        check(document)
    except Refused:
        return False
    return True


def test_it_accepts_what_the_gateway_makes() -> None:
    assert verify_proof(PROOF)["amount"] == 1_000_000
    for proof in ({**PROOF, "opening": OPENING}, {**PROOF, **NO_ANCHOR}):
        assert accepts(verify_proof, proof)
    assert FILE["receipt"] == RECEIPT
    assert accepts(verify_receipt_file, FILE)
    assert accepts(verify_receipt_file, json.loads(golden("receipts", "receipt-file.json")))


def test_the_golden_leaf_is_made_of_the_golden_private_parts() -> None:
    lines = golden("leaves", "transfer.txt").decode().split("\n")
    for side, private, place in (("debit", DEBIT, 6), ("credit", CREDIT, 7)):
        assert golden("leaves", f"private-{side}.txt") == private
        sealed = commitment(salt_of(SALTS, side), private)  # type: ignore[arg-type]
        assert lines[place] == f"{side} {sealed.hex()}"
    assert leaf_bytes(**LEAF).decode().split("\n") == lines


@pytest.mark.parametrize("member", MEANT)
def test_it_refuses_every_changed_bit_of_a_proof(member: str) -> None:
    for changed in flipped(PROOF[member]):
        assert not accepts(verify_proof, {**PROOF, member: changed}), changed
    without = {name: value for name, value in PROOF.items() if name != member}
    assert not accepts(verify_proof, without)


@pytest.mark.parametrize("member", OPENING)
def test_it_refuses_every_changed_bit_of_an_opening(member: str) -> None:
    for changed in flipped(OPENING[member]):
        opening = {**OPENING, member: changed}
        assert not accepts(verify_proof, {**PROOF, "opening": opening}), changed


@pytest.mark.heavy
@pytest.mark.parametrize("member", FILE)
def test_it_refuses_every_changed_bit_of_a_receipt(member: str) -> None:
    count = 0
    for changed in altered(FILE[member]):
        assert not accepts(verify_receipt_file, {**FILE, member: changed}), changed
        count += 1
    assert count >= chosen(day=20, night=40)


@pytest.mark.parametrize("entry", [41, 42])
@pytest.mark.parametrize("kind", ["USAGE", "EARNING", "REFUND", "CLAIM"])
@pytest.mark.parametrize("amount", [1, 70_000, 100_000, 100_001])
def test_both_verifiers_say_the_same_of_what_pays_for_a_receipt(
    entry: int, kind: str, amount: int
) -> None:
    proof = receipts.proof_of(RECEIPT, kind=kind, amount=amount, entry=entry)
    pays = {(41, "USAGE"): amount == 100_000, (42, "EARNING"): amount <= 100_000}
    document = {**FILE, "entry_id": entry, "proof": proof}
    expected = pays.get((entry, kind), False)
    assert verify(proof).holds
    assert verify_receipt(document).holds is expected
    assert accepts(verify_receipt_file, document) is expected
