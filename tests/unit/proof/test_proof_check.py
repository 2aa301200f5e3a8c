"""The offline check of proofs accepts valid proofs and refuses any changed bit."""

import copy
import json
from collections.abc import Iterable, Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import anchor_note, note
from rendertrust.anchor_note import AnchorNote
from rendertrust.checkpoint import Checkpoint
from rendertrust.note import NoteRefused
from rendertrust.proof_check import (
    ConsistencyProof,
    KnownCheckpoint,
    read_shown,
    read_witness,
    verify,
)
from tests.support.examples import chosen
from tests.unit.proof.test_note import KEY, TIME, VERIFIER
from web.openapi.examples.log import CHECKPOINT, CONSISTENCY, LEDGER_PROOF

PROOF: dict[str, Any] = json.loads(json.dumps(LEDGER_PROOF))


def witness_of(document: Any) -> KnownCheckpoint:
    found = read_witness(document)
    assert isinstance(found, KnownCheckpoint), found
    return found


def shown_of(document: Any) -> ConsistencyProof:
    found = read_shown(document)
    assert isinstance(found, ConsistencyProof), found
    return found


def test_the_example_of_the_documentation_holds() -> None:
    verdict = verify(PROOF)
    assert verdict.holds
    assert not verdict.witnessed
    assert [step.name for step in verdict.steps] == ["leaf", "inclusion", "checkpoint", "claim"]


def test_a_checkpoint_from_elsewhere_is_a_witness() -> None:
    verdict = verify(PROOF, witness=witness_of(CHECKPOINT))
    assert verdict.holds
    assert verdict.witnessed
    assert shown_of(CONSISTENCY).holds


def bits(of: int, place: int) -> Iterable[int]:
    """Return the bits of a letter to change: all bits by night; by day one bit, depending on the
    place.
    """
    return chosen(day=[place % of], night=range(of))


def flipped(value: Any) -> Iterator[Any]:
    """Yield the value with one of its bits changed, for each place in it."""
    if isinstance(value, str):
        for place, letter in enumerate(value):
            for bit in bits(7, place):
                changed = chr(ord(letter) ^ 1 << bit)
                yield value[:place] + changed + value[place + 1 :]
    elif isinstance(value, int):
        for bit in range(40):
            yield value ^ 1 << bit
    elif isinstance(value, list):
        for place, part in enumerate(value):
            for changed in flipped(part):
                yield [*value[:place], changed, *value[place + 1 :]]


MEANT = [
    *("entry_id", "side", "merkle_root", "proof_hashes", "directions", "leaf", "leaf_hash"),
    *("leaf_index", "tree_size", "checkpoint", "verifier"),
    *("anchor_tx_hash", "block_number", "chain_id", "contract", "anchor"),
]
NO_ANCHOR = dict.fromkeys(("anchor_tx_hash", "block_number", "chain_id", "contract", "anchor"))


@pytest.mark.parametrize("field", MEANT)
def test_every_bit_of_a_proof_counts(field: str) -> None:
    for changed in flipped(PROOF[field]):
        document = {**PROOF, field: changed}
        assert not verify(document).holds, changed


@pytest.mark.parametrize("field", MEANT)
def test_a_proof_without_a_member_is_refused(field: str) -> None:
    document = {name: value for name, value in PROOF.items() if name != field}
    assert not verify(document).holds
    others: list[Any] = [None, 1.0, True, [], {}, "", "\ud800", 2**70, -1]
    for other in others:
        assert not verify({**PROOF, field: other}).holds


@pytest.mark.parametrize("field", [*NO_ANCHOR, "opening"])
def test_a_member_of_another_name_is_refused_though_it_says_nothing(field: str) -> None:
    unanchored = {**PROOF, **NO_ANCHOR, "opening": None}
    assert verify(unanchored).holds
    renamed = {name: value for name, value in unanchored.items() if name != field}
    verdict = verify({**renamed, field.upper(): None})
    assert not verdict.holds
    assert verdict.steps[0].said == f"{field.upper()!r} is not a member of a proof"


def test_an_anchor_is_named_and_signed_or_neither() -> None:
    assert set(MEANT) | {"opening"} == PROOF.keys()
    for proof in ({**PROOF, **NO_ANCHOR}, {k: PROOF[k] for k in PROOF if k not in NO_ANCHOR}):
        verdict = verify(proof)
        assert verdict.holds
        assert [step.name for step in verdict.steps] == ["leaf", "inclusion", "checkpoint"]
    for name in NO_ANCHOR:
        alone = verify({**PROOF, **NO_ANCHOR, name: PROOF[name]})
        assert not alone.holds


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"origin": "other.example"}, "does not name an anchor of this log"),
        ({"chain_id": 1}, "another anchor than the proof names"),
        ({"contract": "0x" + "12" * 20}, "another anchor than the proof names"),
        ({"transaction": "0x" + "12" * 32}, "another anchor than the proof names"),
        ({"block": 12346}, "another anchor than the proof names"),
        ({"size": 4}, "of another root"),
        ({"root": bytes(32)}, "of another root"),
        ({"block": 2**63}, "too large"),
    ],
)
def test_what_the_key_signed_about_another_anchor_is_told(
    changed: dict[str, Any], says: str
) -> None:
    read = anchor_note.read(PROOF["anchor"], VERIFIER)
    assert isinstance(read, AnchorNote)
    text = attrs.evolve(read, **changed).text
    verdict = verify({**PROOF, "anchor": note.sign(text, "farm.example/log", KEY)})
    assert not verdict.holds
    assert (verdict.steps[-1].name, says in verdict.steps[-1].said) == ("claim", True), verdict


