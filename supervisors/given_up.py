"""What a new epoch of the log gives up, as far as anchors and kept checkpoints tell."""

from collections.abc import Sequence
from typing import Final

import attrs

from actors.ports import Chain, ChainRefused, Past
from sql.anchors import Anchors
from sql.halt import SeenHead

ASKED_MAX: Final = 64  # anchors that are asked for one by one, where the node lists none


@attrs.frozen
class Lost:
    """Leaves ``first`` to ``last`` of the log before: they stood in this anchor, or checkpoint."""

    first: int
    last: int
    witness: Past


@attrs.frozen
class GivenUp:
    """Of ``known`` leaves that were seen, our log of ``leaves`` leaves has a beginning.

    It is as long as the largest anchor that is ours, ``kept``, or longer: up to ``kept_at_most``,
    which is all that there is, but for what the first one contradicts that is not ours.
    ``witnesses`` are those that are not, in their order.
    """

    leaves: int
    known: int
    kept: int
    kept_at_most: int
    witnesses: Sequence[Past] = ()

    @property
    def lost(self) -> int:
        """So many of those leaves are gone for certain."""
        return self.known - self.kept_at_most

    @property
    def lost_at_most(self) -> int:
        """And so many, if no more is ours than anchors say."""
        return self.known - self.kept

    @property
    def contradicted(self) -> bool:
        """Whether some leaf that we have is another one than was seen at its place."""
        return self.kept_at_most < min(self.leaves, self.known)

    @property
    def ranges(self) -> list[Lost]:
        """All that is gone for certain, each leaf by the first witness that has it."""
        found: list[Lost] = []
        first = self.kept_at_most
        for one in self.witnesses:
            if one.size > first:
                found.append(Lost(first, one.size - 1, one))
                first = one.size
        return found


async def given_up(
    chain: Chain, anchors: Anchors, contract: str, leaves: int, head: SeenHead | None = None
) -> GivenUp:
    """What our first ``leaves`` leaves lack of a contract's log, and of ``head``, which we signed.

    Raises what ports do.
    """
    past = list(await history(chain, anchors, contract))
    if head is not None and all((one.size, one.root) != (head.size, head.root) for one in past):
        past.append(Past(head.size, head.root))
    past.sort(key=lambda one: one.size)
    ours = [one for one in past if one.size <= leaves and await _is_ours(anchors, one)]
    kept = max((one.size for one in ours), default=0)
    gone = [one for one in past if one.size > kept]
    first = min((one.size for one in gone), default=leaves + 1)
    known = max((one.size for one in past), default=0)
    return GivenUp(leaves, known, kept, min(leaves, first - 1, known), gone)


async def history(chain: Chain, anchors: Anchors, contract: str) -> Sequence[Past]:
    """The anchors of a contract; those that can be asked for, where the node lists none."""
    try:
        return await chain.history(contract)
    except ChainRefused:
        pass
    found: list[Past] = []
    newest = await chain.newest(contract)
    if newest is not None and newest.size:
        found.append(Past(newest.size, newest.root))
    for row in await anchors.confirmed(ASKED_MAX):
        root = await chain.root_at(contract, row.size) if row.contract == contract else None
        if root is not None and all(row.size != one.size for one in found):
            found.append(Past(row.size, root))
    return found


async def _is_ours(anchors: Anchors, past: Past) -> bool:
    return (await anchors.own(past.size))[1] == past.root
