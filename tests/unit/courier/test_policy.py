"""Retry policy for webhook deliveries, and the end of failing endpoints."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from actors.courier.policy import PAUSES, REST_MOST, pause, settled, standing
from actors.ports.webhooks import Answered, NotSent
from sql.webhooks import DueDelivery

NOW = datetime(2026, 3, 13, tzinfo=UTC)
GIVE_UP = timedelta(days=3)
became = st.one_of(st.integers(100, 599).map(Answered), st.text(max_size=400).map(NotSent))
chances = st.floats(0, 1)


def due(tries: int = 1, since: datetime | None = None) -> DueDelivery:
    delivery, endpoint, user, job = (UUID(int=n) for n in range(4))
    return DueDelivery(delivery, endpoint, user, "", (), job, "job.failed", tries, since, None)


@given(st.integers(1, len(PAUSES)), chances)
def test_a_pause_is_half_to_whole_of_what_is_planned(tries: int, chance: float) -> None:
    seconds = pause(tries, chance)
    assert seconds is not None
    assert PAUSES[tries - 1] / 2 <= seconds <= PAUSES[tries - 1]


def test_pauses_grow_and_end() -> None:
    assert list(PAUSES) == sorted(PAUSES)
    assert timedelta(days=1) < timedelta(seconds=sum(PAUSES)) < GIVE_UP
    assert pause(len(PAUSES) + 1, 0.5) is None


@given(st.integers(1, 20), became, chances)
def test_a_try_ends_it_or_names_the_next(
    tries: int, result: Answered | NotSent, chance: float
) -> None:
    found = settled(due(tries), result, NOW, chance)
    assert found.tries == tries
    assert (found.state == "PENDING") == (found.ended_at is None)
    assert (found.state == "PENDING") == (found.due_at is not None)
    good = isinstance(result, Answered) and 200 <= result.status < 300
    assert (found.state == "DELIVERED") == good
    assert found.due_at is None or found.due_at > NOW


@given(became, chances, st.timedeltas(timedelta(0), timedelta(days=10)))
def test_an_endpoint_rests_while_it_fails_and_is_given_up_after_days(
    result: Answered | NotSent, chance: float, failing: timedelta
) -> None:
    found = standing(due(since=NOW - failing), result, NOW, chance, GIVE_UP)
    if isinstance(result, Answered) and 200 <= result.status < 300:
        assert (found.failing_since, found.not_before, found.disabled_at) == (None, None, None)
    elif failing >= GIVE_UP or (isinstance(result, Answered) and result.status == 410):
        assert found.disabled_at == NOW
        assert found.reason
    else:
        assert found.disabled_at is None
        assert found.not_before is not None
        assert NOW < found.not_before <= NOW + timedelta(seconds=REST_MOST)
        assert found.failing_since == NOW - failing
