"""Proofs of the Merkle tree over leaves in memory, straight from their definition in RFC 9162."""

from collections.abc import Sequence

from rendertrust import merkle


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes from leaf ``index`` up to the root of all ``leaves``, PATH (§2.1.3.1).

    Raises ValueError if there is no such leaf.
    """
    return [
        merkle.root(leaves[start:end]) for start, end in merkle.inclusion_ranges(index, len(leaves))
    ]


def consistency_proof(leaves: Sequence[bytes], m: int, n: int) -> list[bytes]:
    """Return the proof that the first ``n`` leaves begin with the first ``m``, PROOF (§2.1.4.1).

    It is empty if ``m == n``. Raises ValueError unless ``0 < m <= n <= len(leaves)``.
    """
    if n > len(leaves):
        raise ValueError(f"there are {len(leaves)} leaves, not {n}")
    return [merkle.root(leaves[start:end]) for start, end in merkle.consistency_ranges(m, n)]
