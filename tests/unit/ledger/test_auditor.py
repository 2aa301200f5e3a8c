"""The auditor actors over the in-memory database: their times, marks and findings."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from actors.auditor.actor import AuditorActor
from actors.auditor.messages import Audit, Auditor, LastAudit
from actors.kernel import Ref
from actors.night_auditor.actor import NightAuditorActor, is_due
from actors.night_auditor.messages import NightAuditor
from sql.fsck import INVARIANTS, OF_WHAT_IS_NEW, AuditIncrement, AuditMark, Finding
from supervisors.child import Child
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.integration.conformance.conftest import twin_stage
from tests.twins.clock import EPOCH
from tests.twins.leadership import Leads, TwinLeadership
from tests.twins.ports import twin_ports
from tests.twins.store import StoreTwin
from tests.unit.simulated_time import in_time, simulated

DAY = 86_400.0
JOB_IS_WRONG = Finding("I9", "job 1", "counts wrongly")
SHARE_IS_WRONG = Finding("I4", "unit 1", "is not booked")


class RecordingStore(StoreTwin):
    """A store that records when it is audited, and returns the test's findings."""

    def __init__(self) -> None:
        super().__init__()
        self.since: list[tuple[float, AuditMark | None]] = []
        self.whole: list[float] = []
        self.new: list[Finding] = []
        self.all: list[Finding] = []
        self.whole_takes = 0.0

    async def audit_since(self, mark: AuditMark | None) -> AuditIncrement:
        await self.round_trip()
        self.since.append((asyncio.get_running_loop().time(), mark))
        found = [] if mark is None else self.new
        return AuditIncrement(found, AuditMark(horizon=len(self.since)))

    async def audit(self) -> list[Finding]:
        await self.round_trip()
        self.whole.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.whole_takes)
        return self.all


@asynccontextmanager
async def auditing(
    store: StoreTwin, leadership: TwinLeadership | None = None
) -> AsyncGenerator[tuple[Supervisor, Ref[Auditor]]]:
    """Run both auditor actors, connected as in the tree."""
    auditor, night = Ref[Auditor]("auditor", capacity=99), Ref[NightAuditor]("night", capacity=99)
    ports = twin_ports(store=store, leadership=leadership or TwinLeadership(Leads()))
    children = [
        Child(
            "auditor",
            lambda: AuditorActor(ports, night),
            ref=auditor,
        ),
        Child(
            "night",
            lambda: NightAuditorActor(ports, auditor),
            ref=night,
        ),
    ]
    inner = Supervisor("books", Strategy.ONE_FOR_ONE, Intensity(5, 30.0), children)
    root = Supervisor("root", Strategy.REST_FOR_ONE, Intensity(3, 60.0), [inner])
    await root.start()
    try:
        yield root, auditor
    finally:
        await root.stop()


async def said(auditor: Ref[Auditor]) -> Audit:
    found = await auditor.ask(LastAudit(), within=1.0)
    assert isinstance(found, Audit)
    return found


def known(invariant: str) -> float | None:
    return REGISTRY.get_sample_value("rendertrust_audit_findings", {"invariant": invariant})


def last(invariant: str, run: str) -> float | None:
    name = "rendertrust_audit_last_timestamp_seconds"
    return REGISTRY.get_sample_value(name, {"invariant": invariant, "run": run})


@simulated
async def test_what_is_new_is_audited_each_minute_from_where_the_last_audit_ended() -> None:
    store = RecordingStore()
    async with auditing(store) as (_, auditor):
        assert await auditor.ask(LastAudit(), within=1.0) is None
        await asyncio.sleep(400)
        times = [at for at, _ in store.since]
        assert all(60 <= b - a <= 66 for a, b in zip([0.0, *times], times, strict=False))
        assert [mark for _, mark in store.since] == [
            None,
            *(AuditMark(horizon=n) for n in range(1, len(times))),
        ]
        first = await said(auditor)
        await asyncio.sleep(70)
        second = await said(auditor)
        assert first.findings == second.findings == ()
        assert second.at > first.at


