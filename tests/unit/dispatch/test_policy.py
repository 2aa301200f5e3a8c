"""Choice of a node for a unit."""

from collections.abc import Sequence
from uuid import UUID

import attrs
from hypothesis import given
from hypothesis import strategies as st

from actors.kernel import Ref
from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import (
    BACKLOG,
    GIB,
    NOTHING,
    UNKNOWN,
    Lacked,
    Node,
    NodeResources,
    Requirements,
    raised_requirements,
    requirements_of,
    resources_of,
)
from actors.scheduler.node_index import NEEDS_MOST, NodeIndex
from actors.scheduler.policy import begins_elsewhere, rank
from actors.scheduler.units import PlacementRequest, RequestKind, SchedulerStatus, age
from rendertrust.job_spec import NodeNeeds
from rendertrust.job_types import PREFLIGHT
from sql.access import Access
from sql.nodes import ACTIVE, DRAINING, QUARANTINED, REVOKED, StandingRecord
from sql.units import ANY, MINE, TRUSTED
from tests.unit.dispatch.node_choice import candidates, choose

TYPES = ("echo", "render", PREFLIGHT)
SESSION: Ref[object] = Ref("session")
USERS = (UUID(int=100), UUID(int=101))
STANDINGS = (ACTIVE, ACTIVE, ACTIVE, QUARANTINED, DRAINING, REVOKED)
NAMES = (
    *("capabilities", "offered", "load", "healthy", "slots", "session", "assigned"),
    *("owner", "standing", "pools", "resources", "rests_until"),
)
ORGS = (UUID(int=200), UUID(int=201))
INPUTS = ("", "s3://one", "s3://two")
ECHO = PlacementRequest(RequestKind("echo"))
SAID = ((), (), (MINE, TRUSTED), (MINE,), (TRUSTED,), (MINE, ANY))
KITS = (
    NodeResources(),
    NodeResources("cpu", ((5, 2),), 8 * GIB, "cpu/a"),
    NodeResources("gpu", ((4, 5), (5, 0)), GIB),
    NodeResources("cpu", ((5, 0),), 2 * GIB),
    NodeResources("cpu", ((4, 5), (5, 0)), 2 * GIB, uninstalled=frozenset({(4, 5)})),
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
                assigned={(UUID(int=n), number) for n in range(taken)},
                owner=draw(st.none() | st.sampled_from(USERS)),
                standing=StandingRecord(draw(st.sampled_from(STANDINGS))),
                pools=frozenset(draw(st.sampled_from(SAID))),
                resources=draw(st.sampled_from(KITS)),
                is_ours=draw(st.booleans()),
                rests_until=draw(st.sampled_from((None, None, None, 9.0))),
            )
        )
    return made


def avoided(among: int = 8) -> st.SearchStrategy[frozenset[UUID]]:
    return st.frozensets(st.integers(1, among).map(lambda n: UUID(int=n)), max_size=5)


def indexed(made: Sequence[Node]) -> NodeIndex:
    index = NodeIndex([node.id for node in made if node.is_ours])
    for node in made:
        record = index.node(node.id)
        for name in NAMES:
            setattr(record, name, getattr(node, name))
        index.changed(record)
    return index


POOLS = (ANY, ANY, MINE, TRUSTED)
SOME_NEEDS = (
    NOTHING,
    NOTHING,
    Requirements("gpu"),
    Requirements("cpu", (5, 0)),
    Requirements(blender=(4, 5), or_newer=True, undeclared=True),
    Requirements(memory=2 * GIB),
    Requirements(device_class="cpu/a"),
)


@st.composite
def ties(draw: st.DrawFn) -> Access:
    """Draw memberships, lent nodes and trust among two organisations, eight nodes and two users."""
    members = st.tuples(st.sampled_from(USERS), st.sampled_from(ORGS))
    lent = st.tuples(st.integers(1, 8).map(lambda n: UUID(int=n)), st.sampled_from(ORGS))
    trusts = st.sampled_from(((USERS[0], USERS[1]), (USERS[1], USERS[0])))
    return Access.of(
        draw(st.lists(members, max_size=3)),
        draw(st.lists(lent, max_size=4)),
        draw(st.lists(trusts, max_size=2)),
    )


