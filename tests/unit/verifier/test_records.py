"""Strikes and valid results belong to a node, whichever device classes it reports."""

from uuid import UUID

from actors.verifier.quarantine import NodeReputation
from sql.reputation_rules import FORGIVEN_BY, FORGIVEN_MOST, STRIKES_MOST, Record, strikes_of

NODE = UUID(int=1)
MADE_GOOD = "m" + "v" * FORGIVEN_BY


def record(number: int, since: str, *, released: bool = False) -> Record:
    return Record(NODE, f"cpu/x{number}/5.2", released, "", since)


def test_two_are_made_good_in_all_and_not_in_each_class() -> None:
    lies = [record(number, MADE_GOOD * 2) for number in range(10)]
    assert strikes_of(lies[:1]) == 0
    assert strikes_of(lies) == 20 - FORGIVEN_MOST
    assert NodeReputation.of(lies).strikes == {NODE: 20 - FORGIVEN_MOST}


def test_who_was_released_has_no_strikes_in_advance() -> None:
    good = [record(number, "v" * 2 * FORGIVEN_BY, released=True) for number in range(5)]
    assert strikes_of(good) == 0
    assert strikes_of([*good, record(6, "mmm", released=True)]) == STRIKES_MOST


def test_a_release_begins_with_two_once() -> None:
    assert strikes_of([record(number, "v", released=True) for number in range(3)]) == 2
    assert strikes_of([record(1, "m", released=True), record(2, "v", released=True)]) == 3
