"""What the Verifier says of deliveries while they wait for their verdict."""

from collections.abc import Mapping

from actors.kernel import Actor, handles
from actors.verifier.checkers import Checkers
from actors.verifier.messages import Looker, Looking, Verifier


class Telling(Actor[Verifier], partial=True):
    """Only what is known in this life: the books have the rest."""

    _checkers: Checkers

    @handles(Looking)
    async def looking(self, message: Looking) -> Mapping[int, Looker]:
        return self._checkers.at_work(message.job)