@st.composite
def demands(draw: st.DrawFn) -> PlacementRequest:
    kind = RequestKind(
        draw(st.sampled_from(TYPES)),
        draw(st.sampled_from(POOLS)),
        draw(st.booleans()),
        draw(st.sampled_from(SOME_NEEDS)),
    )
    user, inputs = draw(st.none() | st.sampled_from(USERS)), draw(st.sampled_from(INPUTS))
    return PlacementRequest(kind, user, inputs, is_final=draw(st.booleans()))


def is_of(node: Node, user: UUID | None, circles: Access) -> bool:
    """Return whether the node is the user's own or lent to one of the user's organisations."""
    if user is None:
        return False
    lent = circles.lent.get(node.id)
    return node.owner == user or (lent is not None and lent in circles.of_user(user))


def is_forbidden(node: Node, demand: PlacementRequest, circles: Access) -> bool:
    """Return whether a placement is forbidden, with each rule written out."""
    user, pool, own = demand.user, demand.kind.pool, is_of(node, demand.user, circles)
    says_no = node.standing.name in (DRAINING, REVOKED)
    quarantined = node.standing.name == QUARANTINED and (user is None or node.owner != user)
    is_stranger = not own and not circles.trust(node.owner, user)
    unprotected = node.standing.name == ACTIVE and bool(node.pools) and ANY not in node.pools
    seen = (pool == MINE and not own) or (
        pool == TRUSTED and not own and not circles.trust(user, node.owner)
    )
    return says_no or quarantined or (unprotected and is_stranger) or seen


@given(nodes(), demands(), avoided(), ties())
def test_the_chosen_node_can_do_it_has_room_and_none_is_better(
    made: list[Node], demand: PlacementRequest, avoid: frozenset[UUID], circles: Access
) -> None:
    choice = choose(made, demand, avoid, circles)
    capable = candidates(made, demand, avoid, circles)
    if isinstance(choice, NoCapableNode):
        assert not capable
    elif isinstance(choice, AllNodesFull):
        assert capable
        assert not any(n.accepts_work for n in capable)
    else:
        assert choice in capable
        assert choice.accepts_work
        assert not [n for n in capable if n.accepts_work and rank(n) < rank(choice)]


@given(nodes(), demands(), ties())
def test_no_unit_goes_to_a_node_that_must_not_have_it_or_cannot_do_it(
    made: list[Node], demand: PlacementRequest, circles: Access
) -> None:
    for node in candidates(made, demand, frozenset(), circles):
        assert not is_forbidden(node, demand, circles)
        assert node.healthy or node.session
        assert demand.kind.job_type in node.does
        assert node.resources.has(demand.kind.needs)
        assert node.slots is not None or not demand.kind.many


@given(nodes(), demands(), avoided())
def test_a_node_that_failed_the_unit_gets_it_only_if_no_other_can_do_it(
    made: list[Node], demand: PlacementRequest, avoid: frozenset[UUID]
) -> None:
    choice = choose(made, demand, avoid)
    if isinstance(choice, Node) and choice.id in avoid:
        assert all(n.id in avoid for n in candidates(made, demand))


@given(nodes(), ties(), st.lists(st.tuples(demands(), avoided()), max_size=60), st.data())
def test_the_index_chooses_as_a_look_at_every_node_would(
    made: list[Node],
    circles: Access,
    asks: list[tuple[PlacementRequest, frozenset[UUID]]],
    data: st.DataObject,
) -> None:
    index = indexed(made)
    index.set_access(circles)
    for number, (demand, avoid) in enumerate(asks):
        failed = frozenset(list(avoid)[: number % 3])
        choice = index.choose(demand, avoid, failed)
        holders = frozenset(index.cache_affinity.holders(demand.inputs))
        expected = choose(index, demand, avoid, index.access, holders=holders, failed=failed)
        assert choice == expected or choice is expected
        if isinstance(choice, Node):
            index.take(choice, (UUID(int=10_000 + number), 0))
            index.cache_affinity.note(choice.id, demand.inputs)
        if data.draw(st.integers(0, 9)) == 0:
            index.set_access(data.draw(ties()))
        if made:
            change(index, data.draw(st.sampled_from(made)).id, data)


