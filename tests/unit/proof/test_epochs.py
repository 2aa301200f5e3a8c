"""A log that was reset to a backup: its epochs, their first leaves, and the links between
epochs.
"""

import copy
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import anchor_note, checkpoint, epoch, merkle, note
from rendertrust.anchor_note import AnchorNote
from rendertrust.checkpoint import Checkpoint
from rendertrust.consistency import LeafLink, in_order
from rendertrust.epoch import EpochLeaf
from rendertrust.proof_check import ConsistencyProof, KnownCheckpoint, Verdict, read_epochs, verify
from tests.golden.files import golden
from tests.golden.signed import EPOCH
from tests.support.leaves import leaf
from tests.support.merkle_proofs import consistency_proof, inclusion_proof
from tests.unit.proof.test_note import KEY, TIME
from tests.unit.proof.test_proof_check import flipped
from web.openapi.examples.log import EPOCHS

BASE = "farm.example/log"
CONTRACT = "0x" + "ab" * 20
GOLDEN = golden("leaves", "epoch.txt").decode()


class Log:
    """A log with a name and leaves, and its gateway's answers about the log."""

    def __init__(self, origin: str, leaves: list[bytes]) -> None:
        self.origin, self.leaves = origin, leaves

    def at(self, size: int) -> Checkpoint:
        return Checkpoint(self.origin, size, merkle.root(self.leaves[:size]), TIME)

    def witness(self, size: int) -> KnownCheckpoint:
        return KnownCheckpoint(note.verifier_of(self.origin, KEY), self.at(size))

    def proof(self, index: int, size: int) -> dict[str, Any]:
        ranges = merkle.inclusion_ranges(index, size)
        part = self.leaves[:size]
        return {
            "entry_id": 2 * index + 2,
            "side": "credit",
            "merkle_root": merkle.root(part).hex(),
            "proof_hashes": [p.hex() for p in inclusion_proof(part, index)],
            "directions": ["right" if start > index else "left" for start, _ in ranges],
            "leaf": part[index].decode(),
            "leaf_hash": merkle.leaf_hash(part[index]).hex(),
            "leaf_index": index,
            "tree_size": size,
            "checkpoint": checkpoint.sign(self.at(size), KEY),
            "verifier": str(note.verifier_of(self.origin, KEY)),
        }

    def anchored(self, size: int, transaction: str, block: int, where: tuple[int, str]) -> Any:
        """Return a proof's members about its anchor on a chain and in a contract."""
        named = (*where, size, self.at(size).root, transaction, block)
        return {
            "anchor_tx_hash": transaction,
            "block_number": block,
            "chain_id": where[0],
            "contract": where[1],
            "anchor": anchor_note.sign(AnchorNote(self.origin, *named), KEY),
        }

    def shown(self, m: int, n: int) -> ConsistencyProof:
        part = self.leaves[:n]
        proof = tuple(consistency_proof(part, m, n))
        return ConsistencyProof(m, n, merkle.root(part[:m]), merkle.root(part), proof)

    def links(self, size: int) -> dict[str, Any]:
        """Return the answer of /ledger/epochs."""
        part = self.leaves[:size]
        begun = [n for n, one in enumerate(part) if one.startswith(b"rendertrust-epoch-v1")]
        return {
            "epochs": [
                {
                    "leaf": part[n].decode(),
                    "leaf_index": n,
                    "proof_hashes": [p.hex() for p in inclusion_proof(part, n)],
                }
                for n in begun
            ],
            "tree_size": size,
            "merkle_root": merkle.root(part).hex(),
        }


# Six of nine leaves were in the backup; all nine were anchored.
OLD = Log(BASE, [leaf(n) for n in range(1, 10)])
LINK = EpochLeaf(2, TIME, BASE, 7, CONTRACT, 9, merkle.root(OLD.leaves))
SECOND = epoch.origin_of(LINK)
NEW = Log(SECOND, [*OLD.leaves[:6], LINK.canonical, leaf(21), leaf(22), leaf(23)])


def links(size: int) -> tuple[LeafLink, ...]:
    found = read_epochs(NEW.links(size))
    assert not isinstance(found, str), found
    return found


def test_the_golden_leaf_is_read() -> None:
    assert epoch.read(GOLDEN) == EPOCH
    without_chain = attrs.evolve(EPOCH, chain_id=epoch.NO_CHAIN, contract=epoch.NOWHERE)
    assert epoch.read(without_chain.canonical.decode()) == without_chain


def test_a_name_says_the_epoch() -> None:
    assert epoch.split(BASE) == (BASE, 1)
    assert epoch.split(SECOND) == (BASE, 2)
    for other in ("x/epoch/2", "x/epoch/1-00000000", "/epoch/2-00000000", "x/epoch/2-0000000g"):
        assert epoch.split(other) == (other, 1)
    third = attrs.evolve(LINK, number=3, origin=SECOND)
    assert epoch.split(epoch.origin_of(third)) == (BASE, 3)
    assert epoch.origin_of(attrs.evolve(LINK, size=8)) != SECOND
    assert in_order(NEW.at(7), OLD.at(9)) == (OLD.at(9), NEW.at(7))


@given(st.text())
def test_what_is_no_leaf_of_an_epoch_is_none(text: str) -> None:
    assert epoch.read(text) is None
    assert epoch.read(GOLDEN.replace("2026-03", "2026-13")) is None
    assert epoch.read(GOLDEN.replace("epoch 2\n", "epoch 1\n")) is None


