"""Checks of a kept checkpoint: its content, its links, and what a chain says of it."""

import json
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import anchor_note, checkpoint, note
from rendertrust.anchor_note import AnchorNote
from rendertrust.checkpoint_check import (
    ExpectedRoot,
    KeptCheckpoint,
    is_checkpoint,
    places,
    read_kept,
    read_kept_note,
    verify_checkpoint,
)
from rendertrust.onchain import NOT_YET, ChainUnknown, OnChain
from rendertrust.proof_check import ConsistencyProof, Verdict
from tests.support.leaves import leaf
from tests.twins.signer import signing_key
from tests.unit.proof.test_epochs import CONTRACT, LINK, NEW, OLD, Log, links
from tests.unit.proof.test_note import KEY, VERIFIER
from tests.unit.proof.test_proof_check import flipped
from web.openapi.examples.log import CHECKPOINT

ANSWER: dict[str, Any] = json.loads(json.dumps(CHECKPOINT))
TRANSACTION = "0x" + "ab" * 32
LOG = Log("farm.example/log", [leaf(n) for n in range(1, 10)])
CHAIN = OnChain(chain_id=7, block=20, private=False, contract=CONTRACT, named=True, final=True)
Said = dict[ExpectedRoot, OnChain | ChainUnknown]
OTHER = note.verifier_of("farm.example/log", signing_key(9))


def kept_of(document: Any) -> KeptCheckpoint:
    found = read_kept(document)
    assert isinstance(found, KeptCheckpoint), found
    return found


def kept(
    log: Log, size: int, anchored: int | None = None, root: bytes | None = None
) -> KeptCheckpoint:
    """Return a kept checkpoint of the log, with a note about an anchor of ``anchored`` leaves."""
    anchor = None
    if anchored is not None:
        there = log.at(anchored).root if root is None else root
        made = AnchorNote(log.origin, 7, CONTRACT, anchored, there, TRANSACTION, 12)
        anchor = anchor_note.sign(made, KEY)
    noted = checkpoint.sign(log.at(size), KEY)
    verifier = str(note.verifier_of(log.origin, KEY))
    return kept_of({"checkpoint": noted, "verifier": verifier, "anchor": anchor})


def said(
    of: KeptCheckpoint, shown: Sequence[ConsistencyProof] = (), absent: int | None = None
) -> Said:
    """Return a chain's answers: the log's root at each place, and nothing at ``absent`` leaves."""
    found: Said = {}
    for place in places(of, shown, named=True):
        there = attrs.evolve(CHAIN, root=LOG.at(place.at.size).root)
        found[place] = NOT_YET if place.at.size == absent else there
    return found


def words(verdict: Verdict) -> list[tuple[str, bool]]:
    return [(step.name, step.holds) for step in verdict.steps]


def test_the_example_of_the_documentation_is_read() -> None:
    assert is_checkpoint(ANSWER)
    verdict = verify_checkpoint(kept_of(ANSWER), key=VERIFIER)
    assert words(verdict) == [("checkpoint", True), ("key", True), ("claim", True)]
    assert not verdict.witnessed


@pytest.mark.parametrize("member", ["origin", "size", "root", "time", "checkpoint", "verifier"])
def test_every_bit_of_an_answer_counts(member: str) -> None:
    for changed in flipped(ANSWER[member]):
        assert isinstance(read_kept({**ANSWER, member: changed}), str), changed


def test_every_bit_of_what_was_signed_of_the_anchor_counts() -> None:
    for changed in flipped(ANSWER["anchor"]):
        assert isinstance(read_kept({**ANSWER, "anchor": changed}), str), changed


