"""The actor that runs an engine in the supervision tree."""

import asyncio
import contextlib
from typing import Generic, Protocol, TypeVar

import attrs

from actors.kernel import Actor, Message, handles
from supervisors.child import Child
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.errors import EngineError

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)

START_SECONDS = 120.0
# Longer than the tether of any engine takes to end it.
STOP_SECONDS = 40.0


class RunsEngine(Protocol[E_co]):
    """An embedded engine, or the check of a remote engine."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int: ...

    async def start(self, *, within: float) -> E_co: ...

    async def exited(self) -> int: ...

    async def stop(self) -> None: ...


class Machine:
    """Marker: an empty class for the address of an actor that runs an engine (``Ref[Machine]``)."""


@attrs.frozen
class EngineEnded(Message[Machine, None]):
    """From the actor's own task: the engine's process ``pid`` ended by itself; the actor then
    crashes.
    """

    pid: int
    code: int


@attrs.frozen
class EngineMissing(Message[Machine, None]):
    """From the actor's own task: the engine did not start; the actor then crashes."""

    reason: str


class EngineActor(Actor[Machine], Generic[E]):
    """Runs one engine: starts and stops it, and crashes when the engine ends by itself.

    With ``late`` the actor counts as started before its engine has started, so that other actors
    neither wait for it nor fail with it.
    """

    def __init__(
        self, engine: RunsEngine[E], current: CurrentEndpoint[E], *, late: bool = False
    ) -> None:
        self._engine = engine
        self._current = current
        self._late = late
        self._watch: asyncio.Task[None] | None = None

    async def started(self) -> None:
        if not self._late:
            await self._start()
        self._watch = asyncio.get_running_loop().create_task(self._until_it_ends())

    async def _start(self) -> None:
        self._current.set(await self._engine.start(within=START_SECONDS))

    async def _until_it_ends(self) -> None:
        if self._late:
            try:
                await self._start()
            except Exception as error:
                text = str(error) if isinstance(error, EngineError) else type(error).__name__
                self.ref.tell(EngineMissing(f"{self._engine.name} does not start: {text}"))
                return
        code = await self._engine.exited()
        self.ref.tell(EngineEnded(pid=self._engine.pid, code=code))

    @handles(EngineEnded)
    async def ended(self, message: EngineEnded) -> None:
        # A late notice about the previous instance's engine is ignored.
        if message.pid == self._engine.pid:
            raise EngineError(f"{self._engine.name} ended by itself with {message.code}")

    @handles(EngineMissing)
    async def missing(self, message: EngineMissing) -> None:
        raise EngineError(message.reason)

    async def stopped(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        await self._engine.stop()


def engine_child(
    engine: RunsEngine[E],
    current: CurrentEndpoint[E],
    *,
    name: str | None = None,
    late: bool = False,
) -> Child:
    """Return a supervisor's child that runs the engine.

    Users of the engine read the endpoint from ``current``. ``name``: the child's name in the tree,
    if it is not the engine's.
    """
    return Child(
        name or engine.name,
        lambda: EngineActor(engine, current, late=late),
        start_within=START_SECONDS + STOP_SECONDS,
        stop_within=STOP_SECONDS,
        capacity=16,
    )
