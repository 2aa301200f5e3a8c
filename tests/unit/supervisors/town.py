"""A tree whose actors log what happens to them, for the tests of supervisors."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import attrs

from actors.kernel import Actor, AskFailed, Fatal, Message, Ref, State, handles
from supervisors.child import Child, ChildSupervisor
from supervisors.restart_policy import Backoff, GiveUp, Intensity, Strategy
from supervisors.supervisor import Supervisor


class House:
    """Marker of the houses' addresses."""


@attrs.frozen
class Crash(Message[House, None]):
    """Message whose handler raises an error."""


@attrs.frozen
class Ruin(Message[House, None]):
    """Message whose handler raises Fatal."""


@attrs.frozen
class Leave(Message[House, None]):
    """Message that ends the actor normally."""


@attrs.frozen
class Say(Message[House, None]):
    text: str


@attrs.frozen
class Dawdle(Message[House, None]):
    """Message whose handler waits for ever."""


class Town:
    """The common log of all houses, and their hooks for start and stop."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.on_start: dict[str, Callable[[], Awaitable[None] | None]] = {}
        self.on_stop: dict[str, Callable[[], Awaitable[None] | None]] = {}
        self.refs: dict[str, Ref[House]] = {}

    def house(self, name: str, *, stop_within: float = 5.0) -> Child:
        child = Child(
            name, lambda: HouseActor(self, name), stop_within=stop_within, start_within=9.0
        )
        self.refs[name] = child.ref
        return child

    def since(self) -> str:
        """Return what was logged since the last call, in one line."""
        text = " ".join(self.log)
        self.log.clear()
        return text

    async def crash(self, name: str, times: int = 1) -> None:
        for _ in range(times):
            try:
                await self.refs[name].ask(Crash(), within=1000.0)
            except AskFailed:
                await quiet()

    async def leave(self, name: str) -> None:
        self.refs[name].tell(Leave())
        await quiet()


class HouseActor(Actor[House]):
    """An actor that logs ``+name`` at its start, ``-name`` at its stop and ``!name`` at a crash."""

    def __init__(self, town: Town, name: str) -> None:
        self.town = town
        self.name = name

    async def started(self) -> None:
        await call(self.town.on_start.get(self.name))
        self.town.log.append(f"+{self.name}")

    async def stopped(self) -> None:
        self.town.log.append(f"-{self.name}")
        await call(self.town.on_stop.get(self.name))

    @handles(Crash)
    async def crash(self, message: Crash) -> None:
        self.town.log.append(f"!{self.name}")
        raise ValueError("hunter2")

    @handles(Ruin)
    async def ruin(self, message: Ruin) -> None:
        raise Fatal("the ground has gone")

    @handles(Leave)
    async def leave(self, message: Leave) -> None:
        self.stop()

    @handles(Say)
    async def say(self, message: Say) -> None:
        self.town.log.append(message.text)

    @handles(Dawdle)
    async def dawdle(self, message: Dawdle) -> None:
        await asyncio.sleep(1e9)


async def call(hook: Callable[[], Awaitable[None] | None] | None) -> None:
    value = hook() if hook is not None else None
    if value is not None:
        await value


def refuse() -> None:
    """Raise an error, as a hook that fails."""
    raise OSError("no water")


def root(
    strategy: Strategy,
    children: Sequence[Child | ChildSupervisor],
    *,
    restarts: int = 5,
    within: float = 30.0,
    backoff: Backoff | None = None,
    give_up: GiveUp = GiveUp.ESCALATE,
    name: str = "root",
    uniform: Callable[[], float] = lambda: 0.5,
) -> Supervisor:
    return Supervisor(
        name,
        strategy,
        Intensity(restarts=restarts, within=within),
        children,
        backoff=backoff,
        give_up=give_up,
        uniform=uniform,
    )


async def quiet(turns: int = 40) -> None:
    """Let everything that can run without time passing run."""
    for _ in range(turns):
        await asyncio.sleep(0)


def states(supervisor: Supervisor) -> dict[str, State]:
    """Return the states of the children by name."""
    return {child.name: child.state for child in supervisor.snapshot().children}