def test_the_example_of_the_documentation_holds() -> None:
    found = read_epochs(dict(EPOCHS))
    assert not isinstance(found, str)
    assert [(link.leaf.number, link.index) for link in found] == [(2, 2)]
    assert EPOCHS["epochs"][0]["origin"] == epoch.origin_of(found[0].leaf)


@pytest.mark.parametrize("member", ["leaf", "leaf_index", "proof_hashes"])
def test_every_bit_of_a_link_counts(member: str) -> None:
    document = copy.deepcopy(NEW.links(10))
    value = document["epochs"][0][member]
    for changed in flipped(value):
        document["epochs"][0][member] = changed
        assert isinstance(read_epochs(document), str), changed


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_nothing_makes_reading_raise(value: Any) -> None:
    assert isinstance(read_epochs(value), str)
    assert isinstance(read_epochs({**NEW.links(8), "epochs": [value]}), str)
    assert isinstance(read_epochs({**NEW.links(8), "epochs": value or 1}), str)


def test_who_saw_what_was_kept_follows() -> None:
    for seen in (1, 5, 6):
        for size in (7, 8, 10):
            verdict = verify(
                NEW.proof(0, size),
                witness=OLD.witness(seen),
                shown=[NEW.shown(seen, size)],
                epochs=links(size),
            )
            assert verdict.witnessed, verdict.steps


def test_who_saw_what_the_chain_had_follows_by_the_link() -> None:
    for size in (7, 9, 10):
        verdict = verify(NEW.proof(0, size), witness=OLD.witness(9), epochs=links(size))
        assert verdict.witnessed, verdict.steps
        assert "6 of its leaves were kept" in verdict.steps[-1].said


@pytest.mark.parametrize("index", range(9))
def test_the_proof_of_a_lost_entry_holds_no_more_and_says_why(index: int) -> None:
    verdict = verify(OLD.proof(index, 9), witness=NEW.witness(10), epochs=links(10))
    assert verdict.holds == verdict.witnessed == (index < 6), verdict.steps
    assert ("lost in the restore of a backup" in verdict.steps[-1].said) == (index >= 6), (
        verdict.steps
    )


@pytest.mark.parametrize("size", [7, 8])
def test_a_lost_entry_is_given_up_by_whichever_checkpoint_it_is_proved(size: int) -> None:
    for index in range(6, size):
        verdict = verify(OLD.proof(index, size), witness=NEW.witness(10), epochs=links(10))
        assert not verdict.holds
        assert f"kept 6 leaves; this was leaf {index}" in verdict.steps[-1].said
    unlinked(verify(OLD.proof(5, size), witness=NEW.witness(10), epochs=links(10)))


def test_what_the_epoch_after_next_kept_is_not_given_up() -> None:
    again = EpochLeaf(3, TIME, SECOND, 7, CONTRACT, 10, merkle.root(NEW.leaves))
    third = Log(epoch.origin_of(again), [*NEW.leaves[:8], again.canonical, leaf(30)])
    found = read_epochs(third.links(10))
    assert not isinstance(found, str)
    for log, kept in ((OLD, 6), (NEW, 8)):
        size = len(log.leaves)
        for index in [n for n in range(size) if log.leaves[n] != LINK.canonical]:
            proof = log.proof(index, size)
            proof["entry_id"] = 2 * int(proof["leaf"].split()[2])
            verdict = verify(proof, witness=third.witness(10), epochs=found)
            assert verdict.witnessed == (index < kept), verdict.steps


def unlinked(verdict: Verdict) -> None:
    assert not verdict.holds
    assert "restored from a backup" in verdict.steps[-1].said


def test_who_saw_what_was_lost_and_is_in_no_link_is_told() -> None:
    for seen in (7, 8):
        unlinked(verify(NEW.proof(0, 10), witness=OLD.witness(seen), epochs=links(10)))
        wrong = [NEW.shown(seen, 10)]
        unlinked(verify(NEW.proof(0, 10), witness=OLD.witness(seen), shown=wrong, epochs=links(10)))
    unlinked(verify(NEW.proof(0, 10), witness=OLD.witness(9)))
    unlinked(verify(NEW.proof(0, 10), witness=OLD.witness(9), epochs=links(9)))


def test_a_link_counts_in_its_own_tree_alone() -> None:
    """A fork after the epoch began has the same name and size, but another root."""
    forked = Log(SECOND, [*OLD.leaves[:6], LINK.canonical, leaf(30), leaf(31), leaf(32)])
    found = read_epochs(forked.links(10))
    assert not isinstance(found, str)
    assert verify(forked.proof(0, 10), witness=OLD.witness(9), epochs=found).witnessed
    unlinked(verify(NEW.proof(0, 10), witness=OLD.witness(9), epochs=found))


def test_a_link_names_one_root() -> None:
    """A witness of a log with the same size but another root must not be accepted."""
    other = Log(BASE, [*OLD.leaves[:8], leaf(77)])
    unlinked(verify(NEW.proof(0, 10), witness=other.witness(9), epochs=links(10)))


def test_an_epoch_of_another_log_links_nothing() -> None:
    other = attrs.evolve(LINK, origin="other.example/log")
    forged = Log(SECOND, [*OLD.leaves[:6], other.canonical, leaf(20)])
    found = read_epochs(forged.links(8))
    assert not isinstance(found, str)
    assert not verify(forged.proof(0, 8), witness=OLD.witness(9), epochs=found).holds
    stranger = Log("other.example/log/epoch/2-00000000", NEW.leaves)
    verdict = verify(stranger.proof(0, 10), witness=OLD.witness(9), epochs=links(10))
    assert "not signed by the key" in verdict.steps[-1].said