@given(nodes(), demands(), avoided(), ties())
def test_what_is_for_the_gateways_own_nodes_goes_to_others_only_where_none_of_them_can(
    made: list[Node], demand: PlacementRequest, avoid: frozenset[UUID], circles: Access
) -> None:
    choice = choose(made, demand, avoid, circles)
    able = candidates(made, demand, frozenset(), circles)
    ours = [node for node in able if node.is_own_online and node.id not in avoid]
    if demand.kind.job_type == PREFLIGHT and ours:
        assert choice in ours or (
            isinstance(choice, AllNodesFull) and not any(node.accepts_work for node in ours)
        )


def test_a_free_node_that_has_the_inputs_goes_before_one_that_has_less_to_do() -> None:
    index = indexed([Node(UUID(int=n), slots=4, session=SESSION) for n in (1, 2)])
    for node in index:
        node.capabilities = frozenset({"echo"})
        index.changed(node)
    holder = index.node(UUID(int=2))
    index.cache_affinity.note(holder.id, "s3://scene")
    asked = PlacementRequest(RequestKind("echo"), USERS[0], "s3://scene")
    for number in range(4):
        assert index.choose(asked) is holder
        index.take(holder, (UUID(int=number), 0))
    # the node with the inputs is full, so the unit would wait there
    assert index.choose(asked) is index.node(UUID(int=1))


def test_more_kinds_of_needs_than_are_listed_are_chosen_for_all_the_same() -> None:
    index = indexed([Node(UUID(int=1), capabilities=frozenset({"echo"}), healthy=True)])
    node = index.node(UUID(int=1))
    node.resources = NodeResources(memory=1 << 40)
    index.changed(node)
    for memory in range(3 * NEEDS_MOST):
        assert (
            index.choose(PlacementRequest(RequestKind("echo", needs=Requirements(memory=memory))))
            is node
        )
    assert isinstance(
        index.choose(PlacementRequest(RequestKind("echo", needs=Requirements("gpu")))),
        NoCapableNode,
    )


@given(st.text(max_size=20), st.text(max_size=20), st.none() | st.integers(0, 1 << 50))
def test_whatever_a_hello_says_makes_a_kit(device: str, blender: str, ram: int | None) -> None:
    assert resources_of(device, [blender], ram).has(NOTHING)


def test_needs_are_met_by_as_much_or_more() -> None:
    resources = resources_of("cpu/x86_64/abc", ["5.2.0 LTS"], 8 * GIB)
    assert resources == NodeResources("cpu", ((5, 2),), 8 * GIB, "cpu/x86_64/abc", ram=8 * GIB)
    said = NodeNeeds(device="cpu", blender="5.2", memory=7 * GIB)
    assert resources.has(requirements_of(said))
    assert not resources.has(requirements_of(attrs.evolve(said, memory=9 * GIB)))
    assert not resources.has(requirements_of(NodeNeeds(device="gpu")))
    assert resources_of("cuda/sm_89", (), None).device == "gpu"


def test_a_version_of_blender_is_met_exactly_or_with_or_newer_by_newer_ones() -> None:
    resources = resources_of("cpu/x", ["4.5.3 LTS", "5.2.0"], GIB)
    met = {
        (asked, or_newer)
        for asked in ("4.2", "4.5", "5.0", "5.2", "5.10")
        for or_newer in (False, True)
        if resources.has(requirements_of(NodeNeeds(blender=asked), or_newer=or_newer))
    }
    exact = {("4.5", False), ("5.2", False)}
    assert met == exact | {(asked, True) for asked in ("4.2", "4.5", "5.0", "5.2")}


@given(nodes(), st.sampled_from([(4, 5), (5, 0), (5, 2)]), st.booleans())
def test_no_node_installs_a_version_while_an_idle_one_has_it(
    known: list[Node], version: tuple[int, int], or_newer: bool
) -> None:
    index = indexed(known)
    needs = Requirements(blender=version, or_newer=or_newer)
    demand = PlacementRequest(RequestKind("render", needs=needs), USERS[0])
    chosen, rest = index.choose(demand), candidates(known, demand)
    if isinstance(chosen, Node) and chosen.resources.must_install(needs):
        ready = [node for node in rest if not node.resources.must_install(needs)]
        assert not [n for n in ready if n.is_free and n.accepts_work and not n.is_resting]


