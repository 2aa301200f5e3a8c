"""A Verifier over a real Ledger and an in-memory database, with probes as sessions."""

import hashlib
import itertools
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.kernel.envelope import Envelope
from actors.ledger.actor import LedgerActor
from actors.ledger.effects import (
    JobInsert,
    Transfer,
    UnitAssign,
    UnitComplete,
    UnitDeliver,
    UnitFail,
)
from actors.ledger.messages import Commit, Ledger, Posted
from actors.node_session.messages import DropCheck, NodeSession, RunCheck
from actors.node_session.sampling import Sampling
from actors.notifier.messages import Notifier
from actors.scheduler.messages import Scheduler
from actors.verifier.actor import VerifierActor
from actors.verifier.messages import CheckerGone, CheckerSeen, Reported, Verifier
from actors.verifier.settings import VerifierPeers, VerifierSettings
from config.settings import Verification
from rendertrust.job_types import RENDERED
from sql.account_names import ADJUSTMENTS, operator_account, user_account
from sql.audit_log import Act
from sql.books import UnitRow
from sql.checks import CheckRow, Pending
from sql.nodes import StandingChange
from sql.units import evidence_key, result_key
from supervisors.child import Child
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.support.plans import planned
from tests.support.probe import Probe
from tests.support.until import until
from tests.twins.clock import TwinClock
from tests.twins.objects import TwinObjects
from tests.twins.ports import twin_ports
from tests.twins.random import TwinRandom
from tests.twins.signer import TwinSigner
from tests.twins.store import StoreTwin
from tests.twins.store_checks import stand

CLASS = "cpu/avx2/5.2"
CREATOR, OPERATOR = UUID(int=1), UUID(int=2)
NODE = UUID(int=10)
OURS = frozenset(UUID(int=number) for number in (20, 21, 22))  # ids of the gateway's verifiers
PRICE = 1_000
CONTENT, EVIDENCE = b"a picture", b"its evidence"
SHA256 = hashlib.sha256(CONTENT).digest()
EXACT: Mapping[str, Any] = {
    "crops": [{"equal": True, "off": None}] * 3,
    "finish": {"equal": True, "off": None},
}


def apart(value: float) -> Mapping[str, Any]:
    """Return a report in which one of three crops differs by ``value`` times the noise."""
    return {**EXACT, "crops": [*EXACT["crops"][:2], {"equal": False, "off": value}]}


@attrs.define
class Inspector:
    """A verifier node, with the probe that stands in for its session."""

    node: UUID
    device_class: str
    probe: Probe[NodeSession]


class Store(StoreTwin):
    """A database in which, if ``covers`` is set, each owner's pending earnings cover any fine."""

    covers = True

    def price_of(self, check: CheckRow) -> int:
        """Return the price of the check's unit, or ``PRICE`` for a result from before the test."""
        unit = self.units.get(check.id[:2])
        return PRICE if unit is None else unit.price

    def at_stake(self, operator: UUID) -> int:
        return 1_000_000 * PRICE if self.covers else super().at_stake(operator)