def test_a_checkpoint_is_no_word_on_an_anchor_and_the_other_way_round() -> None:
    assert not verify({**PROOF, "anchor": PROOF["checkpoint"]}).holds
    assert not verify({**PROOF, "checkpoint": PROOF["anchor"]}).holds
    other = anchor_note.sign(AnchorNote("farm.example/log", 1, "0x", 1, bytes(32), "", 1), KEY)
    assert isinstance(anchor_note.read(other, VERIFIER), NoteRefused)


def test_hashes_too_many_or_too_few_are_refused() -> None:
    hashes, sides = PROOF["proof_hashes"], PROOF["directions"]
    assert not verify({**PROOF, "proof_hashes": hashes[:1], "directions": sides[:1]}).holds
    more = {**PROOF, "proof_hashes": [*hashes, hashes[0]], "directions": [*sides, "left"]}
    assert not verify(more).holds


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_whatever_a_stranger_gives_is_refused_and_nothing_raised(document: Any) -> None:
    assert not verify(document).holds
    assert isinstance(read_witness(document), str)
    assert isinstance(read_shown(document), str)


# The opening of the example's credit.
OPENING = {
    "salt": "98bb14acb95c743fe1d4f5ccad604caf5c32b81c862eebda2257afb33cd0c5a4",
    "private": (
        "account user:550e8400-e29b-41d4-a716-446655440000\nversion 7\nbefore 9000000\n"
        'after 10000000\nreference "cs_test_a1B2c3D4e5F6"\ndescription "100 credits"\n'
    ),
}


def test_an_entry_is_proved_as_the_side_that_it_is() -> None:
    """Both entries of a transfer have the same leaf, and each opens its own side alone."""
    opened, other = {**PROOF, "opening": OPENING}, {"entry_id": 41, "side": "debit"}
    assert (
        verify(opened)
        .steps[0]
        .said.startswith("entry 42, the credit of transfer 21: STRIPE of 1000000 units")
    )
    as_other = verify({**PROOF, **other})
    assert as_other.holds
    assert "entry 41, the debit of transfer 21: STRIPE of -1000000 units" in as_other.steps[0].said
    assert verify(opened).holds
    assert not verify({**opened, **other}).holds
    for name, value in other.items():
        assert not verify({**PROOF, name: value}).holds
    for entry in (40, 43):
        wrong = verify({**PROOF, "entry_id": entry, "side": "debit" if entry % 2 else "credit"})
        assert "the leaf is of transfer 21" in wrong.steps[0].said


def test_an_opening_must_be_the_leafs() -> None:
    whole, (salt, private) = OPENING, OPENING.values()
    assert verify({**PROOF, "opening": whole}).holds
    for name, value in whole.items():
        for changed in flipped(value):
            assert not verify({**PROOF, "opening": {**whole, name: changed}}).holds, changed
    for wrong in (
        {"salt": salt, "private": private.replace("9000000", "9000001")},
        {"salt": salt[::-1], "private": private},
        {"salt": salt},
        "nothing",
    ):
        assert not verify({**PROOF, "opening": wrong}).holds


def test_a_witness_that_disagrees_is_told() -> None:
    def witness(origin: str, size: int, root: bytes) -> KnownCheckpoint:
        return KnownCheckpoint(note.verifier_of(origin, KEY), Checkpoint(origin, size, root, TIME))

    origin, root = "farm.example/log", bytes.fromhex(CHECKPOINT["root"])
    assert verify(PROOF, witness=witness(origin, 3, root)).holds
    forked = verify(PROOF, witness=witness(origin, 3, b"x" * 32))
    assert not forked.holds
    assert "forked" in forked.steps[-1].said
    assert not verify(PROOF, witness=witness("other.example", 3, root)).holds
    older = witness(origin, 2, bytes.fromhex(CONSISTENCY["from_root"]))
    alone = verify(PROOF, witness=older)
    assert "get /api/v1/ledger/consistency?from=2&to=3" in alone.steps[-1].said
    assert verify(PROOF, witness=older, shown=[shown_of(CONSISTENCY)]).witnessed
    wrong = copy.deepcopy(dict(CONSISTENCY))
    wrong["proof_hashes"] = ["00" * 32]
    assert not verify(PROOF, witness=older, shown=[shown_of(wrong)]).holds
