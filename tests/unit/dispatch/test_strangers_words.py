"""The next node for a unit that nodes of strangers have failed or declared too big."""

from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.kernel import Ref
from actors.scheduler.messages import MEMORY_MOST
from actors.scheduler.node import (
    GIB,
    NOTHING,
    Lacked,
    Node,
    NodeResources,
    Requirements,
    resources_of,
)
from actors.scheduler.units import PlacementRequest, RequestKind, kind_of
from sql.access import Access
from tests.support.plans import planned
from tests.unit.dispatch.node_choice import candidates, choose
from tests.unit.dispatch.test_policy import avoided, demands, indexed, nodes, ties

USER = UUID(int=100)
BIG = Requirements(memory=64 * GIB)


ASKED = st.sampled_from([None, NOTHING])


@given(nodes(), ties(), st.tuples(demands(), ASKED), avoided(), avoided())
def test_the_index_chooses_as_a_look_at_every_node_would(
    made: list[Node],
    circles: Access,
    wanted: tuple[PlacementRequest, Requirements | None],
    failed: frozenset[UUID],
    barred: frozenset[UUID],
) -> None:
    index = indexed(made)
    index.set_access(circles)
    demand = attrs.evolve(wanted[0], kind=attrs.evolve(wanted[0].kind, asked=wanted[1]))
    avoid = failed | barred
    choice = index.choose(demand, avoid, failed)
    expected = choose(index, demand, avoid, circles, failed=failed)
    assert choice == expected or choice is expected


def farm(*nodes: tuple[int | None, int]) -> list[Node]:
    """Return connected nodes with these owners and these amounts of memory in GiB."""
    return [
        Node(
            UUID(int=number),
            owner=None if owner is None else UUID(int=owner),
            capabilities=frozenset({"echo"}),
            slots=1,
            session=Ref("session"),
            resources=NodeResources("cpu", ((5, 2),), gib * GIB),
        )
        for number, (owner, gib) in enumerate(nodes, 1)
    ]


def asked(made: list[Node], failed: set[int], kind: RequestKind) -> set[int]:
    names = frozenset(UUID(int=number) for number in failed)
    found = candidates(made, PlacementRequest(kind, USER), names, failed=names)
    return {node.id.int for node in found}


@pytest.mark.parametrize(
    ("failed", "expected"),
    [({1}, {2, 3, 4, 5}), ({1, 2}, {3, 4, 5}), ({1, 2, 3}, {5}), ({1, 2, 3, 5}, {4})],
)
def test_when_three_nodes_have_failed_a_unit_another_owners_is_asked(
    failed: set[int], expected: set[int]
) -> None:
    """The four nodes without an owner count as nodes of one owner."""
    made = farm((None, 8), (None, 8), (None, 8), (None, 8), (9000, 8))
    assert asked(made, failed, RequestKind("echo")) == expected


def test_the_creators_own_nodes_are_asked_whatever_they_said() -> None:
    made = farm((USER.int, 8), (None, 8), (None, 8), (USER.int, 8), (None, 8))
    assert asked(made, {1, 2, 3}, RequestKind("echo")) == {4}


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        (set[int](), {3}),  # the nodes with enough memory
        ({1}, {3}),
        ({1, 3}, {2}),  # the large node has failed the unit, so smaller nodes are asked, too
        ({1, 2}, {3}),
        ({1, 2, 3}, {3}),
    ],
)
def test_what_nodes_found_holds_while_one_that_has_it_did_not_fail_the_unit(
    failed: set[int], expected: set[int]
) -> None:
    made = farm((None, 8), (9000, 8), (9001, 64))
    assert asked(made, failed, RequestKind("echo", needs=BIG, asked=NOTHING)) == expected


def test_when_those_that_have_it_are_gone_the_unit_is_given_out_again() -> None:
    made = farm((None, 8), (9000, 8))
    assert asked(made, {1}, RequestKind("echo", needs=BIG, asked=NOTHING)) == {2}
    assert asked(made, {1, 2}, RequestKind("echo", needs=BIG, asked=NOTHING)) == {1, 2}
    assert asked(made, {1}, RequestKind("echo", needs=BIG)) == set(), "its creator asked for that"


def test_a_kind_knows_what_its_job_asked_for() -> None:
    plain = kind_of(planned(), many=False)
    assert plain.as_asked is plain
    assert kind_of(planned(), many=False, lacked=Lacked(GIB)).as_asked == plain


def test_what_a_hello_says_of_its_memory_is_believed_up_to_a_bound() -> None:
    assert resources_of("cpu/x86_64", (), 1 << 53, slots=4).memory == MEMORY_MOST // 4