@attrs.define
class Play:
    """A running Verifier with its ledger, database and probes."""

    verifier: Ref[Verifier]
    ledger: Ref[Ledger]
    store: Store
    objects: TwinObjects
    clock: TwinClock
    root: Supervisor
    scheduler: Probe[Scheduler]
    begin: Callable[[], tuple[Supervisor, Ref[Verifier], Ref[Ledger]]]
    sampling: Sampling
    jobs: int = 0
    work: str | None = None  # the work that nodes sign
    window: timedelta = timedelta(days=7)

    async def do(self, *effects: Any, transfers: tuple[Any, ...] = ()) -> None:
        outcome = await self.ledger.ask(Commit(transfers, effects), within=60)
        assert isinstance(outcome, Posted), outcome

    async def delivered(self, node: UUID = NODE, owner: UUID = OPERATOR, **params: Any) -> UUID:
        """Return a job that a node has delivered; its object exists, and nothing is charged yet."""
        content = params.pop("content", CONTENT)
        job = await self.assigned(node, owner, **params)
        await self.again(job, node, 1, owner, content=content)
        return job

    async def assigned(self, node: UUID, owner: UUID = OPERATOR, **params: Any) -> UUID:
        """Return a job that was assigned to a node."""
        self.jobs += 1
        job, user = UUID(int=1000 + self.jobs), params.pop("user", CREATOR)
        if node not in self.store.nodes:
            self.store.add_node(node, ("render",), owner=owner)
        grant = Transfer(
            ADJUSTMENTS, user_account(user), user_account(user), PRICE, "ADJUSTMENT", str(job)
        )
        job_type, pool = params.pop("job_type", "render"), params.pop("pool", "any")
        params = {"frame": 1, **params}
        plan = planned(job_type, "s3://rendertrust/x", params, price=PRICE, pool=pool)
        insert = JobInsert(job, user, plan)
        await self.do(transfers=(grant,))
        await self.do(insert, UnitAssign(job, 0, 1, node))
        return job

    async def refused(self, node: UUID) -> UUID:
        """Return a job that this node blamed on the scene and that another node then delivered."""
        job = await self.assigned(node)
        now = self.clock.now()
        fault = UnitFail(job, 0, 1, node, "scene", "no camera", retry_at=now, accused=CLASS)
        await self.do(fault)
        await self.do(UnitAssign(job, 0, 2, NODE))
        await self.again(job, NODE, 2)
        return job

    async def again(
        self,
        job: UUID,
        node: UUID,
        attempt: int,
        owner: UUID = OPERATOR,
        *,
        unit: int = 0,
        content: bytes = CONTENT,
    ) -> None:
        """Deliver an attempt that the node has."""
        user = self.store.jobs[job].user_id
        key = result_key(user, job, unit, attempt)
        await self.objects.put(key, content)
        await self.objects.put(evidence_key(user, job, unit, attempt), EVIDENCE)
        result = UnitComplete(
            *(job, unit, attempt, node, f"s3://rendertrust/{key}"),
            *(hashlib.sha256(content).digest(), len(content)),
            verified=True,
            operator=operator_account(owner),
            dispute_window=self.window,
        )
        delivery = UnitDeliver(
            result,
            CLASS,
            work=self.work,
            evidence_sha256=hashlib.sha256(EVIDENCE).digest(),
            evidence_size=len(EVIDENCE),
        )
        number, odds = await self.sampling.draw(delivery, self.store.units[job, unit].price)
        await self.do(attrs.evolve(delivery, draw=number, odds=odds))

    def inspector(
        self,
        number: int = 20,
        device_class: str = CLASS,
        *,
        batches: bool = False,
        checks: frozenset[str] = RENDERED,
        others: tuple[str, ...] = (),
    ) -> Inspector:
        """Connect a node that can check; nodes in ``OURS`` are the gateway's own verifiers."""
        probe: Probe[NodeSession] = Probe(f"session {number}")
        node = UUID(int=number)
        seen = CheckerSeen(node, device_class, probe.ref, batches, 4, checks, others)
        assert self.verifier.tell(seen)
        return Inspector(node, device_class, probe)

    def appears(self, checker: Inspector) -> None:
        """Announce the node of ``checker`` again, as after a restart of the Verifier."""
        seen = CheckerSeen(checker.node, checker.device_class, checker.probe.ref)
        assert self.verifier.tell(seen)

    def comes_back(self, checker: Inspector) -> Inspector:
        """Reconnect the node with a new session."""
        probe: Probe[NodeSession] = Probe(f"session of {checker.node}, again")
        assert self.verifier.tell(CheckerSeen(checker.node, checker.device_class, probe.ref))
        return Inspector(checker.node, checker.device_class, probe)

    async def restarts(self) -> None:
        """Restart the gateway: a new Verifier over the same database."""
        await self.root.stop()
        self.root, self.verifier, self.ledger = self.begin()
        await self.root.start()

    def goes(self, checker: Inspector) -> None:
        assert self.verifier.tell(CheckerGone(checker.node, checker.probe.ref))

    async def asked(self, checker: Inspector) -> RunCheck:
        return await checker.probe.expect(RunCheck, within=60)

    async def dropped(self, checker: Inspector, order: RunCheck) -> None:
        """Wait until the node is told to drop the check."""
        assert await checker.probe.expect(DropCheck, within=60) == DropCheck(order.check)

    def says(
        self,
        checker: Inspector,
        order: RunCheck,
        report: Mapping[str, Any] | None,
        reason: str = "",
        *,
        is_unread: bool = False,
        is_scene: bool = False,
        by_files: bool = False,
        is_other: bool = False,
        is_given_back: bool = False,
    ) -> None:
        told = Reported(
            *(order.check, checker.node, report, reason),
            *(is_unread, is_scene, by_files, is_other, is_given_back),
        )
        assert self.verifier.tell(told)

    async def checks(self, checker: Inspector, report: Mapping[str, Any] | None) -> RunCheck:
        """Wait until the node gets a check, and answer it with the report."""
        order = await self.asked(checker)
        self.says(checker, order, report, "it failed")
        return order

    async def confirms(self, checker: Inspector, report: Mapping[str, Any]) -> RunCheck:
        """Answer a check of crops, and then a check of the whole frame, with the report."""
        order = await self.checks(checker, report)
        await self.renders_whole(checker, report)
        return order

    async def renders_whole(self, checker: Inspector, report: Mapping[str, Any]) -> RunCheck:
        """Answer a check of the whole frame with the report."""
        order = await self.asked(checker)
        assert order.whole
        self.says(checker, order, {**report, "whole": True})
        return order

    async def ends(self, job: UUID, state: str) -> UnitRow:
        """Wait until the unit is in this state, audit the books, and return the unit."""
        await until(lambda: self.store.units[job, 0].state == state, within=60)
        found = await self.store.audit()
        assert found == [], found
        return self.store.units[job, 0]

    def earned(self, owner: UUID = OPERATOR) -> int:
        account = self.store.accounts.get(operator_account(owner))
        return 0 if account is None else account.balance

    def charged(self) -> int:
        return -sum(
            entry.amount
            for entry in self.store.entries.values()
            if entry.account == user_account(CREATOR) and entry.amount < 0
        )

    def told(self) -> list[Any]:
        """Return the messages to the Scheduler so far."""
        items = list(self.scheduler.ref.mailbox.items)
        return [item.message if isinstance(item, Envelope) else item for item in items]

    def standing(self, node: UUID = NODE) -> str:
        return self.store.nodes[node].standing.name

    def release(self, node: UUID = NODE) -> None:
        """Release a node from quarantine, as an admin does."""
        self.stand("ACTIVE", node)

    def stand(self, standing: str, node: UUID = NODE) -> None:
        """Change a node's standing, as an admin does."""
        version = self.store.nodes[node].standing.version
        act = Act(self.clock.now(), None, "ann", "node.stand", f"node:{node}", "she says so")
        assert stand(self.store, StandingChange(node, version, standing, act.reason), act)

    def known(self, letters: str, node: UUID = NODE, device_class: str = CLASS) -> None:
        """Give a node earlier verdicts: 'v' is a valid result, 'm' a strike."""
        if node not in self.store.nodes:
            self.store.add_node(node, ("render",), owner=OPERATOR)
        for letter in letters:
            self.jobs += 1
            row = CheckRow(
                job=UUID(int=1000 + self.jobs),
                unit=0,
                attempt=1,
                node=node,
                device_class=device_class,
                result_ref=None,
                verified=True,
                share_percent=70,
                dispute_window=timedelta(),
                opened_at=self.clock.now(),
                state="DECIDED",
                verdict="invalid" if letter == "m" else "exact",
                strike=letter == "m",
                decided_at=self.clock.now(),
            )
            self.store.checks[row.id] = row

    def verdict(self, job: UUID, attempt: int = 1) -> str | None:
        return self.store.checks[job, 0, attempt].verdict