@pytest.mark.parametrize("member", ["origin", "size", "root", "time"])
def test_what_stands_beside_the_note_may_lack_and_not_differ(member: str) -> None:
    del (lacking := dict(ANSWER))[member]
    assert kept_of(lacking).signed == kept_of(ANSWER).signed
    others: list[Any] = [None, 1.0, 3.0, True, [], {}, "", "2026-03-13T12:00:01", 2**70]
    for other in others:
        assert isinstance(read_kept({**ANSWER, member: other}), str), other


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_whatever_a_stranger_gives_is_refused_and_nothing_raised(document: Any) -> None:
    assert isinstance(read_kept(document), str)
    for member in ("checkpoint", "verifier", "anchor", "origin", "size", "root", "time"):
        read_kept({**ANSWER, member: document})
    assert isinstance(read_kept_note(str(document), [VERIFIER]), str)


def test_a_plain_note_is_by_a_key_that_one_knows() -> None:
    noted = ANSWER["checkpoint"]
    read = read_kept_note(noted, [OTHER, VERIFIER])
    assert isinstance(read, KeptCheckpoint)
    assert read.signed == kept_of(ANSWER).signed
    assert isinstance(read_kept_note(noted, [OTHER]), str)
    assert isinstance(read_kept_note(noted, []), str)
    refused = verify_checkpoint(kept_of(ANSWER), key=OTHER)
    assert words(refused)[1] == ("key", False)


def test_an_anchor_of_another_root_at_its_own_size_is_a_contradiction() -> None:
    verdict = verify_checkpoint(kept(LOG, 5, 5, LOG.at(4).root))
    assert words(verdict) == [("checkpoint", True), ("claim", False)]


# -- another checkpoint vouches for it


@pytest.mark.parametrize(("known", "mine"), [(3, 7), (7, 3), (5, 5)])
def test_one_that_is_known_vouches_as_far_as_a_proof_links_both(known: int, mine: int) -> None:
    witness, older, newer = LOG.witness(known), min(known, mine), max(known, mine)
    shown = LOG.shown(older, newer)
    verdict = verify_checkpoint(kept(LOG, mine), witness=witness, shown=[shown])
    assert verdict.witnessed, verdict.steps
    if known == mine:
        return
    alone = verify_checkpoint(kept(LOG, mine), witness=witness)
    assert words(alone)[-1] == ("witness", False)
    assert f"get /api/v1/ledger/consistency?from={older}&to={newer}" in alone.steps[-1].said
    broken = attrs.evolve(shown, proof=(*shown.proof, bytes(32)))
    assert not verify_checkpoint(kept(LOG, mine), witness=witness, shown=[broken]).holds


def test_another_root_at_a_size_that_is_known_is_a_fork() -> None:
    forged = Log(LOG.origin, [*LOG.leaves[:4], leaf(77)])
    verdict = verify_checkpoint(kept(forged, 5), witness=LOG.witness(5))
    assert "the log was forked" in verdict.steps[-1].said
    assert not verdict.holds


def test_one_that_another_key_signed_is_told() -> None:
    """A newer checkpoint by another key is refused. An older checkpoint is accepted with a remark,
    because the known checkpoint contains it.
    """
    witness = LOG.witness(5)
    strange = attrs.evolve(witness, verifier=OTHER)
    shown = [LOG.shown(5, 7), LOG.shown(3, 5)]
    newer = verify_checkpoint(kept(LOG, 7), witness=strange, shown=shown)
    assert "not signed by the key that you know" in newer.steps[-1].said
    assert not newer.holds
    older = verify_checkpoint(kept(LOG, 3), witness=strange, shown=shown)
    assert older.witnessed
    assert "signed by another key" in older.steps[-1].said


def test_the_link_of_an_epoch_leads_to_what_it_names_and_to_what_was_kept() -> None:
    epochs, size = links(10), len(NEW.leaves)
    named = verify_checkpoint(kept(OLD, 9), witness=NEW.witness(size), epochs=epochs)
    assert named.witnessed, named.steps
    part = kept(OLD, 6)
    known = NEW.witness(size)
    assert verify_checkpoint(part, witness=known, shown=[NEW.shown(6, size)]).witnessed
    lost = verify_checkpoint(kept(OLD, 8), witness=known, epochs=epochs)
    assert not lost.holds
    assert "restored from a backup" in lost.steps[-1].said


