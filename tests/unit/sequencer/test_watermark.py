"""No transfer is added below the watermark of covered transfers."""

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.sequencer.log_growth import Watermark
from sql.log import Head, LogView
from tests.support.examples import examples


@attrs.define
class Books:
    """Numbering as in a database; each transaction gets the numbers of its transfers at its
    begin.
    """

    next_transaction: int = 1
    next_transfer: int = 1
    under_way: dict[int, list[int]] = attrs.field(factory=dict[int, list[int]])
    committed: set[int] = attrs.field(factory=set[int])


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.books = Books()
        self.coverage = Watermark()
        self.taken: set[int] = set()
        self.covered = 0
        self.quiet = 0  # readings of the database since the last change

    @rule(transfers=st.integers(0, 3))
    def begin(self, transfers: int) -> None:
        books, self.quiet = self.books, 0
        numbers = list(range(books.next_transfer, books.next_transfer + transfers))
        books.under_way[books.next_transaction] = numbers
        books.next_transaction += 1
        books.next_transfer += transfers

    @precondition(lambda self: self.books.under_way)
    @rule(data=st.data(), commit=st.booleans())
    def end(self, data: st.DataObject, commit: bool) -> None:
        self.quiet = 0
        number = data.draw(st.sampled_from(sorted(self.books.under_way)))
        transfers = self.books.under_way.pop(number)
        if commit:
            self.books.committed.update(transfers)

    @rule()
    def restart(self) -> None:
        """Restart the sequencer, which loses what is only in memory."""
        self.coverage, self.quiet = Watermark(), 0

    @rule(batch=st.integers(1, 4))
    def look(self, batch: int) -> None:
        books = self.books
        own, books.next_transaction = books.next_transaction, books.next_transaction + 1
        waiting = sorted(n for n in books.committed - self.taken if n > self.covered)[:batch]
        look = LogView(
            head=Head("log", 0, bytes(32), self.covered),
            checked=0,
            checked_at=None,
            verifiers=frozenset(),
            own=own,
            oldest=min(books.under_way, default=own),
            newest=max(books.committed, default=0),
            waiting=waiting,
        )
        self.covered = self.coverage.covered(look, all_taken=len(waiting) < batch)
        self.taken.update(waiting)
        self.quiet = 0 if waiting else self.quiet + 1

    @invariant()
    def all_below_is_taken_and_none_will_come(self) -> None:
        books = self.books
        to_come = {number for numbers in books.under_way.values() for number in numbers}
        assert all(number > self.covered for number in to_come | (books.committed - self.taken))

    @invariant()
    def it_moves_on_when_nobody_is_under_way(self) -> None:
        if self.quiet >= 4 and not self.books.under_way:
            assert self.covered == max(self.books.committed, default=0)


TestCoverage = Life.TestCase
TestCoverage.settings = examples(2, stateful_step_count=60)


def test_numbers_that_went_back_are_another_database() -> None:
    coverage = Watermark()

    def look(own: int, newest: int) -> int:
        head = Head("log", 0, bytes(32), 0)
        seen = LogView(head, 0, None, frozenset(), own, own, newest, [])
        return coverage.covered(seen, all_taken=True)

    assert [look(1000, 5), look(1001, 5)] == [0, 0]
    assert [look(10, 9), look(11, 9), look(12, 9)] == [0, 0, 9]


def test_many_that_wait_are_covered_as_far_as_they_are_taken() -> None:
    """Without that, each reading of a log that begins late would read earlier transfers again."""
    coverage, covered = Watermark(), [0]
    for turn in range(12):
        left = list(range(10 * turn + 1, 101))[:10]
        head = Head("log", 10 * turn, bytes(32), covered[-1])
        look = LogView(head, 0, None, frozenset(), turn + 1, turn + 1, 100, left)
        covered.append(coverage.covered(look, all_taken=len(left) < 10))
    assert covered[4:12] == [40, 50, 60, 70, 80, 90, 100, 100]
