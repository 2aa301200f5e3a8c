"""A render farm of many nodes in simulated time, with the Scheduler's real state and policies.

There are no actors and sockets: nodes receive messages at once, and the database is a list of rows.
A test of the scheduling decisions of 10,000 nodes therefore takes seconds.
"""

import heapq
import random
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs

from actors.kernel import Message, Ref
from actors.ledger.messages import UnitState
from actors.node_session.messages import NodeSession, Recall, Send, Withdraw
from actors.scheduler import placement, speculation
from actors.scheduler.node import Node
from actors.scheduler.speculation import stragglers
from actors.scheduler.state import REFILL, SchedulerState
from actors.scheduler.work_stealing import WorkStealing
from config.settings import Scheduling
from sql.units import OpenUnit, UnitDuration, paces
from tests.support.plans import planned
from tests.twins.clock import EPOCH

POLL_SECONDS = 5.0  # from one search for stragglers to the next
BALANCE_SECONDS = 0.5  # from one search for idle nodes to the next
NEVER = Scheduling(straggler_times=0)
SCENE_FETCH = 2.0  # seconds that a node needs to fetch missing inputs
JOB_TYPE = "render"


@attrs.frozen
class Order:
    """A job over its user's only scene: ``frames`` of ``seconds`` each, submitted at ``at``."""

    user: int
    frames: int
    at: float = 0.0
    seconds: float = 10.0
    priority: int = 0


@attrs.define(eq=False)
class Machine:
    """A node with its waiting and running units; at ``speed`` 0.1 it takes ten times as long."""

    node: Node
    speed: float = 1.0
    waiting: deque[tuple[UUID, int, int]] = attrs.field(factory=deque[tuple[UUID, int, int]])
    running: int = 0
    has: set[int] = attrs.field(factory=set[int])  # users whose scenes are in its cache
    done: int = 0
    begun: dict[tuple[UUID, int, int], float] = attrs.field(
        factory=dict[tuple[UUID, int, int], float]
    )
    dropped: set[tuple[UUID, int, int]] = attrs.field(factory=set[tuple[UUID, int, int]])


@attrs.define
class Outcome:
    """Times and counts of a run; ``ended`` is by order and ``finished`` by frame."""

    ended: list[float]
    finished: list[float]
    placed: list[tuple[float, int, UUID]]  # time, order and node of each placement
    worked: list[tuple[float, float]]  # start and end of each frame's work
    copies: int = 0
    won: int = 0  # frames whose speculative copy finished first
    moves: int = 0
    fetches: int = 0
    most_on_a_node: float = 0.0  # units per slot

    def use(self, begin: float, end: float, slots: int) -> float:
        """Return the fraction of all slots that worked between two times."""
        spans = (min(to, end) - max(since, begin) for since, to in self.worked)
        return sum(span for span in spans if span > 0) / (slots * (end - begin))

    def last_placed(self) -> float:
        """Return the time of the last placement; until then units waited."""
        return max(at for at, _, _ in self.placed)


