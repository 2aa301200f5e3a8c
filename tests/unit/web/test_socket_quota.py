"""Quotas of sockets by address, and pauses for addresses that connect too often."""

from contextlib import ExitStack
from uuid import UUID

from tests.unit.web.test_rate_limits import HandClock
from web.nodes.socket_quota import REST_SECONDS, TOO_MANY, SocketQuota

NODE, OTHER = UUID(int=1), UUID(int=2)


def test_an_address_has_so_many_places_and_each_is_given_back() -> None:
    places = SocketQuota(2, HandClock())
    with ExitStack() as stack:
        for _ in range(2):
            assert places.refuse("192.0.2.1", replaces=False) is None
            places.take("192.0.2.1")
            stack.callback(places.give_back, "192.0.2.1")
        assert places.refuse("192.0.2.1", replaces=False) is TOO_MANY
        assert places.refuse("192.0.2.1", replaces=True) is None
        assert places.refuse("192.0.2.2", replaces=False) is None
    assert places.refuse("192.0.2.1", replaces=False) is None


def test_who_flooded_rests_and_others_do_not() -> None:
    clock = HandClock()
    places = SocketQuota(2, clock)
    places.rest(NODE)
    assert places.resting(OTHER) is None
    refused = places.resting(NODE)
    assert refused is not None
    assert (refused.status, refused.headers["Retry-After"]) == (429, f"{REST_SECONDS:.0f}")
    clock.advance(REST_SECONDS)
    assert places.resting(NODE) is None


def test_those_who_have_rested_are_forgotten() -> None:
    clock = HandClock()
    places = SocketQuota(2, clock)
    for number in range(1_000):
        places.rest(UUID(int=number))
        clock.advance(1.0)
    assert len(vars(places)["_resting"]) <= REST_SECONDS + 1
