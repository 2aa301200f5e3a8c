"""What is remembered of nodes' connections: the last ones, no more than there is room for."""

from uuid import UUID, uuid4

from tests.twins.clock import TwinClock
from web.nodes.connections import KEPT, LOST, Connections


def known(most: int = 100) -> Connections:
    return Connections(TwinClock(), nodes_most=most)


async def test_the_newest_comes_first_and_few_are_kept() -> None:
    connections, node = known(), uuid4()
    for number in range(KEPT + 3):
        one = connections.opened(node, f"192.0.2.{number}")
        assert connections.open_of(node) is one
        connections.ended(one, ours=None, theirs=1000)
    assert [each.address for each in connections.of(node)][:2] == ["192.0.2.22", "192.0.2.21"]
    assert len(connections.of(node)) == KEPT
    assert connections.living == 0
    assert connections.open_of(node) is None


async def test_a_replaced_one_ends_after_its_successor_has_begun() -> None:
    connections, node = known(), uuid4()
    older = connections.opened(node, "192.0.2.1")
    newer = connections.opened(node, "192.0.2.2")
    connections.ended(older, ours=4003, theirs=None)
    assert connections.open_of(node) is newer
    assert (older.code, older.by_us, older.why) == (4003, True, "Replaced by a newer connection")
    assert connections.living == 1


async def test_who_ended_it_and_with_what_is_told_apart() -> None:
    connections, node = known(), uuid4()
    found = []
    for ours, theirs in ((4001, 1006), (None, 1001), (None, None), (None, 4999)):
        one = connections.opened(node, "192.0.2.1")
        connections.ended(one, ours=ours, theirs=theirs)
        found.append((one.code, one.by_us))
    assert found == [(4001, True), (1001, False), (LOST, False), (4999, False)]
    assert connections.of(node)[0].why == "A code of its own"


async def test_nodes_that_came_longest_ago_are_forgotten() -> None:
    connections = known(most=2)
    nodes = [UUID(int=number) for number in range(3)]
    for node in (*nodes[:2], nodes[0], nodes[2]):
        connections.ended(connections.opened(node, ""), ours=None, theirs=1000)
    assert [len(connections.of(node)) for node in nodes] == [2, 0, 1]
