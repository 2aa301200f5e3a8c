"""The load of verifiers, which gateways record in the database."""

import asyncio

from actors.verifier.verifier_registry import LOAD_SECONDS, MEET_SECONDS, BusyTime
from sql.checks import VerifierLoad
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import EXACT, Play, verifying


def test_the_load_is_the_share_of_the_last_minutes() -> None:
    time = BusyTime()
    assert time.share(100.0, 0.0) == 0.0
    assert time.share(110.0, 5.0) == 0.5, "a running check counts"
    time.ended = 8.0
    assert time.share(120.0, 0.0) == 0.4
    later = range(130, 130 + int(LOAD_SECONDS) + 20, 10)
    shares = [time.share(float(now), 0.0) for now in later]
    assert shares[-1] == 0.0, "what is long ago does not count"


def test_the_load_is_never_below_zero_or_above_one() -> None:
    time = BusyTime()
    assert [time.share(now, busy) for now, busy in ((0.0, 9.0), (1.0, 0.0), (2.0, 99.0))] == [
        *(0.0, 0.0, 1.0)
    ]


@simulated
async def test_a_gateway_records_what_its_verifiers_do_and_how_busy_they_were() -> None:
    async with verifying() as play:
        checker = play.inspector()
        await asyncio.sleep(2 * MEET_SECONDS)
        assert recorded(play) == VerifierLoad(checker.node, checker.device_class, 4, 0, 0.0)
        await play.delivered()
        order = await play.asked(checker)
        await asyncio.sleep(4 * MEET_SECONDS)
        found = recorded(play)
        assert found.checking == 1
        assert 0.4 < found.load < 0.8
        play.says(checker, order, EXACT)
        await asyncio.sleep(2 * LOAD_SECONDS)
        found = recorded(play)
        assert found.checking == 0
        assert found.load < 0.01


def recorded(play: Play) -> VerifierLoad:
    """Return the only verifier as the gateway last recorded it."""
    (found,) = play.store.loads
    return found
