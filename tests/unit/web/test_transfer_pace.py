"""Least rate of transfers, measured over the time spent waiting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.simulated_time import simulated
from tests.unit.web.test_objects_transfer_rate import taken
from web.objects.object_forwarding import IDLE_SECONDS, TRANSFERS_MAX, TRANSFERS_OF_ONE_MAX
from web.objects.transfer_rate import PACE_BYTES, PACE_SECONDS, TransferRate


@simulated
async def test_an_upload_of_8_kb_every_5_seconds_ends() -> None:
    with pytest.raises(TimeoutError):
        await taken(200, 8_000, 5.0)


@simulated
async def test_an_upload_at_64_kbit_a_second_arrives() -> None:
    assert len(await taken(1_000, 8_000, 1.0)) == 8_000_000


@given(st.lists(st.tuples(st.integers(0, PACE_BYTES * 2), st.floats(0.0, 90.0)), max_size=40))
def test_whoever_is_let_on_was_never_slower_than_the_least_rate(
    steps: list[tuple[int, float]],
) -> None:
    pace, size, waited = TransferRate(), 0, 0.0
    for step, seconds in steps:
        if seconds > pace.left(IDLE_SECONDS):
            break
        pace.moved(step, seconds)
        size, waited = size + step, waited + seconds
    assert size >= (waited - PACE_SECONDS) / PACE_SECONDS * PACE_BYTES


def test_a_few_addresses_cannot_take_all_transfers() -> None:
    assert 8 * TRANSFERS_OF_ONE_MAX <= TRANSFERS_MAX