# -- a chain vouches for it


def test_the_chain_vouches_where_it_has_the_root_at_this_size() -> None:
    for one in (kept(LOG, 5, 5), kept(LOG, 5)):
        verdict = verify_checkpoint(one, said=said(one))
        assert words(verdict)[-2:] == [("chain", True), ("anchor", True)]
        assert verdict.witnessed
        doubts: list[dict[str, Any]] = [
            {"private": True},
            {"named": False},
            {"final": False},
            {"final": None},
        ]
        (place,) = places(one, named=True)
        for less in doubts:
            doubted = {place: attrs.evolve(CHAIN, root=LOG.at(5).root, **less)}
            assert verify_checkpoint(one, said=doubted).holds
            assert not verify_checkpoint(one, said=doubted).witnessed
        forged = {place: attrs.evolve(CHAIN, root=LOG.at(4).root)}
        assert not verify_checkpoint(one, said=forged).holds


def test_an_anchor_of_fewer_leaves_vouches_as_far_as_a_proof_links_both() -> None:
    one = kept(LOG, 7, 5)
    alone = verify_checkpoint(one, said=said(one, absent=7))
    assert (alone.holds, alone.witnessed) == (True, False)
    assert "get /api/v1/ledger/consistency?from=5&to=7" in alone.steps[-2].said
    shown = [LOG.shown(5, 7)]
    verdict = verify_checkpoint(one, shown=shown, said=said(one, shown))
    assert verdict.witnessed, verdict.steps
    broken = [attrs.evolve(shown[0], proof=())]
    assert not verify_checkpoint(one, shown=broken, said=said(one, broken)).holds


def test_a_plain_note_is_vouched_for_by_what_a_proof_links_it_with() -> None:
    """An anchor of more leaves also counts; behind an invalid proof no anchor is looked for."""
    for older, newer in ((5, 7), (7, 5)):
        one, shown = kept(LOG, older), [LOG.shown(min(older, newer), max(older, newer))]
        asked = places(one, shown, named=True)
        assert {place.at.size for place in asked} == {5, 7}
        found = said(one, shown, absent=older)
        assert verify_checkpoint(one, shown=shown, said=found).witnessed
        broken = [attrs.evolve(shown[0], proof=())]
        assert {place.at.size for place in places(one, broken, named=True)} == {older}
        forged = {place: attrs.evolve(CHAIN, root=bytes(31) + b"1") for place in asked}
        assert not verify_checkpoint(one, shown=shown, said=forged).holds


def test_what_is_needed_is_said() -> None:
    one = kept(LOG, 7)
    assert places(one) == ()
    alone = verify_checkpoint(one, said={})
    assert (alone.holds, alone.witnessed) == (True, False)
    assert "--contract" in alone.steps[-1].said
    (own,) = places(one, named=True)
    for newest, says in ((0, "has no anchor yet"), (5, "from=5&to=7"), (9, "from=7&to=9")):
        verdict = verify_checkpoint(one, said={own: NOT_YET}, newest=newest)
        assert verdict.holds
        assert says in verdict.steps[-1].said
    away = verify_checkpoint(one, said={own: ChainUnknown("the chain's node does not answer")})
    assert words(away)[-1] == ("chain", False)


def test_an_anchor_of_the_epoch_before_counts_where_its_link_names_it() -> None:
    made = AnchorNote(OLD.origin, 7, CONTRACT, 9, LINK.root, TRANSACTION, 12)
    size = len(NEW.leaves)
    document = {
        "checkpoint": checkpoint.sign(NEW.at(size), KEY),
        "verifier": str(note.verifier_of(NEW.origin, KEY)),
        "anchor": anchor_note.sign(made, KEY),
    }
    one = kept_of(document)
    (place,) = places(one)
    there = {place: attrs.evolve(CHAIN, root=LINK.root)}
    assert verify_checkpoint(one, epochs=links(size), said=there).witnessed
    alone = verify_checkpoint(one, said=there)
    assert (alone.holds, alone.witnessed) == (True, False)
