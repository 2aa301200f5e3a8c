"""``python -m tests.kills.client``: simulated users and nodes in a process that is never killed.

The process reads ``go``, ``pause`` and ``end`` from standard input and writes JSON lines to
standard output. ``ready`` comes with the id of its ``verifier`` node; ``counted`` is the number of
acknowledgements on disk; ``paused`` says that all requests are answered; its ``wrong`` lists the
failures.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import attrs
import orjson

from tests.kills.creator import ACTS, Creator, Hand
from tests.kills.journal import Journal, Record
from tests.kills.line import Line, Request, new_session
from tests.kills.node import CHECK, EARNING, Worker
from tests.kills.people import ClientState, Person
from tests.kills.staff import ADMINS, OPERATORS, Clerk

T = TypeVar("T")
CREATORS: Final = 4
HANDS_OF_EACH: Final = 5
OPERATORS_OF_EACH: Final = 2
OPERATOR_PAUSE_SECONDS: Final = 0.25
ADMIN_PAUSE_SECONDS: Final = 0.03
LOOK_SECONDS: Final = 0.25
WORK: Final = ("echo", "cpu_benchmark", EARNING)


@attrs.define
class Gate:
    """A gate that is open while load is wanted; ``busy`` counts the acts in progress."""

    opened: asyncio.Event = attrs.field(factory=asyncio.Event)
    left: asyncio.Event = attrs.field(factory=asyncio.Event)
    busy: int = 0

    async def pass_through(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait until the gate is open, then do the work."""
        await self.opened.wait()
        self.busy += 1
        self.left.clear()
        try:
            await work()
        finally:
            self.busy -= 1
            if not self.busy:
                self.left.set()

    async def shut(self) -> None:
        """Close the gate, and wait until all acts in progress have ended."""
        self.opened.clear()
        if self.busy:
            await self.left.wait()


@attrs.define
class Client:
    """All users and nodes of this process; ``name`` tells it from other client processes."""

    shared: ClientState
    name: str
    chance: Random
    gate: Gate = attrs.field(factory=Gate)
    creators: list[Creator] = attrs.field(factory=list[Creator])
    operators: list[Person] = attrs.field(factory=list[Person])
    workers: list[Worker] = attrs.field(factory=list[Worker])
    clerks: list[Clerk] = attrs.field(factory=list[Clerk])
    verifier: Worker = attrs.field(init=False)

    async def come(self) -> None:
        """Register the users and nodes, and log in the admin."""
        self.creators = [
            Creator(self.shared, f"creator-{self.name}{number}@example.org")
            for number in range(CREATORS)
        ]
        self.operators = [
            Person(self.shared, f"operator-{self.name}{number}@example.org")
            for number in range(OPERATORS_OF_EACH)
        ]
        for person in (*self.creators, *self.operators):
            await person.register()
        for owner in self.operators:
            await owner.set_payout_account()
            self.workers.append(await self._worker(WORK, owner.token))
        self.verifier = await self._worker((CHECK,), owner="")
        self.workers.append(self.verifier)
        idle = await self._worker(("nothing",), self.operators[0].token)
        admin = Person(self.shared, f"admin-{self.name}@example.org")
        admin.token = (await admin.login())["access_token"]
        self.clerks = [self._clerk(person) for person in self.operators]
        self.clerks.append(attrs.evolve(self._clerk(admin), idle=idle.id))

    async def _worker(self, capabilities: tuple[str, ...], owner: str) -> Worker:
        worker = Worker(self.shared, capabilities)
        await worker.register(owner)
        return worker

    def _clerk(self, person: Person) -> Clerk:
        return Clerk(person, self.creators, self._another(), person.email.partition("@")[0])

    def _another(self) -> Random:
        return Random(self.chance.random())

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """Return the endless activities, which run concurrently."""
        works = [worker.serve() for worker in self.workers]
        works += [
            self._hand(Hand(creator, self._another(), f"{creator.email[:-12]}-{number}"))
            for creator in self.creators
            for number in range(HANDS_OF_EACH)
        ]
        works += [self._operator(clerk) for clerk in self.clerks[:-1]]
        return [*works, self._admin(self.clerks[-1]), self._witness(), self.shared.journal.keep()]

    async def _hand(self, hand: Hand) -> None:
        while True:
            await self._do(chosen(ACTS, hand.chance), hand)

    async def _operator(self, clerk: Clerk) -> None:
        while True:
            await self._do(chosen(OPERATORS, clerk.chance), clerk)
            await asyncio.sleep(OPERATOR_PAUSE_SECONDS)

    async def _admin(self, clerk: Clerk) -> None:
        while True:
            await self._do(chosen(ADMINS, clerk.chance), clerk)
            await asyncio.sleep(ADMIN_PAUSE_SECONDS)

    async def _witness(self) -> None:
        """Record the newest checkpoint of the log again and again, as somebody without an
        account.
        """
        while True:
            await self._do(look_at_the_log, self.shared)
            await asyncio.sleep(LOOK_SECONDS)

    async def _do(self, act: Callable[[T], Awaitable[None]], actor: T) -> None:
        """Do one act while the gate is open; record an exception as wrong and go on."""
        try:
            await self.gate.pass_through(lambda: act(actor))
        except Exception as failure:
            name = getattr(act, "__name__", "")
            self.shared.wrong.append(f"{name} failed: {type(failure).__name__}: {failure}")

    async def obey(self) -> None:
        """Follow the commands on standard input until ``end``."""
        loop = asyncio.get_running_loop()
        while (word := (await loop.run_in_executor(None, sys.stdin.readline)).strip()) == "go":
            self.gate.opened.set()
            word = (await loop.run_in_executor(None, sys.stdin.readline)).strip()
            if word != "pause":
                return
            await self.gate.shut()
            await self.shared.journal.settled()
            wrong, self.shared.wrong = self.shared.wrong, []
            say({"paused": True, "wrong": wrong})


async def look_at_the_log(shared: ClientState) -> None:
    """Record the newest checkpoint of the log in the journal."""
    answer = await shared.line.ask(Request("GET", "/ledger/checkpoint"))
    if answer.is_good:
        shared.journal.note(Record("checkpoint", "", {}, answer.body, counts=False))
    else:
        shared.wrong.append(f"the checkpoint was answered with {answer.status}: {answer.body}")


def chosen(acts: Mapping[Callable[[T], Awaitable[None]], float], chance: Random) -> Any:
    """Return a random act, with probabilities by weight."""
    [act] = chance.choices(list(acts), list(acts.values()))
    return act


def say(word: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(word) + b"\n")
    sys.stdout.buffer.flush()


async def run(given: argparse.Namespace) -> None:
    journal = Journal(given.journal, lambda counted: say({"counted": counted}))
    async with new_session() as http:
        shared = ClientState(Line(http, given.url), journal)
        client = Client(shared, given.name, Random(f"{given.seed} {given.name}"))
        await client.come()
        tasks = [asyncio.create_task(work) for work in client.works()]
        say({"verifier": client.verifier.id, "ready": True})
        try:
            await client.obey()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.kills.client", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("journal", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--seed", required=True)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
