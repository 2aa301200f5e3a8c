"""Roots and proofs compared with a literal RFC 9162, for every size and index up to 200."""

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import merkle
from tests.support.merkle_proofs import consistency_proof, inclusion_proof
from tests.unit.proof import reference

SIZES = 200
LEAVES = tuple(f"leaf {n}".encode() for n in range(SIZES))
ROOTS = [reference.mth(LEAVES[:n]) for n in range(SIZES + 1)]
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]
OTHER = merkle.leaf_hash(b"another leaf")


def included(index: int, size: int, proof: object, leaf: object = None) -> bool:
    hashed = HASHES[index] if leaf is None else leaf
    return merkle.verify_inclusion(hashed, index, size, proof, ROOTS[size])  # type: ignore[arg-type]


def consistent(m: int, n: int, proof: object) -> bool:
    return merkle.verify_consistency(m, n, proof, ROOTS[m], ROOTS[n])  # type: ignore[arg-type]


def flipped(raw: bytes, bit: int) -> bytes:
    return bytes(b ^ (1 << bit % 8 if at == bit // 8 else 0) for at, b in enumerate(raw))


# -- equal to the RFC


def test_the_empty_tree_hashes_nothing() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.root([]).hex() == empty


def test_a_known_tree() -> None:
    """Implementations of RFC 6962 test themselves with these eight leaves and this root."""
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    leaves.append("606162636465666768696a6b6c6d6e6f")
    known = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert merkle.root([bytes.fromhex(leaf) for leaf in leaves]).hex() == known


def test_every_root() -> None:
    for size in range(SIZES + 1):
        assert merkle.root(LEAVES[:size]) == ROOTS[size]


@pytest.fixture
def each_subtree_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cache subtree roots, which twenty thousand proofs share; our code still computes them."""
    monkeypatch.setattr(merkle, "root", functools.cache(merkle.root))


@pytest.mark.usefixtures("each_subtree_once")
def test_every_inclusion_proof_is_the_rfcs_and_holds() -> None:
    for size in range(1, SIZES + 1):
        leaves = LEAVES[:size]
        for index in range(size):
            proof = reference.path(index, leaves)
            assert included(index, size, proof)
            assert inclusion_proof(leaves, index) == proof


@pytest.mark.usefixtures("each_subtree_once")
def test_every_consistency_proof_is_the_rfcs_and_holds() -> None:
    for n in range(1, SIZES + 1):
        for m in range(1, n + 1):
            proof = reference.proof(m, LEAVES[:n])
            assert consistent(m, n, proof)
            assert consistency_proof(LEAVES, m, n) == proof


def test_a_frontier_says_every_root_and_goes_on_from_any_size() -> None:
    frontier = merkle.Frontier()
    for size, leaf in enumerate(HASHES):
        assert frontier.root() == ROOTS[size]
        frontier = merkle.Frontier(frontier.size, frontier.hashes)
        frontier.append(leaf)
    assert frontier.root() == ROOTS[SIZES]


# -- invalid proofs


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (4, 7), (6, 7), (3, 8), (99, 100)])
def test_every_bit_of_an_inclusion_proof_counts(index: int, size: int) -> None:
    proof = inclusion_proof(LEAVES[:size], index)
    for place, part in enumerate(proof):
        for bit in range(256):
            assert not included(
                index, size, [*proof[:place], flipped(part, bit), *proof[place + 1 :]]
            )
    for bit in range(256):
        assert not included(index, size, proof, flipped(HASHES[index], bit))
        wrong = flipped(ROOTS[size], bit)
        assert not merkle.verify_inclusion(HASHES[index], index, size, proof, wrong)


@pytest.mark.parametrize(("m", "n"), [(1, 2), (3, 7), (4, 7), (6, 7), (64, 100), (65, 100)])
def test_every_bit_of_a_consistency_proof_counts(m: int, n: int) -> None:
    proof = consistency_proof(LEAVES, m, n)
    for place, part in enumerate(proof):
        for bit in range(256):
            assert not consistent(m, n, [*proof[:place], flipped(part, bit), *proof[place + 1 :]])
    for bit in range(256):
        older, newer = flipped(ROOTS[m], bit), flipped(ROOTS[n], bit)
        assert not merkle.verify_consistency(m, n, proof, older, ROOTS[n])
        assert not merkle.verify_consistency(m, n, proof, ROOTS[m], newer)


def test_a_proof_holds_for_one_place_alone() -> None:
    """Another index is always refused; another size may need a proof of the same shape."""
    for size in range(1, 40):
        for index in range(size):
            proof = reference.path(index, LEAVES[:size])
            for elsewhere in set(range(-2, size + 3)) - {index}:
                leaf = HASHES[index]
                assert not merkle.verify_inclusion(leaf, elsewhere, size, proof, ROOTS[size])


def test_hashes_too_many_or_too_few_are_refused() -> None:
    for size in range(1, 70):
        for index in range(size):
            proof = reference.path(index, LEAVES[:size])
            assert not included(index, size, [*proof, OTHER])
            assert not included(index, size, [OTHER, *proof])
            assert not proof or not included(index, size, proof[:-1])
        for m in range(1, size + 1):
            proof = reference.proof(m, LEAVES[:size])
            assert not consistent(m, size, [*proof, OTHER])
            assert not proof or not consistent(m, size, proof[:-1])
            assert not proof or not consistent(m, size, [])


def test_a_proof_of_a_larger_tree_has_more_hashes() -> None:
    """A proof in a smaller tree is invalid for a larger size, even with the smaller tree's root."""
    for size in range(1, 40):
        larger = size + (1 << size.bit_length())  # the same path, and one more level above it
        for index in range(size):
            leaf, proof = HASHES[index], reference.path(index, LEAVES[:size])
            assert not merkle.verify_inclusion(leaf, index, larger, proof, ROOTS[size])
        for m in range(1, size):
            proof = reference.proof(m, LEAVES[:size])
            assert not merkle.verify_consistency(m, larger, proof, ROOTS[m], ROOTS[size])


def test_an_inner_node_is_no_leaf() -> None:
    """The two hash prefixes prevent a node's two hashes from passing as a leaf."""
    proof = inclusion_proof(LEAVES[:4], 0)
    assert not merkle.verify_inclusion(
        merkle.leaf_hash(HASHES[0] + HASHES[1]), 0, 2, proof[1:], ROOTS[4]
    )


def test_the_empty_tree_proves_nothing() -> None:
    empty = merkle.root([])
    assert not merkle.verify_inclusion(HASHES[0], 0, 0, [], empty)
    assert not merkle.verify_consistency(0, 0, [], empty, empty)
    assert not merkle.verify_consistency(0, 5, [], empty, ROOTS[5])
    assert not merkle.verify_consistency(5, 4, [], ROOTS[5], ROOTS[4])


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.just(HASHES[0])
)


@given(ANYTHING, ANYTHING, ANYTHING, st.one_of(ANYTHING, st.lists(ANYTHING)), ANYTHING)
def test_nothing_makes_a_verifier_raise(
    a: object, b: object, c: object, d: object, e: object
) -> None:
    answers = (
        merkle.verify_inclusion(a, b, c, d, e),  # type: ignore[arg-type]
        merkle.verify_consistency(b, c, d, a, e),  # type: ignore[arg-type]
    )
    assert all(type(answer) is bool for answer in answers)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 5), (5, 5)])
def test_no_proof_is_made_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(LEAVES[:size], index)


@pytest.mark.parametrize(("m", "n"), [(0, 5), (6, 5), (-1, 5), (1, SIZES + 1)])
def test_no_proof_is_made_between_sizes_that_do_not_follow(m: int, n: int) -> None:
    with pytest.raises(ValueError, match="leaves"):
        consistency_proof(LEAVES, m, n)


@pytest.mark.parametrize(("size", "hashes"), [(-1, []), (3, HASHES[:1]), (1, [b"short"])])
def test_a_frontier_that_cannot_be_is_refused(size: int, hashes: list[bytes]) -> None:
    with pytest.raises(ValueError, match="whole subtrees"):
        merkle.Frontier(size, hashes)
