"""Which node gets a unit."""

from collections.abc import Sequence
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from actors.kernel import Ref
from actors.scheduler.index import Index
from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import BACKLOG, Node
from actors.scheduler.policy import age, choose, has_ended, rank
from sql.work import ACTIVE, DRAINING, QUARANTINED, REVOKED, Standing

TYPES = ("echo", "render", "inference")
SESSION: Ref[object] = Ref("session")
USERS = (UUID(int=100), UUID(int=101))
STANDINGS = (ACTIVE, ACTIVE, ACTIVE, QUARANTINED, DRAINING, REVOKED)
NAMES = (
    *("capabilities", "offered", "load", "healthy", "slots", "session", "taken"),
    *("owner", "standing"),
)


@st.composite
def nodes(draw: st.DrawFn) -> list[Node]:
    made: list[Node] = []
    for number in range(draw(st.integers(0, 8))):
        slots = draw(st.none() | st.integers(1, 3))
        taken = draw(st.integers(0, BACKLOG + (slots or 0)))
        made.append(
            Node(
                UUID(int=number + 1),
                capabilities=frozenset(draw(st.sets(st.sampled_from(TYPES)))),
                offered=draw(st.none() | st.frozensets(st.sampled_from(TYPES))),
                load=draw(st.sampled_from((0.0, 0.5, 1.0))),
                healthy=draw(st.booleans()),
                slots=slots,
                session=draw(st.none() | st.just(SESSION)),
                taken={(UUID(int=n), number) for n in range(taken)},
                owner=draw(st.none() | st.sampled_from(USERS)),
                standing=Standing(draw(st.sampled_from(STANDINGS))),
            )
        )
    return made


def avoided(among: int = 8) -> st.SearchStrategy[frozenset[UUID]]:
    return st.frozensets(st.integers(1, among).map(lambda n: UUID(int=n)), max_size=5)


def indexed(made: Sequence[Node]) -> Index:
    index = Index()
    for node in made:
        record = index.node(node.id)
        for name in NAMES:
            setattr(record, name, getattr(node, name))
        index.changed(record)
    return index


def takes(node: Node, user: UUID | None) -> bool:
    """Whether people let the node work for a user."""
    name = node.standing.name
    return name == ACTIVE or (name == QUARANTINED and node.owner is not None and node.owner == user)


@given(nodes(), st.sampled_from(TYPES), avoided(), st.none() | st.sampled_from(USERS))
def test_the_chosen_node_can_do_it_has_room_and_none_is_better(
    made: list[Node], job_type: str, avoid: frozenset[UUID], user: UUID | None
) -> None:
    choice = choose(made, job_type, avoid, user)
    alive = [n for n in made if (n.healthy or n.session) and job_type in n.does]
    capable = [n for n in alive if takes(n, user)]
    if isinstance(choice, NoCapableNode):
        assert not capable
    elif isinstance(choice, AllNodesFull):
        others = [n for n in capable if n.id not in avoid] or capable
        assert others
        assert not any(n.has_room for n in others)
    else:
        assert choice in capable
        assert choice.has_room
        better = [n for n in capable if n.has_room and rank(n) < rank(choice)]
        assert all(n.id in avoid for n in better)


@given(nodes(), st.sampled_from(TYPES), avoided())
def test_a_node_that_failed_the_unit_gets_it_only_if_no_other_can_do_it(
    made: list[Node], job_type: str, avoid: frozenset[UUID]
) -> None:
    choice = choose(made, job_type, avoid)
    if isinstance(choice, Node) and choice.id in avoid:
        able = [n for n in made if n.eligible and job_type in n.does and takes(n, None)]
        assert all(n.id in avoid for n in able)


ASKS = st.tuples(st.sampled_from(TYPES), avoided(), st.none() | st.sampled_from(USERS))


@given(nodes(), st.lists(ASKS, max_size=60), st.data())
def test_the_index_chooses_as_a_look_at_every_node_would(
    made: list[Node],
    asks: list[tuple[str, frozenset[UUID], UUID | None]],
    data: st.DataObject,
) -> None:
    index = indexed(made)
    for number, (job_type, avoid, user) in enumerate(asks):
        choice = index.choose(job_type, avoid, user)
        expected = choose(index, job_type, avoid, user)
        assert choice == expected or choice is expected
        if isinstance(choice, Node):
            index.take(choice, (UUID(int=10_000 + number), 0))
        if made:
            change(index, data.draw(st.sampled_from(made)).id, data)


def change(index: Index, node: UUID, data: st.DataObject) -> None:
    record = index.node(node)
    what = data.draw(st.sampled_from(("health", "session", "release", "load", "types", "word")))
    if what == "health":
        record.healthy = not record.healthy
    elif what == "session":
        record.session = None if record.session else SESSION
    elif what == "load":
        record.load = data.draw(st.sampled_from((0.0, 0.3, 0.9)))
    elif what == "word":
        record.standing = Standing(data.draw(st.sampled_from(STANDINGS)))
    elif what == "types":
        record.capabilities = frozenset(data.draw(st.sets(st.sampled_from(TYPES))))
    elif record.taken:
        index.release(record, min(record.taken))
    index.changed(record)


def test_the_index_does_not_grow_with_the_changes_of_its_nodes() -> None:
    index = indexed([Node(UUID(int=1), capabilities=frozenset({"echo"}), healthy=True)])
    node = index.node(UUID(int=1))
    for _ in range(10_000):
        index.changed(node)
    assert index.entries < 100


def test_a_reachable_node_is_preferred_to_an_idle_one_that_is_not() -> None:
    far = Node(UUID(int=1), capabilities=frozenset({"echo"}), healthy=True)
    near = Node(
        UUID(int=2),
        capabilities=frozenset({"echo"}),
        session=SESSION,
        taken={(UUID(int=n), 0) for n in range(5)},
    )
    assert choose([far, near], "echo") is near


def test_units_are_counted_by_slot() -> None:
    wide, narrow = Node(UUID(int=1), slots=8), Node(UUID(int=2), slots=1)
    for node, taken in ((wide, 4), (narrow, 1)):
        node.capabilities, node.healthy = frozenset({"echo"}), True
        node.taken = {(UUID(int=n), 0) for n in range(taken)}
    assert choose([wide, narrow], "echo") is wide


STATES = ("PENDING", "QUEUED", "DISPATCHED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED")


def test_a_unit_ages_through_its_attempts_and_never_backwards() -> None:
    life = [
        ("PENDING", 0),
        ("QUEUED", 0),
        ("DISPATCHED", 1),
        ("RUNNING", 1),
        ("QUEUED", 1),
        ("DISPATCHED", 2),
        ("COMPLETED", 2),
    ]
    ages = [age(state, attempt) for state, attempt in life]
    assert ages == sorted(set(ages))


def test_only_three_states_are_ends() -> None:
    assert [s for s in STATES if has_ended(s)] == ["COMPLETED", "FAILED", "CANCELLED"]
