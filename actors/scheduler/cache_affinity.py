"""Which nodes were given which inputs lately: what they fetched is probably in their caches."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final
from uuid import UUID

HOLDERS_MOST: Final = 16  # of one input: the newest; looking at more costs more than it saves
INPUTS_MOST: Final = 4_096  # they fill within minutes: what a gateway holds is soon what it will


class CacheAffinity:
    """A guess: a node whose cache is small may have dropped it, and then fetches it again."""

    def __init__(self, inputs_most: int = INPUTS_MOST) -> None:
        self._holders: OrderedDict[str, tuple[UUID, ...]] = OrderedDict()  # the newest one last
        self._most = inputs_most

    def note(self, node: UUID, inputs: str) -> None:
        """A node was given a unit that is made of them."""
        if not inputs:
            return
        others = [one for one in self._holders.get(inputs, ()) if one != node]
        self._holders[inputs] = (*others, node)[-HOLDERS_MOST:]
        self._holders.move_to_end(inputs)
        if len(self._holders) > self._most:
            self._holders.popitem(last=False)

    def holders(self, inputs: str) -> Iterable[UUID]:
        """Who had them last, the oldest first."""
        return self._holders.get(inputs, ()) if inputs else ()
