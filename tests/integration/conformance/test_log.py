"""The log on the in-memory store and on PostgreSQL, with several sequencers and with failures."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from actors.kernel import Actor, Ref
from actors.ledger.messages import Commit
from actors.ports import Clock, LogStore
from actors.sequencer.actor import SequencerActor
from actors.sequencer.messages import (
    ChainAgreement,
    CheckpointLate,
    CheckpointReady,
    RequestCheckpoint,
    Sequencer,
)
from actors.sequencer.policy import SequencerSettings
from config.settings import Proof
from sql.database import Conflict, Unavailable
from sql.log import Append, LogTransaction, LogView
from supervisors.child import Child
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.integration.conformance.stage import Serial, Stage, fresh_id, grant
from tests.support.until import until
from tests.twins.chain import ChainTwin
from tests.twins.ports import twin_ports
from tests.twins.signer import TwinSigner


def log_of(stage: Stage) -> LogStore:
    """Return the stage's store as the store of the log."""
    store: Any = stage.store
    found: LogStore = store
    return found


async def post_transfers(stage: Stage, transfers: int) -> None:
    """Book this many transfers in one batch."""
    user = await stage.user()
    grants = [grant(user, 5, str(fresh_id())) for _ in range(transfers)]
    await stage.commit(*(Commit((transfer,)) for transfer in grants))


@asynccontextmanager
async def sequencing(
    stage: Stage,
    *,
    signer: TwinSigner | None = None,
    log: LogStore | None = None,
    awaits_chain: bool = False,
    clock: Clock | None = None,
    origin: str = "",
    entries: int = 10_000,
    seconds: float = 10.0,
    batch: int = 4000,
    every_seconds: float = 0.01,
) -> AsyncGenerator[Ref[Sequencer]]:
    """Run a Sequencer until the block ends.

    The stage's clock stands still, so its turns take no time and it never pauses.
    """

    def make() -> Actor[Sequencer]:
        proof = Proof(origin=origin, checkpoint_transfers=entries, checkpoint_seconds=seconds)
        chosen = SequencerSettings(proof, every_seconds=every_seconds, batch=batch)
        ports = twin_ports(
            clock=clock or stage.clock,
            random=Serial(),
            log=log or log_of(stage),
            signer=signer or TwinSigner(),
            chain=ChainTwin() if awaits_chain else None,
        )
        return SequencerActor(ports, chosen)

    child = Child("sequencer", make)
    inner = Supervisor("Books", Strategy.ONE_FOR_ONE, Intensity(1000, 1.0), [child])
    await inner.start()
    try:
        yield child.ref
    finally:
        await inner.stop()


async def seen(stage: Stage) -> LogView:
    look = await log_of(stage).log_look(10_000)
    assert look is not None
    return look


async def wait_until_covered(stage: Stage, size: int) -> None:
    """Wait until the log has ``size`` leaves and covers all transfers."""

    async def done() -> bool:
        look = await log_of(stage).log_look(1)
        return look is not None and look.head.size == size and look.newest == look.head.covered

    await until(done)


async def test_a_log_begins_with_a_checkpoint_of_nothing(stage: Stage) -> None:
    async with sequencing(stage, origin="farm.example/log") as ref:
        answer = await ask_for_checkpoint(ref)
    assert answer == CheckpointReady(0)
    look = await seen(stage)
    assert (look.head.origin, look.head.size, look.checked) == ("farm.example/log", 0, 0)
    assert await stage.store.audit() == []


async def ask_for_checkpoint(ref: Ref[Sequencer]) -> CheckpointReady | CheckpointLate:
    """Ask for a checkpoint; ask again while the log has not begun or transfers wait
    for it.
    """

    async def caught() -> CheckpointReady | CheckpointLate | None:
        answer = await ref.ask(RequestCheckpoint(), within=60)
        begun = answer != CheckpointLate("the log has not begun")
        return answer if begun and answer != CheckpointLate("many transfers are waiting") else None

    found = await until(caught)
    assert found is not None
    return found


async def test_every_transfer_becomes_one_leaf_and_all_are_covered(stage: Stage) -> None:
    await post_transfers(stage, 150)
    async with sequencing(stage, batch=64):
        await wait_until_covered(stage, 150)
        await post_transfers(stage, 3)
        await wait_until_covered(stage, 153)
    assert await stage.store.audit() == []


async def test_a_checkpoint_comes_after_so_many_transfers(stage: Stage) -> None:
    async with sequencing(stage, entries=2) as ref:
        await ask_for_checkpoint(ref)
        await post_transfers(stage, 1)
        await wait_until_covered(stage, 1)
        assert (await seen(stage)).checked == 0
        await post_transfers(stage, 1)
        await until(lambda: checked_is(stage, 2))
    assert await stage.store.audit() == []


async def checked_is(stage: Stage, size: int) -> bool:
    return (await seen(stage)).checked == size


async def test_a_checkpoint_comes_after_so_much_time(stage: Stage) -> None:
    async with sequencing(stage, seconds=10.0) as ref:
        await ask_for_checkpoint(ref)
        await post_transfers(stage, 1)
        await wait_until_covered(stage, 1)
        stage.clock.pass_by(11)
        await until(lambda: checked_is(stage, 1))
        assert await stage.store.audit() == []


