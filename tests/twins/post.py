"""In-memory Post: receivers of webhooks by URL, and the requests (letters) that each got."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

from actors.ports.webhooks import Answered, Letter, NotSent

Receiver = Callable[[Letter], Answered | NotSent]


class TwinPost:
    """A Post with ``receivers`` by URL; a URL without a receiver cannot be reached.

    ``received`` has the delivered letters by URL. A ``slow`` receiver answers when its event is
    set.
    """

    def __init__(self) -> None:
        self.receivers: dict[str, Receiver] = {}
        self.received: defaultdict[str, list[Letter]] = defaultdict(list)
        self.slow: dict[str, asyncio.Event] = {}

    def answer(self, url: str, *statuses: int) -> None:
        """Let the receiver answer with these statuses in turn; the last status repeats for ever."""
        left = list(statuses)

        def receive(_: Letter) -> Answered:
            return Answered(left.pop(0) if len(left) > 1 else left[0])

        self.receivers[url] = receive

    async def send(self, letters: Sequence[Letter]) -> Sequence[Answered | NotSent]:
        return [await self._send(letter) for letter in letters]

    async def _send(self, letter: Letter) -> Answered | NotSent:
        if letter.url in self.slow:
            await self.slow[letter.url].wait()
        receiver = self.receivers.get(letter.url)
        if receiver is None:
            return NotSent("there is no connection to its address")
        became = receiver(letter)
        if isinstance(became, Answered):
            self.received[letter.url].append(letter)
        return became
