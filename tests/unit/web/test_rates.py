"""Rate limits per IP."""

from supervisors.engines.system import SystemClock
from tests.face import settings_for_tests
from web.rates import Rates


async def test_one_too_many_is_told_when_to_come_again() -> None:
    rates = Rates(settings_for_tests(limits={"login": 2}).limits, SystemClock())
    assert await rates.refuse("login", "192.0.2.1") is None
    assert await rates.refuse("login", "192.0.2.1") is None
    refused = await rates.refuse("login", "192.0.2.1")
    assert refused is not None
    assert refused.status == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 61


async def test_ips_and_limits_are_counted_apart() -> None:
    rates = Rates(settings_for_tests(limits={"login": 1, "register": 1}).limits, SystemClock())
    assert await rates.refuse("login", "192.0.2.1") is None
    assert await rates.refuse("login", "192.0.2.2") is None
    assert await rates.refuse("register", "192.0.2.1") is None
    assert await rates.refuse("login", "192.0.2.1") is not None
