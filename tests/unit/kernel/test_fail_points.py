"""Fail points have no effect unless set, and then exactly the requested one."""

import pytest

from actors.kernel import fail_point
from actors.kernel.fail_point import (
    CRASH_AT,
    RAISE_AT,
    FailPointReached,
    plans_of,
    reach,
    with_fail_points,
)
from actors.ledger.actor import LedgerActor

TABLE = LedgerActor.__handlers__


class Frame:
    """A message type that matches a fail point."""


def arm(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(fail_point, "_plans", plans_of({RAISE_AT: text}))


def passes(times: int) -> list[int]:
    """Return which of ``times`` passages fail, counted from 1."""
    failed = []
    for number in range(1, times + 1):
        try:
            reach("before_send", (Frame(),))
        except FailPointReached:
            failed.append(number)
    return failed


def test_unset_handlers_are_the_actors_own() -> None:
    assert with_fail_points("ledger", TABLE) is TABLE
    assert passes(3) == []


def test_the_nth_passage_fails_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    arm(monkeypatch, "before_send.Frame:2")
    assert passes(5) == [2]


def test_a_range_of_passages_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    arm(monkeypatch, "before_send.Frame:2-4")
    assert passes(5) == [2, 3, 4]


def test_other_points_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    arm(monkeypatch, "after_send.Frame:1")
    assert passes(2) == []


@pytest.mark.parametrize("point", ["node", "node.Commit"])
async def test_a_message_is_a_point_by_its_actor_and_by_its_kind(
    monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    arm(monkeypatch, f"{point}:1")
    by_name = {
        kind.__name__: handler for kind, handler in with_fail_points("node 7 #1", TABLE).items()
    }
    handle, limit, _ = by_name["Commit"]
    assert limit == 1000
    with pytest.raises(FailPointReached):
        await handle(object(), [])


@pytest.mark.parametrize("text", ["ledger", "ledger:0", "ledger:1:2", "ledger:x", ":1"])
def test_what_would_never_happen_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=CRASH_AT):
        plans_of({CRASH_AT: text})
