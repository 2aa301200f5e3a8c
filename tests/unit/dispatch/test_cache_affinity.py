"""Record of which nodes recently got which inputs, bounded in nodes and inputs."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from actors.scheduler.node_index import HOLDERS_MOST, CacheAffinity

INPUTS_MOST = 3
NOTES = st.lists(st.tuples(st.integers(0, HOLDERS_MOST + 3), st.sampled_from("abcde")))


@given(NOTES)
def test_the_newest_inputs_and_of_each_the_newest_nodes_are_kept(
    notes: list[tuple[int, str]],
) -> None:
    cache_affinity, model = CacheAffinity(INPUTS_MOST), dict[str, list[UUID]]()
    for number, inputs in notes:
        node = UUID(int=number)
        cache_affinity.note(node, inputs)
        holders = [one for one in model.pop(inputs, []) if one != node]
        model[inputs] = [*holders, node][-HOLDERS_MOST:]
        if len(model) > INPUTS_MOST:
            del model[next(iter(model))]
    for inputs in "abcde":
        assert list(cache_affinity.holders(inputs)) == model.get(inputs, [])


def test_a_unit_without_inputs_is_held_by_nobody() -> None:
    cache_affinity = CacheAffinity()
    cache_affinity.note(UUID(int=1), "")
    assert list(cache_affinity.holders("")) == []
