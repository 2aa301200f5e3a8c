"""Releases from quarantine mixed with lies, new keys and quarantines.

An admin's quarantine as a precaution costs an honest owner nothing, and no order of events erases
a lie.
"""

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sql.reputation_rules import (
    FORGIVEN_BY,
    KIN,
    LIES,
    STRIKES_MOST,
    Record,
    begins_anew,
    strikes_of,
)

NODE, KEYS, CLASSES = UUID(int=1), 3, ("cpu/a/5.2", "cpu/b/5.2")
Event: TypeAlias = tuple[str, int, str]  # event, number of the key, device class


@attrs.define(eq=False)
class Key:
    """A node with a key, as its row describes it; ``told`` has time, class and letter of each
    verdict.
    """

    born: int
    standing: str = "ACTIVE"
    caught: str | None = None
    quarantined: bool = False
    released_at: int | None = None
    told: list[tuple[int, str, str]] = attrs.field(factory=list[tuple[int, str, str]])


class Owner:
    """An owner's keys, changed by the gateway, an admin and the owner.

    With ``always`` each release begins the record anew, as under an earlier rule.
    """

    def __init__(self, *, always: bool = False) -> None:
        self.always, self.now = always, 0
        self.keys = [Key(0)]

    def does(self, event: Event) -> None:
        what, number, device_class = event
        self.now += 1
        if what == "enrol":
            self._enrol()
        elif number < len(self.keys):
            self._do(what, self.keys[number], device_class)

    def _enrol(self) -> None:
        kin = any(one.quarantined for one in self.keys)
        if len(self.keys) < KEYS:
            self.keys.append(Key(self.now))
        if kin and self.keys[-1].born == self.now:
            self.keys[-1] = Key(self.now, "QUARANTINED", KIN, quarantined=True)

    def _do(self, what: str, key: Key, device_class: str) -> None:
        if what == "hand" and key.standing == "ACTIVE":
            key.standing, key.quarantined = "QUARANTINED", True
        elif what == "release" and key.standing == "QUARANTINED":
            if self.always or begins_anew(key.caught, self.records(key)):
                key.released_at = self.now
            key.standing, key.caught, key.quarantined = "ACTIVE", None, False
        elif what == "revoke":
            key.standing = "REVOKED"
        elif what == "withdraw":
            key.told = [one for one in key.told if one[2] == "v"]
        elif what in ("v", "m"):
            key.told += [(self.now, device_class, what)] * (FORGIVEN_BY if what == "v" else 1)
        self._judge()

    def _judge(self) -> None:
        """Quarantine each node that has too many strikes, as the gateway does."""
        for key in self.keys:
            if key.caught is None and self.strikes(key) >= STRIKES_MOST:
                key.caught, key.quarantined = LIES, True
                key.standing = "REVOKED" if key.standing == "REVOKED" else "QUARANTINED"

    def records(self, key: Key) -> list[Record]:
        """Return the key's records, with the lies of keys that its owner gave up before."""
        given_up = [k for k in self.keys if k.standing == "REVOKED" and k.born < key.born]
        lies = [one for k in given_up for one in k.told if one[2] == "m"]
        return [self._record(key, sorted(key.told + lies), one) for one in CLASSES]

    def _record(self, key: Key, told: list[tuple[int, str, str]], device_class: str) -> Record:
        at = key.released_at
        before = "".join(w for t, c, w in told if c == device_class and at is not None and t < at)
        since = "".join(w for t, c, w in told if c == device_class and (at is None or t >= at))
        return Record(NODE, device_class, at is not None, before, since)

    def strikes(self, key: Key) -> int:
        return strikes_of(self.records(key))

    def looks(self) -> list[tuple[str, int]]:
        return [(key.standing, self.strikes(key)) for key in self.keys]


def events(*more: str) -> st.SearchStrategy[list[Event]]:
    words = st.sampled_from(["v", "m", "m", "release", "enrol", "revoke", *more])
    one = st.tuples(words, st.integers(0, KEYS - 1), st.sampled_from(CLASSES))
    return st.lists(one, max_size=25)


@given(events("hand", "withdraw"))
def test_a_release_gives_two_or_leaves_everything_as_it_was(done: Sequence[Event]) -> None:
    owner = Owner()
    for event in done:
        what, number, _ = event
        key = owner.keys[number] if number < len(owner.keys) else None
        if what != "release" or key is None or key.standing != "QUARANTINED":
            owner.does(event)
            continue
        before, strikes = owner.records(key), owner.strikes(key)
        anew = begins_anew(key.caught, before)
        owner.does(event)
        assert owner.strikes(key) >= min(strikes, STRIKES_MOST - 1), (
            "strikes for lies remain, but for those above two"
        )
        assert key.standing == "ACTIVE", "the release takes effect"
        if anew:
            assert owner.strikes(key) == STRIKES_MOST - 1
            assert all(one.reputation.valid_in_row == 0 for one in owner.records(key))
        else:
            assert owner.records(key) == before


@given(events("hand"), st.lists(st.tuples(st.integers(0, 24), st.integers(0, KEYS - 1))))
def test_what_an_admin_does_to_who_was_not_caught_leaves_no_trace(
    done: Sequence[Event], precautions: Sequence[tuple[int, int]]
) -> None:
    """An admin quarantines active keys at arbitrary moments and releases each at once.

    Only a key that is enrolled in between would be affected.
    """
    plain, careful = Owner(), Owner()
    for number, event in enumerate(done):
        for _, key in [one for one in precautions if one[0] == number]:
            if key < len(careful.keys) and careful.keys[key].standing == "ACTIVE":
                careful.does(("hand", key, CLASSES[0]))
                careful.does(("release", key, CLASSES[0]))
        plain.does(event)
        careful.does(event)
        assert careful.looks() == plain.looks()


@given(events())
def test_nothing_changes_for_whom_the_gateway_itself_quarantines(done: Sequence[Event]) -> None:
    """A release after lies, or because of another key's lies, always begins the record anew."""
    now, before = Owner(), Owner(always=True)
    for event in done:
        now.does(event)
        before.does(event)
        assert now.looks() == before.looks()


@given(events("hand"))
def test_no_order_gives_who_was_caught_fewer_strikes_than_if_each_release_counted(
    done: Sequence[Event],
) -> None:
    now, before = Owner(), Owner(always=True)
    for event in done:
        what, number, _ = event
        key = now.keys[number] if number < len(now.keys) else None
        is_caught = what == "release" and key is not None and key.caught is not None
        now.does(event)
        before.does(event)
        if is_caught and key is not None and key.standing == "ACTIVE":
            assert now.strikes(key) >= before.strikes(before.keys[number])


@pytest.mark.parametrize("caught", [None, LIES])
def test_who_has_lied_too_often_begins_anew_before_the_gateway_says_so(caught: str | None) -> None:
    """With its old record the node would be quarantined again at once."""
    lied = Record(NODE, CLASSES[0], False, "", "mmm")
    assert begins_anew(caught, [lied])
    assert not begins_anew(None, [attrs.evolve(lied, since="mm")])
    assert not begins_anew(LIES, [attrs.evolve(lied, since="mm")]), "one of the lies was withdrawn"
    assert begins_anew(LIES, [attrs.evolve(lied, since="mmm" + "v" * FORGIVEN_BY)])