@simulated
async def test_all_is_audited_after_the_start_and_then_each_night_at_its_time() -> None:
    store = RecordingStore()
    async with auditing(store):
        await asyncio.sleep(3 * DAY)
    start, *nights = store.whole
    assert start == store.since[0][0]  # the first increment after the whole audit sets the mark
    assert len(nights) == 3
    for number, at in enumerate(nights):
        assert 0 <= at - (number * DAY + 3 * 3600) <= 66


@simulated
async def test_what_is_new_is_looked_at_while_the_whole_takes_its_time() -> None:
    store = RecordingStore()
    store.whole_takes = 4000.0
    async with auditing(store):
        await asyncio.sleep(3000)
        assert len(store.whole) == 1
        assert len(store.since) >= 45


@simulated
async def test_a_night_without_a_database_is_made_up_for() -> None:
    store = RecordingStore()
    async with auditing(store):
        await asyncio.sleep(3 * 3600 - 300)
        store.away = True
        await asyncio.sleep(1200)
        assert len(store.whole) == 1
        store.away = False
        await asyncio.sleep(70)
        assert len(store.whole) == 2


@simulated
async def test_an_auditor_that_crashed_and_lost_its_mark_has_all_audited() -> None:
    store = RecordingStore()
    async with auditing(store):
        await asyncio.sleep(130)
        store.audit_since, kept = (crash, store.audit_since)  # type: ignore[method-assign]
        await asyncio.sleep(70)
        store.audit_since = kept  # type: ignore[method-assign]
        await asyncio.sleep(130)
        assert [mark for _, mark in store.since].count(None) == 2
        assert len(store.whole) == 2


async def crash(mark: AuditMark | None) -> AuditIncrement:
    raise RuntimeError("a bug")


@simulated
async def test_a_finding_counts_until_all_was_looked_at_without_it() -> None:
    store = RecordingStore()
    async with auditing(store) as (_, auditor):
        await asyncio.sleep(140)
        assert known("I9") == 0
        store.new = [JOB_IS_WRONG]
        await asyncio.sleep(70)
        store.new = []
        await asyncio.sleep(600)
        assert (await said(auditor)).findings == (JOB_IS_WRONG,)
        assert known("I9") == 1
        store.all = [SHARE_IS_WRONG]
        await asyncio.sleep(DAY)
        assert (await said(auditor)).findings == (SHARE_IS_WRONG,)
        assert (known("I9"), known("I4")) == (0, 1)
        store.all = []
        await asyncio.sleep(DAY)
        assert (await said(auditor)).findings == ()
        assert known("I4") == 0


@simulated
async def test_a_finding_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    store = RecordingStore()
    async with auditing(store):
        store.new = [JOB_IS_WRONG]
        await asyncio.sleep(1000)
    assert [r.getMessage() for r in caplog.records].count("I9 job 1: counts wrongly") == 1


@simulated
async def test_each_invariant_has_the_time_of_its_last_audit() -> None:
    store = RecordingStore()
    async with auditing(store):
        await asyncio.sleep(200)
        for invariant in INVARIANTS:
            for run, at in (("since", store.since[-1][0]), ("whole", store.whole[-1])):
                if run == "whole" or invariant in OF_WHAT_IS_NEW:
                    assert last(invariant, run) == pytest.approx(EPOCH.timestamp() + at, abs=0.001)


@simulated
async def test_a_database_that_is_away_is_audited_later() -> None:
    store = StoreTwin()
    async with auditing(store) as (_, auditor):
        store.away = True
        await asyncio.sleep(140)
        store.away = False
        assert await auditor.ask(LastAudit(), within=1.0) is None
        await asyncio.sleep(140)
        assert (await said(auditor)).findings == ()


@simulated
async def test_broken_books_stop_the_tree_and_say_so() -> None:
    store = StoreTwin()
    async with auditing(store) as (root, _):
        store.accounts["revenue"] = attrs.evolve(store.accounts["revenue"], balance=1)
        reason = await in_time(root.failed())
    assert "the books are broken: I2; run fsck" in reason
    assert root.exit_code == 3


