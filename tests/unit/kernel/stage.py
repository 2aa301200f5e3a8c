"""Stage for kernel tests: an actor with handlers of every sort, and a tree that runs it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import attrs

from actors.kernel import (
    Actor,
    DeferredReply,
    Down,
    Message,
    Overflow,
    Ref,
    Timer,
    handles,
    handles_batch,
)
from actors.kernel.shared_state import SharedState
from supervisors.child import Child
from supervisors.restart_policy import Backoff, Intensity, Strategy
from supervisors.supervisor import Supervisor


class Stage:
    """Marker of the stage actors."""


@attrs.frozen
class Note(Message[Stage, int]):
    """Message that is logged; the reply is the length of the log."""

    text: str


@attrs.frozen
class Line(Message[Stage, str]):
    """Message that is handled in batches; the reply is the text in capitals."""

    text: str


@attrs.frozen
class Hold(Message[Stage, str]):
    """Message that keeps the handler busy until the gate opens."""


@attrs.frozen
class Boom(Message[Stage, None]):
    """Message whose handler raises an error with the text ``secret``."""

    secret: str = "hunter2"


@attrs.frozen
class Wait(Message[Stage, str]):
    """Message whose asker waits for a ``Release``."""


@attrs.frozen
class Release(Message[Stage, None]):
    """Message that answers the askers of all ``Wait``s."""

    text: str = "released"


@attrs.frozen
class Pass(Message[Stage, int]):
    """Message that is forwarded to another actor, as a Note."""

    to: Ref["Stage"]
    text: str


@attrs.frozen
class Load(Message[Stage, None]):
    """Message that coalesces by node."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE
    node: str
    value: int

    def coalesce_key(self) -> Hashable:
        return self.node


@attrs.frozen
class Progress(Message[Stage, None]):
    """Message of a kind whose oldest message is dropped when the mailbox is full."""

    overflow: ClassVar[Overflow] = Overflow.DROP_OLDEST
    value: int


@attrs.frozen
class Frame(Message[Stage, None]):
    """Message that waits for room in the mailbox."""

    overflow: ClassVar[Overflow] = Overflow.AWAIT_ROOM
    value: int


@attrs.frozen
class Do(Message[Stage, Any]):
    """Message that runs a function of the test inside the actor."""

    what: Callable[["StageActor"], Any]


class Script:
    """State that all instances of a StageActor share: a log, a gate, and what their hooks do."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.gate = asyncio.Event()
        self.instances: list[StageActor] = []
        self.on_start: Callable[[StageActor], Any] = lambda actor: None
        self.on_stop: Callable[[StageActor], Any] = lambda actor: None

    def make(self) -> "StageActor":
        return StageActor(self)


async def settle(value: object) -> None:
    """Await the value if it is a coroutine."""
    if asyncio.iscoroutine(value):
        await value


class StageActor(Actor[Stage]):
    def __init__(self, script: Script) -> None:
        self.script = script
        self.log = script.log
        self.waiting: list[DeferredReply[str]] = []
        self.timers: list[Timer] = []
        script.instances.append(self)

    async def started(self) -> None:
        self.log.append("started")
        await settle(self.script.on_start(self))

    async def stopped(self) -> None:
        self.log.append("stopped")
        await settle(self.script.on_stop(self))

    @handles(Note)
    async def note(self, message: Note) -> int:
        self.log.append(message.text)
        return len(self.log)

    @handles_batch(Line, limit=4)
    async def lines(self, messages: Sequence[Line]) -> list[str]:
        texts = [message.text for message in messages]
        self.log.append(texts)
        if "boom" in texts:
            raise RuntimeError("hunter2")
        return [text.upper() for text in texts]

    @handles(Hold)
    async def hold(self, message: Hold) -> str:
        self.log.append("held")
        await self.script.gate.wait()
        self.log.append("let go")
        return "held"

    @handles(Boom)
    async def boom(self, message: Boom) -> None:
        self.log.append("boom")
        raise ValueError(message.secret)

    @handles(Wait)
    async def wait(self, message: Wait) -> DeferredReply[str]:
        later = self.later(message)
        self.waiting.append(later)
        return later

    @handles(Release)
    async def release(self, message: Release) -> None:
        for later in self.waiting:
            later.answer(message.text)
        self.waiting.clear()

    @handles(Pass)
    async def passed(self, message: Pass) -> DeferredReply[int]:
        return self.forward(message.to, Note(message.text))

    @handles(Load)
    async def load(self, message: Load) -> None:
        self.log.append((message.node, message.value))

    @handles(Progress)
    async def progress(self, message: Progress) -> None:
        self.log.append(message.value)

    @handles(Frame)
    async def frame(self, message: Frame) -> None:
        self.log.append(message.value)

    @handles(Do)
    async def do(self, message: Do) -> Any:
        result = message.what(self)
        if asyncio.iscoroutine(result):
            result = await result
        return result

    @handles(Down)
    async def down(self, message: Down) -> None:
        self.log.append((message.ref.name, message.reason))


class Play:
    """A running tree of stage actors."""

    def __init__(self, root: Supervisor, children: Sequence[Child], scripts: list[Script]) -> None:
        self.root = root
        self.refs: list[Ref[Stage]] = [child.ref for child in children]
        self.scripts = scripts
        self.ref, self.script = self.refs[0], scripts[0]
        self.log = self.script.log


@asynccontextmanager
async def play(
    actors: int = 1,
    *,
    capacity: int = 1024,
    script: Callable[[Script], None] = lambda script: None,
    uniform: Callable[[], float] = lambda: 0.5,
    backoff: Backoff | None = None,
    restarts: int = 5,
    stop_within: float = 5.0,
) -> AsyncGenerator[Play, None]:
    """Run ``actors`` stage actors, restarted one for one, until the block ends."""
    scripts = [Script() for _ in range(actors)]
    script(scripts[0])
    children = [
        Child(f"stage-{n}", each.make, capacity=capacity, stop_within=stop_within, start_within=9.0)
        for n, each in enumerate(scripts)
    ]
    root = Supervisor(
        "root",
        Strategy.ONE_FOR_ONE,
        Intensity(restarts=restarts, within=30.0),
        children,
        uniform=uniform,
        backoff=backoff,
    )
    await root.start()
    try:
        yield Play(root, children, scripts)
    finally:
        for each in scripts:
            each.gate.set()
        await root.stop()


async def quiet(turns: int = 20) -> None:
    """Let everything that can run without time passing run."""
    for _ in range(turns):
        await asyncio.sleep(0)


def shared() -> SharedState:
    return SharedState(lambda: 0.5)
