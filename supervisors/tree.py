"""The supervision tree: which supervisor has which children, in the order of their start."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import attrs

from actors.anchor.messages import Anchor
from actors.auditor.messages import Auditor
from actors.courier.messages import Courier
from actors.kernel import Ref
from actors.kernel.ref import CAPACITY
from actors.ledger.messages import Ledger
from actors.lifeline.messages import Lifeline
from actors.mailer.messages import Mailer
from actors.night_auditor.messages import NightAuditor
from actors.node_session.connection import Socket
from actors.node_session.messages import NodeSession
from actors.notifier.messages import Notifier
from actors.paymaster.messages import Paymaster
from actors.ports import Ports
from actors.scheduler.messages import Scheduler
from actors.sequencer.messages import Sequencer
from actors.verifier.messages import Verifier
from actors.watchman.messages import Watchman
from sql.nodes import NodeIdentity
from supervisors.actor_makers import ActorMakers
from supervisors.actor_settings import ActorSettings
from supervisors.child import Child, ChildSupervisor
from supervisors.dynamic_supervisor import DynamicSupervisor
from supervisors.registry import Registry
from supervisors.restart_policy import Backoff, GiveUp, Intensity, Strategy
from supervisors.snapshot import Snapshot
from supervisors.supervisor import Supervisor

STOP_SECONDS: Final = 5.0


@attrs.frozen
class Leaf:
    """An actor.

    ``marker``: the empty class for its address, such as ``Ledger`` in ``Ref[Ledger]``.
    ``capacity``: the limit of its mailbox, in messages. ``slow``: it may take minutes for one
    message.
    """

    name: str
    marker: type[Any]
    capacity: int = CAPACITY
    stop_within: float = STOP_SECONDS
    slow: bool = False


@attrs.frozen
class Given:
    """A child that the composition root may provide, by its name."""

    name: str
    slow: bool = False


@attrs.frozen
class Branch:
    """A supervisor. With ``spare``, its children are not essential: a child restarts with a
    back-off, and one that restarts too often stays down while its parent goes on.
    """

    name: str
    strategy: Strategy
    intensity: Intensity
    children: "tuple[Part, ...]"
    spare: bool = False


Part: TypeAlias = Leaf | Given | Branch
ONE, REST = Strategy.ONE_FOR_ONE, Strategy.REST_FOR_ONE
SESSIONS: Final = "Nodes"  # the sessions of connected nodes, which start and end by themselves

# If the mailbox of the Ledger or Scheduler is full, it refuses messages and the API answers 503.
# Slow actors: the audits read all books, the sweeper removes everything expired, and the console's
# hub reads all open pages, at most two seconds each. Endpoints may take ten seconds to answer the
# Courier, and the Watchman closes sockets in batches. While the actor of revocations (in Fence)
# does not run, all tokens are refused.
# fmt: off
TREE: Final = Branch("Root", REST, Intensity(3, 60), (
    Branch("Engines", ONE, Intensity(5, 30), (
        Given("postgres"), Given("schema"), Given("objects"), Given("valkey"), Given("stripe"),
    )),
    Branch("Books", ONE, Intensity(5, 30), (
        Leaf("ledger", Ledger, capacity=20_000),
        Leaf("sequencer", Sequencer),
        Leaf("auditor", Auditor, slow=True),
        Leaf("night auditor", NightAuditor, slow=True),
        Leaf("paymaster", Paymaster),
    )),
    Given(SESSIONS),
    Branch("Dispatch", REST, Intensity(5, 30), (
        Leaf("scheduler", Scheduler, capacity=10_000),
        Leaf("lifeline", Lifeline),
        Leaf("verifier", Verifier),
    )),
    Branch("Outside", ONE, Intensity(5, 30), (
        Leaf("notifier", Notifier, capacity=10_000),
        Leaf("courier", Courier, stop_within=15.0),
        Leaf("mailer", Mailer),
        Given("chain"),
        Leaf("anchor", Anchor),
    ), spare=True),
    Branch("Edge", REST, Intensity(3, 60), (
        Branch("Fence", ONE, Intensity(5, 30), (Given("revocations"),)),
        Branch("Connections", ONE, Intensity(5, 30), (Given("recorder"),), spare=True),
        Given("web"),
        Leaf("watchman", Watchman, stop_within=60.0),
        Given("pulse"),
        Branch("Uploads", ONE, Intensity(5, 30), (Given("sweeper", slow=True),), spare=True),
        Branch("Videos", ONE, Intensity(5, 30), (Given("videos", slow=True),), spare=True),
        Branch("Console", ONE, Intensity(5, 30), (Given("console", slow=True),), spare=True),
        Branch("Followers", ONE, Intensity(5, 30), (Given("events"),), spare=True),
    )),
    Branch("Verification", ONE, Intensity(5, 30), (Given("embedded verifier"),), spare=True),
))
# fmt: on
VITAL: Final = ("Books", "Dispatch", "Edge")  # a stuck actor below these ends the process


class Tree:
    """The supervision tree, built but not started.

    Start ``root``; ``registry`` has the addresses of the actors.
    """

    def __init__(
        self,
        ports: Ports,
        registry: Registry,
        settings: ActorSettings,
        given: Iterable[Child] = (),
    ) -> None:
        """Build the tree.

        ``given``: children that the composition root provides. Raises LookupError.
        """
        self.nodes = DynamicSupervisor(SESSIONS)
        self._registry = registry
        self._makers = ActorMakers(ports, settings, registry, self.nodes.children)
        self._make = self._makers.all()
        self._given: dict[str, Child | ChildSupervisor] = {child.name: child for child in given}
        self._given[SESSIONS] = self.nodes
        self._vital: list[Supervisor] = []
        self.root = Supervisor(
            TREE.name,
            TREE.strategy,
            TREE.intensity,
            self._grown(TREE),
            uniform=lambda: ports.random.uniform(0.0, 1.0),
        )
        if self._given:
            raise LookupError(f"no place in the tree for {', '.join(self._given)}")

    def _grown(self, branch: Branch) -> list[Child | ChildSupervisor]:
        """Return the children of a supervisor; children that are not provided are left out."""
        children = (self._grow(part) for part in branch.children)
        return [child for child in children if child is not None]

    def _grow(self, part: Part) -> Child | ChildSupervisor | None:
        if isinstance(part, Given):
            return self._given.pop(part.name, None)
        if isinstance(part, Leaf):
            return self._actor(part)
        children = self._grown(part)
        if not children:
            return None
        made = supervisor_of(part, children)
        if part.name in VITAL:
            self._vital.append(made)
        return made

    def _actor(self, leaf: Leaf) -> Child | None:
        make = self._make.get(leaf.marker)
        if make is None:
            return None
        ref = Ref[Any](leaf.name, capacity=leaf.capacity)
        self._registry.register(leaf.marker, ref)
        return Child(leaf.name, make, ref=ref, stop_within=leaf.stop_within)

    def vital(self) -> list[Snapshot]:
        """Return the state of the actors below VITAL, which must not get stuck.

        Actors that may take minutes for one message are left out.
        """
        parts = [leaf for part in self._vital for leaf in leaves_of(part.snapshot())]
        return [part for part in parts if part.name not in MAY_TAKE_MINUTES]

    async def open_session(self, node: NodeIdentity, socket: Socket) -> Ref[NodeSession]:
        """Start a session for a node on its socket. Raises StartFailed."""
        ref, make = self._makers.session(node, socket)
        await self.nodes.start_child(Child(ref.name, make, ref=ref, stop_within=STOP_SECONDS))
        return ref


def leaves_of(part: Snapshot) -> Iterator[Snapshot]:
    """Yield the actors below a part of the tree, or the part if it has no children."""
    if not part.children:
        yield part
    for child in part.children:
        yield from leaves_of(child)


def slow_parts(branch: Branch) -> Iterator[str]:
    """Yield the names of the children below a supervisor that may take minutes for one message."""
    for part in branch.children:
        if isinstance(part, Branch):
            yield from slow_parts(part)
        elif part.slow:
            yield part.name


MAY_TAKE_MINUTES: Final = frozenset(slow_parts(TREE))


def supervisor_of(branch: Branch, children: Sequence[Child | ChildSupervisor]) -> Supervisor:
    """Return the supervisor of a branch with these children, under the branch's policy."""
    return Supervisor(
        branch.name,
        branch.strategy,
        branch.intensity,
        children,
        backoff=Backoff(1, 60) if branch.spare else None,
        give_up=GiveUp.STAY_DOWN if branch.spare else GiveUp.ESCALATE,
    )
