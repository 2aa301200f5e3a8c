"""Property of the queue of checks: a creator with many checks does not delay other creators for
long.
"""

from typing import Any
from uuid import UUID

import attrs
from hypothesis import given
from hypothesis import strategies as st

from actors.verifier.case import RELEASES, Case
from actors.verifier.check_queue import CREATORS_MOST, CheckQueue
from tests.support.examples import examples
from tests.unit.verifier.stage import pending

FLOOD, OTHERS = UUID(int=1), [UUID(int=2), UUID(int=3)]
SECONDS = st.floats(0.5, 60.0)


def next_of(queue: CheckQueue, waiting: dict[UUID, list[float]]) -> UUID:
    queue.wait(who for who, checks in waiting.items() if checks)
    ends = {who: queue.of(who) + checks[-1] for who, checks in waiting.items() if checks}
    return min(ends, key=ends.__getitem__)


@given(
    st.lists(SECONDS, min_size=50, max_size=50),
    st.lists(st.tuples(st.integers(0, 40), st.lists(SECONDS, min_size=1)), min_size=2, max_size=2),
)
@examples(4)
def test_a_creator_who_floods_takes_at_most_an_equal_share(
    flood: list[float], others: list[tuple[int, list[float]]]
) -> None:
    """The share counts from the arrival of another creator until the other creator's checks are
    done.
    """
    queue, waiting = CheckQueue(), {FLOOD: list(flood)}
    spent = dict.fromkeys([FLOOD, *OTHERS], 0.0)
    before: dict[UUID, float] = {}  # seconds that the flood had taken when each other creator came
    longest = max(*flood, *(one for _, checks in others for one in checks))
    step = 0
    while any(waiting.values()):
        for who, (at, checks) in zip(OTHERS, others, strict=True):
            if at == step:
                waiting[who], before[who] = list(checks), spent[FLOOD]
        step += 1
        if not any(waiting.values()):
            continue
        who = next_of(queue, waiting)
        seconds = waiting[who].pop()
        queue.begin(who)
        queue.spend(who, seconds)
        spent[who] += seconds
        for other, had in before.items():
            if waiting[other]:
                assert spent[FLOOD] - had <= spent[other] + 2 * longest


def test_free_frames_of_many_quarantined_nodes_take_one_turn() -> None:
    """They would go first, as a node may deliver a wrong frame at once."""
    changes: dict[str, Any] = {"may_release": True, "price": 0, "took": 0.0}
    free = [waiting_case(user, **changes) for user in range(100, 200)]
    queue, honest, clock, before = CheckQueue(3600.0), waiting_case(1, took=60.0), 0.0, 0
    while (first := queue.in_order([honest, *free], clock)[0]) is not honest:
        queue.wait({case.turn for case in (honest, *free)})
        queue.begin(first.turn)
        queue.spend(first.turn, 110.0)
        clock, before = clock + 110.0, before + 1
        free.remove(first)
    assert before == 1


def test_frames_that_cost_something_take_their_users_turn_also_in_a_quarantine() -> None:
    priced, free = waiting_case(1, may_release=True), waiting_case(1, may_release=True, price=0)
    assert (priced.turn, free.turn) == (UUID(int=1), RELEASES)


def waiting_case(user: int, **changes: Any) -> Case:
    """Return the case of a user's result that waits for its comparison."""
    one = attrs.evolve(pending(drawn=True), user=UUID(int=user), **changes)
    return Case.opened(attrs.evolve(one, row=attrs.evolve(one.row, job=UUID(int=user))))


def test_a_short_check_goes_before_long_ones_that_waited_longer() -> None:
    queue, took = CheckQueue(patience=3600.0), [900.0] * 20 + [2.0]
    cases = [
        Case.opened(attrs.evolve(pending(took=seconds), user=UUID(int=number)))
        for number, seconds in enumerate(took)
    ]
    queue.wait(case.turn for case in cases)
    assert queue.in_order(cases, 0.0)[0] is cases[-1]
    assert queue.in_order(cases, 3600.0)[0] is cases[0], "a long check does not wait for ever"


def test_a_long_check_goes_when_others_had_as_much_time() -> None:
    """Creators who keep having short checks do not keep a long one back."""
    queue = CheckQueue()
    long = Case.opened(attrs.evolve(pending(took=900.0), user=FLOOD))
    short = Case.opened(attrs.evolve(pending(took=2.0), user=OTHERS[0]))
    spent = 0.0
    while True:
        queue.wait([long.turn, short.turn])
        first = queue.in_order([long, short], 0.0)[0]
        queue.begin(first.turn)
        if first is long:
            break
        queue.spend(first.turn, 2.0)
        spent += 2.0
    assert 800 < spent < 1000


def test_whoever_has_been_away_saves_nothing_up() -> None:
    queue = CheckQueue()
    for _ in range(100):
        queue.begin(FLOOD)
        queue.spend(FLOOD, 10)
    [other, _] = OTHERS
    queue.begin(other)
    queue.spend(other, 10)
    assert queue.of(FLOOD) <= queue.of(other) <= queue.of(FLOOD) + 10


def test_creators_whose_turn_is_past_are_forgotten() -> None:
    queue = CheckQueue()
    for number in range(2 * CREATORS_MOST):
        queue.begin(UUID(int=number))
        queue.spend(UUID(int=number), 0)
    assert len(queue._ends) <= CREATORS_MOST  # pyright: ignore[reportPrivateUsage]