@pytest.mark.parametrize("invariant", ["I1", "I2"])
@simulated
async def test_a_break_of_the_last_minute_stops_the_tree(invariant: str) -> None:
    store = RecordingStore()
    async with auditing(store) as (root, _):
        await asyncio.sleep(200)
        store.new = [Finding(invariant, "x", "y"), JOB_IS_WRONG]
        began = asyncio.get_running_loop().time()
        assert f"the books are broken: {invariant}; run fsck" in await in_time(root.failed())
        assert asyncio.get_running_loop().time() - began <= 66


@simulated
async def test_other_findings_are_kept_and_told() -> None:
    stage = twin_stage()
    assert isinstance(stage.store, StoreTwin)
    _, _, job = await stage.dispatched()
    stage.store.jobs[job] = attrs.evolve(stage.store.jobs[job], retry_count=3)
    async with auditing(stage.store) as (_, auditor):
        await asyncio.sleep(140)
        assert [finding.invariant for finding in (await said(auditor)).findings] == ["I9"]


@given(
    last_=st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 9)),
    minutes=st.integers(0, 4 * 24 * 60),
    night=st.times(),
)
def test_a_night_is_due_once_its_time_was_passed(
    last_: datetime, minutes: int, night: time
) -> None:
    begun = last_.replace(tzinfo=UTC)
    now = begun + timedelta(minutes=minutes)
    days = [begun.date() + timedelta(days=day) for day in range(6)]
    nights = [datetime.combine(day, night, UTC) for day in days]
    assert is_due(now, begun, night) == any(begun < each <= now for each in nights)
    assert is_due(now, None, night)


# -- several gateways


@asynccontextmanager
async def follower_and_leader(
    store: StoreTwin,
) -> AsyncGenerator[tuple[Supervisor, Ref[Auditor], TwinLeadership]]:
    """Run a follower beside a leading gateway; yield the follower's actors and the leader's
    leadership.
    """
    leads = Leads()
    leading = TwinLeadership(leads)
    assert await leading.leads("auditor")
    async with auditing(store, leading), auditing(store, TwinLeadership(leads)) as (root, auditor):
        yield root, auditor, leading


@simulated
async def test_a_gateway_that_does_not_lead_tells_what_the_leader_found() -> None:
    store = RecordingStore()
    store.all, store.new = [JOB_IS_WRONG], [SHARE_IS_WRONG]
    async with follower_and_leader(store) as (_, auditor, _):
        await asyncio.sleep(300)
        assert len(store.whole) == 1
        told = await said(auditor)
        assert {*told.findings} == {JOB_IS_WRONG, SHARE_IS_WRONG}
        assert told.whole is not None


@simulated
async def test_broken_books_stop_the_gateways_that_do_not_audit_too() -> None:
    store = RecordingStore()
    async with follower_and_leader(store) as (root, _, _):
        await asyncio.sleep(200)
        store.new = [JOB_IS_WRONG, Finding("I2", "x", "y")]
        assert "the books are broken: I2; run fsck" in await in_time(root.failed())
    assert root.exit_code == 3


@simulated
async def test_what_was_found_before_a_start_stops_nobody() -> None:
    """The books may have been repaired since the last audit; only the next audit can tell."""
    store, leads = RecordingStore(), Leads()
    assert await TwinLeadership(leads).leads("auditor")
    await store.note_audit(EPOCH, EPOCH, [Finding("I2", "x", "y")])
    async with auditing(store, TwinLeadership(leads)) as (_, auditor):
        await asyncio.sleep(300)
        assert await auditor.ask(LastAudit(), within=1.0) is None
        assert not store.whole
        assert not store.since


@simulated
async def test_a_leader_that_lost_the_lead_keeps_no_figures_and_begins_anew_when_it_leads() -> None:
    store = RecordingStore()
    store.all = [JOB_IS_WRONG]
    async with follower_and_leader(store) as (_, _, leading):
        await asyncio.sleep(200)
        leading.cut()
        await asyncio.sleep(300)
        assert len(store.whole) == 2, "the new leader has audited everything itself"
        assert [mark for _, mark in store.since].count(None) == 2