class Farm:
    """A simulated farm; all that happens follows from the seed.

    ``slow`` nodes are ten times slower. ``joining`` is a time and a number of nodes that join then.
    With ``balancing``, idle nodes get units that wait at other nodes.
    """

    def __init__(
        self,
        nodes: int,
        *,
        slots: int = 1,
        slow: int = 0,
        seed: int = 1,
        patience: Scheduling = NEVER,
        joining: tuple[float, int] = (0.0, 0),
        balancing: bool = False,
    ) -> None:
        self._patience = patience
        self._joining, self._balancing = joining, balancing
        self._done: dict[UUID, list[UnitDuration]] = {}
        self._copied: dict[tuple[UUID, int], int] = {}  # attempt number of each copy
        self._random = random.Random(seed)
        self._board = SchedulerState(self._say)
        self._work_stealing = WorkStealing(self._board)
        self._machines: dict[UUID, Machine] = {}
        self._slots = slots
        self._clock = 0.0
        self._events: list[tuple[float, int, Any]] = []
        self._count = 0
        self._orders: Sequence[Order] = ()
        self._rows: dict[UUID, list[OpenUnit]] = {}  # units that have not been placed yet
        self._outcome = Outcome([], [], [], [])
        self._left: dict[UUID, int] = {}
        self._given: set[tuple[UUID, int]] = set()
        for number in range(nodes):
            self._join(UUID(int=number + 1), 0.1 if number < slow else 1.0)

    def _join(self, name: UUID, speed: float) -> None:
        node = self._board.index.node(name)
        node.capabilities, node.healthy = frozenset({JOB_TYPE}), True
        node.session, node.slots = Ref(str(name)), self._slots
        self._board.index.changed(node)
        self._machines[name] = Machine(node, speed)

    def run(self, orders: Sequence[Order]) -> Outcome:
        """Submit the orders and run until every frame has ended."""
        self._orders = orders
        self._outcome.ended = [0.0] * len(orders)
        for number, order in enumerate(orders):
            self._later(order.at, ("order", number))
        if self._patience.straggler_times:
            self._later(POLL_SECONDS, ("poll",))
        if self._balancing:
            self._later(BALANCE_SECONDS, ("balance",))
        if self._joining[1]:
            self._later(self._joining[0], ("join",))
        while self._events:
            self._clock, _, event = heapq.heappop(self._events)
            self._happen(event)
            if not self._events or self._events[0][0] > self._clock:
                self._place()
        return self._outcome

    # -- events

    def _later(self, at: float, event: Any) -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, event))

    def _happen(self, event: Any) -> None:
        if event[0] == "order":
            self._submit(event[1])
        elif event[0] == "poll":
            self._look_for_stragglers()
        elif event[0] == "balance":
            self._balance()
        elif event[0] == "recall":
            self._recall(*event[1:])
        elif event[0] == "join":
            for _ in range(self._joining[1]):
                self._join(UUID(int=len(self._machines) + 1), 1.0)
        else:
            self._finish(*event[1:])

    def _submit(self, number: int) -> None:
        order, job = self._orders[number], UUID(int=10_000_000 + number)
        self._left[job] = order.frames
        self._rows[job] = [self._row(order, job, unit) for unit in range(order.frames)][::-1]
        state = UnitState(job, 0, "QUEUED", 0, None, "QUEUED")
        self._board.apply(state)

    def _row(self, order: Order, job: UUID, unit: int) -> OpenUnit:
        return OpenUnit(
            job=job,
            number=unit,
            user=UUID(int=1_000_000 + order.user),
            plan=planned(JOB_TYPE, f"s3://scenes/{order.user}"),
            state="QUEUED",
            queued_at=EPOCH + timedelta(seconds=order.at),
            place=unit,
            frames=str(unit),
            priority=order.priority,
            units=order.frames,
        )

    def _finish(self, machine: Machine, job: UUID, unit: int, attempt: int) -> None:
        if (job, unit, attempt) in machine.dropped:
            return
        machine.running -= 1
        machine.done += 1
        self._outcome.finished.append(self._clock)
        self._left[job] -= 1
        if not self._left[job]:
            self._outcome.ended[job.int - 10_000_000] = self._clock
        name, copied = machine.node.id, self._copied.get((job, unit), 0)
        self._outcome.won += attempt == copied
        began = machine.begun.pop((job, unit, attempt))
        self._done.setdefault(job, []).append(
            UnitDuration(job, str(unit), False, self._clock - began)
        )
        state = UnitState(job, unit, "COMPLETED", attempt, name, "RUNNING", copied)
        self._board.apply(state)
        self._begin(machine)

    def _look_for_stragglers(self) -> None:
        """Search for stragglers and copy them, as the Scheduler does after reading the database."""
        now = EPOCH + timedelta(seconds=self._clock)
        late = speculation.late_units(self._board, now, self._patience)
        done = [one for job in {unit.job for unit in late} for one in self._done.get(job, ())]
        for unit in stragglers(late, paces(done), now, self._patience):
            booking = speculation.reserve_copy(self._board, unit, self._clock)
            if booking is not None:
                self._copied[unit.key] = booking.attempt
                self._outcome.copies += 1
                self._board.confirm(booking, now, 0.0)
        if any(self._left.values()):
            self._later(self._clock + POLL_SECONDS, ("poll",))

    def _balance(self) -> None:
        self._board.expire(EPOCH, self._clock)
        self._work_stealing.balance(EPOCH + timedelta(seconds=self._clock), self._clock)
        if any(self._left.values()):
            self._later(self._clock + BALANCE_SECONDS, ("balance",))

    def _recall(self, machine: Machine, message: Recall) -> None:
        """Answer a recall as a session does: a waiting unit is returned, a running one stays."""
        key = (message.job, message.unit, message.attempt)
        if key in machine.waiting:
            machine.waiting.remove(key)
            self._outcome.moves += 1
            self._board.apply(UnitState(*key[:2], "QUEUED", message.attempt, None, "RUNNING"))
        else:
            self._board.recall_declined(key[:2], message.attempt)

    def _place(self) -> None:
        now = EPOCH + timedelta(seconds=self._clock)
        while True:
            for booking in placement.place(self._board, now, self._clock):
                assert booking.node is not None, "a unit that waits goes to a node"
                job = booking.unit.job
                self._outcome.placed.append((self._clock, job.int - 10_000_000, booking.node))
                self._board.confirm(booking, now, 0.0)
            hungry = sorted(self._board.jobs_to_refill)
            if not hungry:
                return
            rows = [row for job in hungry for row in self._next(job)]
            self._board.top_up(hungry, rows, now)
            if not rows:
                return

    def _next(self, job: UUID) -> list[OpenUnit]:
        """Return the job's next units that no node has had yet, as the database would."""
        rows = self._rows[job]
        while rows and (job, rows[-1].number) in self._given:
            rows.pop()
        return rows[-REFILL:][::-1]

    # -- nodes

    def _say(self, node: Node, message: Message[NodeSession, None]) -> bool:
        if isinstance(message, Send):
            machine, unit = self._machines[node.id], message.assignment
            self._given.add((unit.job, unit.number))
            machine.waiting.append((unit.job, unit.number, unit.attempt))
            load = len(node.assigned) / self._slots
            self._outcome.most_on_a_node = max(self._outcome.most_on_a_node, load)
            self._begin(machine)
        elif isinstance(message, Withdraw):
            self._withdraw(self._machines[node.id], message)
        elif isinstance(message, Recall):
            self._later(self._clock, ("recall", self._machines[node.id], message))
        return True

    def _started(self, job: UUID, unit: int, attempt: int) -> None:
        """Record in the scheduler's state when a unit began to run."""
        if self._patience.straggler_times:
            is_copy = attempt == self._copied.get((job, unit))
            shelf = self._board.copies if is_copy else self._board.units
            shelf[job, unit].started_at = EPOCH + timedelta(seconds=self._clock)

    def _withdraw(self, machine: Machine, message: Withdraw) -> None:
        """Stop the unit at once and begin the next unit."""
        key = (message.job, message.unit, message.attempt)
        if key in machine.waiting:
            machine.waiting.remove(key)
        elif key in machine.begun:
            del machine.begun[key]
            machine.dropped.add(key)
            machine.running -= 1
            self._begin(machine)

    def _begin(self, machine: Machine) -> None:
        while machine.waiting and machine.running < self._slots:
            job, unit, attempt = machine.waiting.popleft()
            order = self._orders[job.int - 10_000_000]
            took = order.seconds * self._random.uniform(0.9, 1.1) / machine.speed
            if order.user not in machine.has:
                machine.has.add(order.user)
                self._outcome.fetches += 1
                took += SCENE_FETCH
            machine.running += 1
            machine.begun[job, unit, attempt] = self._clock
            self._started(job, unit, attempt)
            self._outcome.worked.append((self._clock, self._clock + took))
            self._later(self._clock + took, ("done", machine, job, unit, attempt))
