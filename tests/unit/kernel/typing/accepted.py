"""Sample code that both type checkers accept: a Scheduler that forwards to a batching Ledger."""

from collections.abc import Sequence

import attrs

from actors.kernel import Actor, DeferredReply, Down, Message, Ref, Timer, handles, handles_batch


class Ledger:
    """Marker of the ledger's address."""


class Scheduler:
    """Marker of the scheduler's address."""


@attrs.frozen
class Held:
    entry: int


@attrs.frozen
class Insufficient:
    available: int


Outcome = Held | Insufficient


@attrs.frozen
class Commit(Message[Ledger, Outcome]):
    account: str
    amount: int


@attrs.frozen
class Balance(Message[Ledger, int]):
    account: str


@attrs.frozen
class Dispatch(Message[Scheduler, Outcome]):
    account: str


@attrs.frozen
class Park(Message[Scheduler, str]):
    """Message whose asker waits for the next Poke."""


@attrs.frozen
class Poke(Message[Scheduler, None]):
    """Message without a reply."""


class LedgerActor(Actor[Ledger]):
    @handles_batch(Commit, limit=1000)
    async def commit(self, messages: Sequence[Commit]) -> list[Outcome]:
        return [Held(1) if m.amount < 100 else Insufficient(0) for m in messages]

    @handles(Balance)
    async def balance(self, message: Balance) -> int:
        return len(message.account)


class SchedulerActor(Actor[Scheduler]):
    def __init__(self, ledger: Ref[Ledger]) -> None:
        self.ledger = ledger
        self.waiting: list[DeferredReply[Outcome]] = []
        self.parked: list[DeferredReply[str]] = []
        self.timer: Timer | None = None

    async def started(self) -> None:
        self.watch(self.ledger)
        self.timer = self.after(60.0, Poke(), jitter=0.1)

    @handles(Dispatch)
    async def dispatch(self, message: Dispatch) -> Outcome | DeferredReply[Outcome]:
        if message.account == "later":
            later = self.later(message)
            self.waiting.append(later)
            return later
        if not message.account:
            return Insufficient(0)
        return self.forward(self.ledger, Commit(message.account, 10))

    @handles(Park)
    async def park(self, message: Park) -> DeferredReply[str]:
        later = self.later(str)
        self.parked.append(later)
        return later

    @handles(Poke)
    async def poke(self, message: Poke) -> None:
        for later in self.waiting:
            later.answer(Held(0))
        for parked in self.parked:
            parked.answer("done")

    @handles(Down)
    async def ledger_is_down(self, message: Down) -> None:
        self.stop()


async def use(scheduler: Ref[Scheduler], ledger: Ref[Ledger]) -> int:
    outcome: Outcome = await scheduler.ask(Dispatch("a"), within=1.0)
    text: str = await scheduler.ask(Park(), within=1.0)
    await scheduler.ask(Poke(), within=1.0)
    taken: bool = scheduler.tell(Poke())
    await scheduler.offer(Poke())
    balance: int = await ledger.ask(Balance("a"), within=1.0)
    return balance + len(text) + taken + (outcome == Held(1))