def test_a_node_that_declares_no_version_gets_work_whose_creator_named_none() -> None:
    said = NodeNeeds(blender="4.5")
    assert UNKNOWN.has(requirements_of(said, undeclared=True))
    assert not UNKNOWN.has(requirements_of(said))
    assert not resources_of("cpu/x", ["5.2"], 0).has(requirements_of(said, undeclared=True))


def test_memory_is_what_a_unit_gets_of_it() -> None:
    """Slots share a node's memory; a GPU job must fit into the GPU's memory and the node's."""
    assert resources_of("cpu/x86_64", (), 16 * GIB, slots=4).memory == 4 * GIB
    assert resources_of("cpu/x86_64", (), 16 * GIB, 0, 1).memory == 16 * GIB
    assert resources_of("cuda/sm_89", (), 64 * GIB, 8 * GIB, 2).memory == 4 * GIB
    assert resources_of("cuda/sm_89", (), 4 * GIB, 8 * GIB).memory == 4 * GIB
    assert resources_of("cuda/sm_89", (), 64 * GIB, 0).memory == 0
    assert not resources_of("cuda/sm_89", (), 64 * GIB, 8 * GIB).has(
        Requirements("gpu", memory=9 * GIB)
    )


CHANGES = ("health", "session", "release", "load", "types", "word", "hello", "rest")


def change(index: NodeIndex, node: UUID, data: st.DataObject) -> None:
    record = index.node(node)
    what = data.draw(st.sampled_from(CHANGES))
    if what == "health":
        record.healthy = not record.healthy
    elif what == "session":
        record.session = None if record.session else SESSION
    elif what == "rest":
        record.rests_until = None if record.is_resting else 9.0
    elif what == "load":
        record.load = data.draw(st.sampled_from((0.0, 0.3, 0.9)))
    elif what == "word":
        record.standing = StandingRecord(data.draw(st.sampled_from(STANDINGS)))
    elif what == "hello":
        record.pools = frozenset(data.draw(st.sampled_from(SAID)))
        record.resources = data.draw(st.sampled_from(KITS))
    elif what == "types":
        record.capabilities = frozenset(data.draw(st.sets(st.sampled_from(TYPES))))
    elif record.assigned:
        index.release(record, min(record.assigned))
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
        assigned={(UUID(int=n), 0) for n in range(5)},
    )
    assert choose([far, near], ECHO) is near


def test_units_are_counted_by_slot() -> None:
    wide, narrow = Node(UUID(int=1), slots=8), Node(UUID(int=2), slots=1)
    for node, taken in ((wide, 4), (narrow, 1)):
        node.capabilities, node.healthy = frozenset({"echo"}), True
        node.assigned = {(UUID(int=n), 0) for n in range(taken)}
    assert choose([wide, narrow], ECHO) is wide


def test_a_unit_ages_through_its_attempts_and_never_backwards() -> None:
    life: list[tuple[SchedulerStatus, int]] = [
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


@given(st.integers(0, 1 << 45), st.integers(0, 1 << 40))
def test_who_had_too_little_memory_never_has_enough_and_who_has_a_fifth_more_does(
    given: int, asked: int
) -> None:
    needs = raised_requirements(Requirements(memory=asked), Lacked(given + 1))
    assert not NodeResources(memory=given).has(needs)
    assert NodeResources(memory=max(asked, given + given // 5 + GIB // 2)).has(needs)


def test_what_needs_opengl_goes_to_all_but_those_that_said_that_they_have_none() -> None:
    needs = raised_requirements(NOTHING, Lacked(opengl=True))
    for said, is_enough in ((True, True), (None, True), (False, False)):
        assert resources_of("cpu/x", ["5.2.0"], 0, opengl=said).has(needs) == is_enough
    assert requirements_of(NodeNeeds(opengl=True)) == needs


@given(st.uuids(), st.integers(0, 99_999), st.integers(1, 20))
def test_one_gateway_of_all_begins_with_a_unit(job: UUID, number: int, gateways: int) -> None:
    elsewhere = [begins_elsewhere((job, number), index, gateways) for index in range(gateways)]
    assert elsewhere.count(False) == 1
