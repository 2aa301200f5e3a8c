"""Rate limits: counted by subject in a bounded table."""

from datetime import datetime, timedelta

from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.rates_valkey import SharedRates
from tests.support.http_gateway import settings_for_tests
from tests.twins.clock import EPOCH
from web.http.problem import Problem
from web.http.rate_limits import NOT_COUNTED, RateCounters, RateLimits, RateState, too_many


class HandClock:
    """A clock that a test sets by hand."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def advance(self, seconds: float) -> None:
        self.passed += seconds


def rates_of(clock: HandClock, **limits: int) -> RateLimits:
    return RateLimits(settings_for_tests(limits=limits).limits, clock)


async def counted(rates: RateLimits, rate: str, subject: str) -> RateState:
    standing = await rates.count(rate, subject)
    assert not isinstance(standing, Problem)
    return standing


async def test_each_request_is_told_how_many_are_left() -> None:
    rates = rates_of(HandClock(), login=2)
    assert await counted(rates, "login", "192.0.2.1") == RateState(2, 1, 60)
    assert await counted(rates, "login", "192.0.2.1") == RateState(2, 0, 60)
    assert await counted(rates, "login", "192.0.2.1") == RateState(2, 0, 60, is_over=True)


async def test_who_comes_again_when_he_was_told_is_let_in() -> None:
    clock = HandClock()
    rates = rates_of(clock, login=1)
    await counted(rates, "login", "192.0.2.1")
    clock.advance(20.5)
    refused = await counted(rates, "login", "192.0.2.1")
    assert refused == RateState(1, 0, 40, is_over=True)
    clock.advance(refused.seconds)
    assert not (await counted(rates, "login", "192.0.2.1")).is_over


async def test_subjects_and_limits_are_counted_apart() -> None:
    rates = rates_of(HandClock(), login=1, register=1)
    for rate, subject in (
        ("login", "192.0.2.1"),
        ("login", "192.0.2.2"),
        ("register", "192.0.2.1"),
    ):
        assert not (await counted(rates, rate, subject)).is_over
    assert (await counted(rates, "login", "192.0.2.1")).is_over


async def test_passwords_are_not_tried_while_gateways_cannot_count_together() -> None:
    """Counting alone, each gateway would allow as many tries as the limit for all gateways."""
    clock = HandClock()
    limits = settings_for_tests(limits={"login": 5, "read": 1}).limits
    rates = RateLimits(limits, clock, SharedRates(CurrentEndpoint(), clock.monotonic))
    for guard in ("login", "refresh", "register"):
        assert await rates.count(guard, "192.0.2.1") is NOT_COUNTED
    assert not (await counted(rates, "read", "192.0.2.1")).is_over
    assert (await counted(rates, "read", "192.0.2.1")).is_over


def test_a_refusal_says_what_is_allowed_and_when() -> None:
    refused = too_many(RateState(5, 0, 42, is_over=True))
    assert refused.status == 429
    assert refused.detail == "Too many requests: at most 5 per minute; try again in 42 s"
    assert refused.headers == {"Retry-After": "42"}


async def test_a_table_holds_no_more_than_it_may_and_forgets_the_oldest() -> None:
    clock = HandClock()
    table = RateCounters(lambda: clock.now().timestamp(), 100, 60)
    for number in range(1_000):
        table.hit(f"key{number}")
        assert len(table) <= 100
    assert table.hit("key999").count == 2
    assert table.hit("key0").count == 1


async def test_what_has_ended_is_forgotten_as_others_come() -> None:
    clock = HandClock()
    table = RateCounters(lambda: clock.now().timestamp(), 1_000, 60)
    for number in range(500):
        table.hit(f"key{number}")
    clock.advance(61)
    assert table.hit("key7").count == 1
    assert len(table) == 1
    assert table.hit("key7").ends == (clock.now() + timedelta(seconds=60)).timestamp()