@asynccontextmanager
async def verifying(**settings: Any) -> AsyncGenerator[Play]:
    """Run a Verifier with these settings."""
    store, clock = Store(), TwinClock()
    objects = TwinObjects(clock.monotonic)
    scheduler, notifier = Probe[Scheduler]("scheduler"), Probe[Notifier]("notifier")
    declared = {field.name for field in attrs.fields(Verification)}
    section = {name: value for name, value in settings.items() if name in declared}
    given: dict[str, Any] = {"look_seconds": 0.5, "own": OURS, **settings}
    given = {name: value for name, value in given.items() if name not in declared}
    chosen, lives = VerifierSettings(Verification(**section), **given), itertools.count(1)

    def begin() -> tuple[Supervisor, Ref[Verifier], Ref[Ledger]]:
        life = next(lives)
        ledger, verifier = Ref[Ledger]("ledger"), Ref[Verifier]("verifier")
        peers = VerifierPeers(
            ledger=ledger,
            scheduler=scheduler.ref,
            notifier=notifier.ref,
            ports=twin_ports(
                store=store, objects=objects, clock=clock, random=TwinRandom(2 * life - 1)
            ),
            gateway=UUID(int=990 + life),
        )
        children = [
            Child("ledger", lambda: LedgerActor(store, clock, TwinRandom(2 * life)), ref=ledger),
            Child("verifier", lambda: VerifierActor(peers, chosen), ref=verifier),
        ]
        root = Supervisor("root", Strategy.ONE_FOR_ONE, Intensity(), children)
        return root, verifier, ledger

    root, verifier, ledger = begin()
    await root.start()
    sampling = Sampling(store, TwinSigner(), TwinRandom(7), chosen.verification.least_odds)
    play = Play(verifier, ledger, store, objects, clock, root, scheduler, begin, sampling)
    try:
        yield play
    finally:
        await play.root.stop()


def pending(
    *,
    drawn: bool | None = False,
    params: Mapping[str, Any] | None = None,
    job_type: str = "render",
    **more: Any,
) -> Pending:
    """Return a delivery that waits for its verdict, without a database."""
    row = CheckRow(
        job=UUID(int=1001),
        unit=0,
        attempt=1,
        node=NODE,
        device_class=CLASS,
        result_ref="s3://rendertrust/x",
        sha256=SHA256,
        size=len(CONTENT),
        verified=True,
        operator=operator_account(OPERATOR),
        share_percent=70,
        dispute_window=timedelta(seconds=3600),
        opened_at=datetime(2030, 1, 1, tzinfo=UTC),
        drawn=drawn,
    )
    given: dict[str, Any] = {"owner": OPERATOR, "failures": 0, "faults": 0, "unsent": 0, **more}
    return Pending(
        row=row,
        plan=planned(job_type, "s3://rendertrust/x", {"frame": 1, **(params or {})}),
        user=CREATOR,
        frames=None,
        price=PRICE,
        **given,
    )
