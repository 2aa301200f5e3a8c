"""Properties of mailboxes, checked against a model that is a plain list."""

import attrs
from hypothesis import given
from hypothesis import strategies as st

from actors.kernel import Overflow, Ref
from actors.kernel.envelope import Reminder, message_of
from tests.unit.kernel.stage import Frame, Load, Note, Progress, Stage

Told = Note | Load | Progress | Frame
numbers = st.integers(0, 99)
tells = st.one_of(
    st.builds(Note, st.text(max_size=2)),
    st.builds(Load, st.sampled_from("abc"), numbers),
    st.builds(Progress, numbers),
    st.builds(Frame, numbers),
)
steps = st.lists(st.one_of(tells, st.just("take"), st.just("batch"), st.just("timer")))


@attrs.define
class Model:
    """A mailbox with the overflow policies in their simplest form."""

    capacity: int
    queue: list[Told] = attrs.field(factory=list[Told])
    lost: int = 0

    def tell(self, message: Told) -> bool:
        if message.overflow is Overflow.COALESCE and isinstance(message, Load):
            for position, queued in enumerate(self.queue):
                if isinstance(queued, Load) and queued.node == message.node:
                    self.queue[position] = message
                    return True
        if len(self.queue) >= self.capacity and message.overflow is Overflow.DROP_OLDEST:
            for position, queued in enumerate(self.queue):
                if type(queued) is type(message):
                    self.queue = [*self.queue[:position], *self.queue[position + 1 :], message]
                    self.lost += 1
                    return True
        offered = message.overflow is Overflow.AWAIT_ROOM
        if len(self.queue) >= (-(-self.capacity // 8) if offered else self.capacity):
            self.lost += 1
            return False
        self.queue.append(message)
        return True

    def take(self) -> None:
        self.queue = self.queue[1:]

    def batch(self) -> None:
        taken = [queued for queued in self.queue if isinstance(queued, Progress)][:2]
        for message in taken:
            self.queue.remove(message)


@given(st.integers(1, 20), steps)
def test_mailbox_does_as_its_model(capacity: int, script: list[Told | str]) -> None:
    ref: Ref[Stage] = Ref("model", capacity=capacity)
    mailbox, model = ref.mailbox, Model(capacity)
    for step in script:
        if step == "take":
            model.take()
            if mailbox.items:
                mailbox.taken(mailbox.items.popleft())
        elif step == "batch":
            model.batch()
            mailbox.take_more(Progress, 2)
        elif step == "timer":
            model.queue.append(Note("timer"))
            mailbox.remind(Reminder(Note("timer"), None))
        elif not isinstance(step, str):
            assert ref.tell(step) is model.tell(step)
        assert [message_of(item) for item in mailbox.items] == model.queue
        assert mailbox.lost == model.lost
        queued = {id(item) for item in mailbox.items}
        assert {id(envelope) for envelope in mailbox.latest.values()} <= queued
    assert mailbox.peak >= len(mailbox.items)


@given(st.lists(st.sampled_from("abxy"), max_size=30), st.integers(1, 5))
def test_batch_takes_the_oldest_and_keeps_the_order(kinds: list[str], limit: int) -> None:
    ref: Ref[Stage] = Ref("model")
    for number, kind in enumerate(kinds):
        message = Progress(number) if kind in "ab" else Frame(number)
        ref.tell(message)
    wanted = [number for number, kind in enumerate(kinds) if kind in "ab"]
    taken = ref.mailbox.take_more(Progress, limit)
    assert [message_of(item) for item in taken] == [Progress(n) for n in wanted[:limit]]
    left = [message_of(item) for item in ref.mailbox.items]
    rest = sorted(set(range(len(kinds))) - set(wanted[:limit]))
    assert left == [Progress(n) if kinds[n] in "ab" else Frame(n) for n in rest]
