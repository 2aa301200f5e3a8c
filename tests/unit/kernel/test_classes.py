"""Class definitions of actors: what is refused early, and what a class may leave out."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import attrs
import pytest

from actors.kernel import Actor, ActorCrashed, AskFailed, Down, Message, handles, handles_batch
from supervisors.child import Child
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.support.stand_in import StandIn
from tests.unit.kernel.stage import Boom, Do, Note, Stage, StageActor, play
from tests.unit.simulated_time import simulated

T = TypeVar("T")


class Shop:
    """Marker of the shop's actors."""


@attrs.frozen
class Buy(Message[Shop, int]):
    item: str


@attrs.frozen
class Sell(Message[Shop, None]):
    item: str


@attrs.frozen
class Heard(Message[Any, None]):
    """Message that is addressed to any actor."""


class ShopActor(Actor[Shop]):
    @handles(Buy)
    async def buy(self, message: Buy) -> int:
        return len(message.item)

    @handles_batch(Sell)
    async def sell(self, messages: Sequence[Sell]) -> list[None]:
        return [None for _ in messages]


def test_handler_for_another_actors_message() -> None:
    """A handler for another actor's message is a TypeError when the class is created."""
    with pytest.raises(TypeError, match="handles Note, which is not addressed to Shop"):

        class _(ShopActor):
            @handles(Note)
            async def note(self, message: Note) -> int:
                return 1


def test_message_that_nobody_handles() -> None:
    """A message that its actor does not handle is a TypeError when the class is created."""
    with pytest.raises(TypeError, match="no handler for Sell"):

        class _(Actor[Shop]):
            @handles(Buy)
            async def buy(self, message: Buy) -> int:
                return 1


def test_two_handlers_for_one_message() -> None:
    """Two handlers for one message are a TypeError when the class is created."""
    with pytest.raises(TypeError, match="two handlers for Buy"):

        class _(ShopActor):
            @handles(Buy)
            async def one(self, message: Buy) -> int:
                return 1

            @handles(Buy)
            async def two(self, message: Buy) -> int:
                return 2


def test_message_addressed_to_anybody() -> None:
    """A message addressed to Any may be handled by any actor, and need not be."""

    class Listener(ShopActor):
        @handles(Heard)
        async def heard(self, message: Heard) -> None: ...

        @handles(Down)
        async def down(self, message: Down) -> None: ...

    assert {Heard, Down, Buy, Sell} == set(Listener.__handlers__)
    assert {Buy, Sell} == set(ShopActor.__handlers__)


def test_subclass_inherits_and_overrides_handlers() -> None:
    class Thrifty(ShopActor):
        async def buy(self, message: Buy) -> int:
            return 0

    assert Thrifty.__handlers__[Buy] == (Thrifty.buy, 0, 0)
    assert Thrifty.__handlers__[Sell] == (ShopActor.sell, 1000, 0)


def test_generic_base_class_is_not_checked() -> None:
    class Base(Actor[T], Generic[T]):
        """Generic base class without handlers."""

    with pytest.raises(TypeError, match="no handler for Buy, Sell"):

        class _(Base[Shop]): ...


def test_batch_limit_below_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        handles_batch(Sell, limit=0)


@simulated
async def test_message_without_a_handler_is_refused() -> None:
    """A message without a handler in its actor is refused: an ask fails, a tell is lost."""

    class Buyer(StandIn[Shop]):
        @handles(Buy)
        async def buy(self, message: Buy) -> int:
            return 7

    child = Child("shop", Buyer)
    root = Supervisor("root", Strategy.ONE_FOR_ONE, Intensity(0, 1.0), [child])
    await root.start()
    with pytest.raises(AskFailed, match="shop: Buyer has no handler for Sell"):
        await child.ref.ask(Sell("pen"), within=1.0)
    child.ref.tell(Sell("pen"))
    assert await child.ref.ask(Buy("pen"), within=1.0) == 7
    assert root.dead_letters.count == 1
    await root.stop()


@simulated
async def test_reason_of_a_crash_holds_no_payload() -> None:
    """The reason of a crash names the error's type and the handler, never the error's text."""
    async with play() as it:
        with pytest.raises(ActorCrashed) as caught:
            await it.ref.ask(Boom("hunter2"), within=1.0)
        assert str(caught.value) == "stage-0: ValueError in StageActor.boom"
        assert caught.value.addressee == "stage-0"
        assert "hunter2" not in repr(it.root.snapshot())


@simulated
async def test_ref_before_start_and_name() -> None:
    """An address exists before its actor starts, and takes messages for it."""
    async with play() as it:
        assert repr(it.ref) == "Ref('stage-0')"
        own: object = await it.ref.ask(Do(lambda actor: actor.ref), within=1.0)
        assert own is it.ref

    child = Child("late", lambda: StageActor(it.script))
    assert child.ref.tell(Note("early"))
    root = Supervisor("root", Strategy.ONE_FOR_ONE, Intensity(0, 1.0), [child])
    await root.start()
    assert await child.ref.ask(Note("on time"), within=1.0) == len(it.log)
    assert it.log[-3:] == ["started", "early", "on time"]
    await root.stop()


def test_marker_is_found_through_bases() -> None:
    assert StageActor.__marker__ is Stage
    assert Note.__addressee__ is Stage