async def test_nothing_is_signed_before_the_chain_agrees_or_while_it_does_not(
    stage: Stage,
) -> None:
    async with sequencing(stage, awaits_chain=True, seconds=0.0, entries=1) as ref:
        await post_transfers(stage, 2)
        await wait_until_covered(stage, 2)
        assert await ask_for_checkpoint(ref) == CheckpointLate("the chain has not answered yet")
        assert (await seen(stage)).checked is None
        ref.tell(ChainAgreement(holds=True))
        assert await ask_for_checkpoint(ref) == CheckpointReady(2)
        ref.tell(ChainAgreement(holds=False))
        await post_transfers(stage, 1)
        await wait_until_covered(stage, 3)
        assert (await seen(stage)).checked == 2
    assert await stage.store.audit() == []


async def test_who_asks_does_not_wait_for_one(stage: Stage) -> None:
    async with sequencing(stage) as ref:
        await ask_for_checkpoint(ref)
        await post_transfers(stage, 2)
        assert await ask_for_checkpoint(ref) == CheckpointReady(2)
        assert (await seen(stage)).checked == 2


async def test_two_at_one_log_leave_no_hole_and_take_nothing_twice(stage: Stage) -> None:
    async with sequencing(stage, batch=7), sequencing(stage, batch=5, entries=10):
        for _ in range(10):
            await asyncio.gather(*(post_transfers(stage, 3) for _ in range(3)))
        await wait_until_covered(stage, 90)
    assert await stage.store.audit() == []


class FailingLogStore:
    """Log store whose steps fail in turn; at ``lost``, the commit happens but its answer is
    lost.
    """

    def __init__(self, log: LogStore) -> None:
        self._log = log
        self.failures = [f"{step} {n}" for n in (1, 2) for step in (*STEPS, "lost")]

    async def log_look(self, limit: int) -> LogView | None:
        return await self._log.log_look(limit)

    @asynccontextmanager
    async def log(self) -> AsyncGenerator[LogTransaction]:
        async with self._log.log() as books:
            yield FailingTransaction(books, self.fail)
        self.fail("lost")

    def fail(self, step: str) -> None:
        if self.failures and self.failures[0].startswith(step):
            raise Conflict(step) if self.failures.pop(0).endswith("1") else Unavailable(step)


STEPS = ("lead", "look", "transfers", "edge", "write", "written")


class FailingTransaction:
    def __init__(self, books: LogTransaction, fail: Any) -> None:
        self._books, self._fail = books, fail

    async def lead(self) -> bool:
        self._fail("lead")
        return await self._books.lead()

    async def look(self, limit: int) -> LogView | None:
        self._fail("look")
        return await self._books.look(limit)

    async def begin(self, origin: str) -> None:
        await self._books.begin(origin)

    async def transfers(self, numbers: Any) -> Any:
        self._fail("transfers")
        return await self._books.transfers(numbers)

    async def edge(self, size: int) -> Any:
        self._fail("edge")
        return await self._books.edge(size)

    async def write(self, append: Append) -> None:
        self._fail("write")
        await self._books.write(append)
        self._fail("written")


async def test_whatever_step_fails_nothing_is_lost_or_taken_twice(stage: Stage) -> None:
    log = FailingLogStore(log_of(stage))
    total = 0
    async with sequencing(stage, log=log, batch=5, entries=4):
        while log.failures:
            await post_transfers(stage, 9)
            total += 9
            assert total < 500, f"never came to {log.failures[0]}"
            await wait_until_covered(stage, total)
    assert await stage.store.audit() == []


async def test_a_rotation_is_signed_by_both_keys_and_a_strange_key_does_not_count(
    stage: Stage,
) -> None:
    signer = TwinSigner(1)
    async with sequencing(stage, signer=signer) as ref:
        await ask_for_checkpoint(ref)
        signer.keys = TwinSigner(2, 1).keys
        await post_transfers(stage, 1)
        assert await ask_for_checkpoint(ref) == CheckpointReady(1)
        assert len((await seen(stage)).verifiers) == 2
        signer.keys = TwinSigner(2).keys
        await post_transfers(stage, 1)
        assert await ask_for_checkpoint(ref) == CheckpointReady(2)
        signer.keys = TwinSigner(7).keys
        await post_transfers(stage, 1)
        assert await ask_for_checkpoint(ref) == CheckpointLate("the log's key is not valid")
        await wait_until_covered(stage, 3)
        assert (await seen(stage)).checked == 2
    assert await stage.store.audit() == []


async def test_hashes_that_do_not_lead_to_the_root_stop_it(stage: Stage) -> None:
    async with sequencing(stage) as ref:
        await ask_for_checkpoint(ref)
        await post_transfers(stage, 1)
        assert await ask_for_checkpoint(ref) == CheckpointReady(1)
    log = log_of(stage)
    async with log.log() as books:
        look = await books.look(1)
        assert look is not None
        head = look.head
        await books.write(Append(type(head)(head.origin, head.size, b"x" * 32, head.covered)))
    async with sequencing(stage) as ref:
        assert await ref.ask(RequestCheckpoint(), within=60) == CheckpointLate(
            "the root of 1 leaves does not match"
        )
    assert [finding.invariant for finding in await stage.store.audit()] == ["I7"]
