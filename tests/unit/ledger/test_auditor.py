"""The auditor actor over the twin."""

import asyncio

import attrs

from actors.auditor.actor import AuditorActor
from actors.auditor.messages import Auditor, LastAudit
from actors.kernel import Ref
from supervisors.child import Child
from supervisors.intensity import Intensity
from supervisors.strategy import Strategy
from supervisors.supervisor import Supervisor
from tests.integration.conformance.conftest import twin_stage
from tests.twins.clock import TwinClock
from tests.twins.store import StoreTwin
from tests.unit.simulated_time import simulated


def tree(store: StoreTwin) -> tuple[Supervisor, Ref[Auditor]]:
    child = Child("auditor", lambda: AuditorActor(store, TwinClock()))
    inner = Supervisor("books", Strategy.ONE_FOR_ONE, Intensity(5, 30.0), [child])
    return Supervisor("root", Strategy.REST_FOR_ONE, Intensity(3, 60.0), [inner]), child.ref


@simulated
async def test_sound_books_are_audited_each_minute() -> None:
    stage = twin_stage()
    assert isinstance(stage.store, StoreTwin)
    await stage.dispatched()
    root, auditor = tree(stage.store)
    await root.start()
    assert await auditor.ask(LastAudit(), within=1.0) is None
    await asyncio.sleep(70)
    first = await auditor.ask(LastAudit(), within=1.0)
    await asyncio.sleep(70)
    second = await auditor.ask(LastAudit(), within=1.0)
    assert first is not None
    assert second is not None
    assert first.findings == second.findings == ()
    assert second.at > first.at
    await root.stop()


@simulated
async def test_a_database_that_is_away_is_audited_later() -> None:
    store = StoreTwin()
    root, auditor = tree(store)
    await root.start()
    store.away = True
    await asyncio.sleep(70)
    store.away = False
    await asyncio.sleep(70)
    assert await auditor.ask(LastAudit(), within=1.0) is not None
    await root.stop()


@simulated
async def test_broken_books_stop_the_tree() -> None:
    store = StoreTwin()
    root, _ = tree(store)
    await root.start()
    store.accounts["revenue"] = attrs.evolve(store.accounts["revenue"], balance=1)
    assert "the books are broken: I2; run fsck" in await root.failed()
    await root.stop()


@simulated
async def test_other_findings_are_kept_and_told() -> None:
    stage = twin_stage()
    assert isinstance(stage.store, StoreTwin)
    _, _, job = await stage.dispatched()
    stage.store.jobs[job] = attrs.evolve(stage.store.jobs[job], retry_count=3)
    root, auditor = tree(stage.store)
    await root.start()
    await asyncio.sleep(70)
    audit = await auditor.ask(LastAudit(), within=1.0)
    assert audit is not None
    assert [finding.invariant for finding in audit.findings] == ["I9"]
    await root.stop()
