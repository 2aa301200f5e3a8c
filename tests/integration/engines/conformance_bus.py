"""Conformance suite of the Bus port, for the twin and the real server."""

from abc import ABC, abstractmethod
from uuid import uuid4

from actors.ports import Bus
from tests.support.until import until


class Line(ABC):
    """Both gateways' ends of one bus, and a way to stop and start its server."""

    here: Bus
    there: Bus

    @abstractmethod
    async def take_away(self) -> None: ...

    @abstractmethod
    async def bring_back(self) -> None: ...


async def publish_until_heard(
    line: Line, topic: str, received: list[bytes], payload: bytes = b"hint"
) -> None:
    """Publish until the hint is received, as hints may be lost until the subscription is active."""

    async def said_and_heard() -> bool:
        await line.there.publish(topic, payload)
        return payload in received

    await until(said_and_heard)


def topic() -> str:
    return f"test:{uuid4()}"


class BusConformance:
    """Suite to inherit from, with a fixture ``line``."""

    async def test_a_hint_reaches_the_other_gateway(self, line: Line) -> None:
        name, received = topic(), list[bytes]()
        line.here.subscribe(name, received.append)
        await publish_until_heard(line, name, received, b"\x00\xff bytes")

    async def test_a_hint_reaches_every_receiver_of_its_topic_alone(self, line: Line) -> None:
        name, other = topic(), topic()
        first, second, stray = list[bytes](), list[bytes](), list[bytes]()
        line.here.subscribe(name, first.append)
        line.here.subscribe(name, second.append)
        line.here.subscribe(other, stray.append)
        await publish_until_heard(line, name, first)
        await until(lambda: second)
        assert not stray

    async def test_hints_of_one_sender_stay_in_order(self, line: Line) -> None:
        name, received = topic(), list[bytes]()
        line.here.subscribe(name, received.append)
        await publish_until_heard(line, name, received, b"start")
        for number in range(100):
            await line.there.publish(name, b"%d" % number)
        await until(lambda: b"99" in received)
        assert received[-100:] == [b"%d" % number for number in range(100)]

    async def test_a_closed_subscription_hears_no_more(self, line: Line) -> None:
        name, closed, open_one = topic(), list[bytes](), list[bytes]()
        subscription = line.here.subscribe(name, closed.append)
        line.here.subscribe(name, open_one.append)
        await publish_until_heard(line, name, closed)
        await until(lambda: open_one)
        subscription.close()
        subscription.close()
        before = len(closed)
        await publish_until_heard(line, name, open_one, b"later")
        assert len(closed) == before

    async def test_publishing_while_the_server_is_away_is_silent(self, line: Line) -> None:
        await line.take_away()
        for _ in range(50):
            await line.there.publish(topic(), b"lost")
        await line.bring_back()

    async def test_hints_come_again_after_the_server_was_away(self, line: Line) -> None:
        name, received = topic(), list[bytes]()
        line.here.subscribe(name, received.append)
        await publish_until_heard(line, name, received, b"before")
        await line.take_away()
        await line.there.publish(name, b"lost")
        await line.bring_back()
        await publish_until_heard(line, name, received, b"after")
        assert b"lost" not in received

    async def test_a_subscription_made_while_the_server_is_away_hears_later(
        self, line: Line
    ) -> None:
        name, received = topic(), list[bytes]()
        await line.take_away()
        line.here.subscribe(name, received.append)
        await line.bring_back()
        await publish_until_heard(line, name, received)
