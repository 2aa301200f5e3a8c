"""Several gateways over one database: which deliveries are drawn, and which gateway checks them."""

import hashlib
import math
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import attrs
import pytest

from actors.kernel import Ref, handles
from actors.ledger.actor import LedgerActor
from actors.ledger.effects import UnitDeliver
from actors.ledger.messages import Commit, Ledger, Posted
from actors.node_session.messages import NodeSession, RunCheck
from actors.node_session.sampling import Sampling
from actors.notifier.messages import Notifier
from actors.scheduler.messages import Scheduler
from actors.verifier.actor import VerifierActor
from actors.verifier.messages import CheckerSeen, Reported, Verifier
from actors.verifier.settings import VerifierPeers, VerifierSettings
from config.settings import Verification
from sql.books import Keys
from sql.checks import SeenVerifier, VerifierLoad
from sql.halts import Halted
from sql.sampling import ALWAYS_UNTIL
from sql.units import result_key
from supervisors.child import Child
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.integration.conformance.stage import Stage, dispatch, fresh_id
from tests.integration.conformance.test_verdicts import CLASS, delivered, delivery, said
from tests.support.probe import Probe
from tests.support.stand_in import StandIn
from tests.support.until import until
from tests.twins.objects import TwinObjects
from tests.twins.ports import twin_ports
from tests.twins.random import TwinRandom
from tests.twins.signer import TwinSigner

LEAST, DELIVERIES, VERIFIERS = 0.3, 240, 3
SETTINGS = VerifierSettings(Verification(least_odds=LEAST), look_seconds=0.05)
EXACT = {
    "crops": [{"equal": True, "off": None}] * 3,
    "finish": {"equal": True, "off": None},
}


class Inspector(StandIn[NodeSession]):
    """Session of a verifier that reports every result as exact, at once."""

    def __init__(self, node: UUID, verifier: Ref[Verifier], seen: Counter[UUID]) -> None:
        self._node, self._verifier, self._seen = node, verifier, seen

    @handles(RunCheck)
    async def check(self, order: RunCheck) -> None:
        self._seen[order.unit.job] += bool(order.draws)
        report = EXACT if order.draws else {"looked": True}
        self._verifier.tell(Reported(order.check, self._node, report))


@attrs.define
class Scene:
    """State that the gateways share, and a count of checks per job."""

    stage: Stage
    objects: TwinObjects
    node: UUID
    operator: str
    checked: Counter[UUID] = attrs.field(factory=Counter[UUID])

    async def deliver(self, count: int, sampling: list[Sampling]) -> list[UUID]:
        """Deliver ``count`` units of one node, at one gateway after the other."""
        jobs = [fresh_id() for _ in range(count)]
        user = await self.stage.user(100 * count)
        sent = [dispatch(user, job, 100, 1, self.node) for job in jobs]
        posted = await self.stage.commit(*sent)
        effects = []
        for number, job in enumerate(jobs):
            content = b"picture %d" % number
            await self.objects.put(result_key(user, job, 0, 1), content)
            result = attrs.evolve(
                delivery(job, self.node, self.operator).result,
                sha256=hashlib.sha256(content).digest(),
                size=len(content),
            )
            made = UnitDeliver(result, CLASS)
            drawn, odds = await sampling[number % len(sampling)].draw(made, 0)
            effects.append(Commit((), (attrs.evolve(made, draw=drawn, odds=odds),)))
        posted += await self.stage.commit(*effects)
        assert all(isinstance(one, Posted) for one in posted)
        return jobs

    async def verdicts(self, jobs: list[UUID]) -> Counter[str | None]:
        async with self.stage.store.transaction() as books:
            rows = await books.lock(Keys(checks={(job, 0) for job in jobs}))
        return Counter(rows.checks[job, 0, 1].verdict for job in jobs)


@asynccontextmanager
async def gateway(scene: Scene, number: int) -> AsyncGenerator[Sampling]:
    """Run a gateway with verifiers of its own."""
    stage, chance = scene.stage, TwinRandom(number)
    own = [await stage.node() for _ in range(VERIFIERS)]
    settings = attrs.evolve(SETTINGS, own=frozenset(own))
    ledger, verifier = Ref[Ledger]("ledger"), Ref[Verifier]("verifier")
    peers = VerifierPeers(
        ledger=ledger,
        scheduler=Probe[Scheduler]("scheduler").ref,
        notifier=Probe[Notifier]("notifier").ref,
        ports=twin_ports(
            store=stage.store, objects=scene.objects, clock=stage.clock, random=chance
        ),
        gateway=chance.uuid(),
    )
    children = [
        Child("ledger", lambda: LedgerActor(stage.store, stage.clock, chance), ref=ledger),
        Child("verifier", lambda: VerifierActor(peers, settings), ref=verifier),
    ]
    seen: list[CheckerSeen] = []
    for node in own:
        session: Ref[Any] = Ref("session")
        make = partial(Inspector, node, verifier, scene.checked)
        children.append(Child(f"session {node}", make, ref=session))
        seen.append(CheckerSeen(node, CLASS, session))
    root = Supervisor("root", Strategy.ONE_FOR_ONE, Intensity(), children)
    await root.start()
    for one in seen:
        assert verifier.tell(one)
    yield Sampling(stage.store, TwinSigner(), chance, LEAST)
    await root.stop()


async def scene_with_known_node(stage: Stage) -> Scene:
    """Return a scene with a node whose record is long enough that its results are drawn."""
    node, owner = await stage.node(), await stage.user()
    await stage.own(node, owner)
    scene = Scene(stage, TwinObjects(stage.clock.monotonic), node, f"operator:{owner}")
    first = [Sampling(stage.store, TwinSigner(), TwinRandom(99), LEAST)]
    jobs = await scene.deliver(2 * ALWAYS_UNTIL, first)
    done = await stage.commit(*[Commit((), (said(j, "exact", scene.operator),)) for j in jobs])
    assert all(isinstance(one, Posted) for one in done)
    return scene


@pytest.mark.parametrize("gateways", [2, 3])
async def test_so_many_are_checked_as_the_odds_say_however_many_gateways_look(
    stage: Stage, gateways: int
) -> None:
    scene = await scene_with_known_node(stage)
    async with AsyncExitStack() as up:
        drawing = [await up.enter_async_context(gateway(scene, n)) for n in range(gateways)]
        jobs = await scene.deliver(DELIVERIES, drawing)

        async def nothing_waits() -> bool:
            return not await stage.store.pending_checks(1)

        await until(nothing_waits)
    verdicts = await scene.verdicts(jobs)
    assert verdicts["exact"] + verdicts["sampled-out"] == DELIVERIES
    deviation = math.sqrt(DELIVERIES * LEAST * (1 - LEAST))
    assert abs(verdicts["exact"] - DELIVERIES * LEAST) < 4 * deviation, verdicts
    assert {*scene.checked.values()} == {0, 1}, "each result is opened, and compared at most once"
    assert scene.checked.total() == verdicts["exact"]


async def test_a_draw_stands_with_the_delivery(stage: Stage) -> None:
    scene = await scene_with_known_node(stage)
    sampling = Sampling(stage.store, TwinSigner(), TwinRandom(5), LEAST)
    await scene.deliver(20, [sampling])
    rows = [one.row for one in await stage.store.pending_checks(99)]
    assert {row.drawn for row in rows} == {True, False}
    # the draws of another gateway with the same secret
    again = Sampling(stage.store, TwinSigner(), TwinRandom(6), LEAST)
    for row in rows:
        delivered = delivery(row.job, scene.node, scene.operator)
        result = attrs.evolve(delivered.result, sha256=row.sha256)
        same = attrs.evolve(delivered, result=result)
        draw, _ = await again.draw(same, 0)
        assert row.odds is not None
        assert (draw < row.odds) == row.drawn


async def test_a_check_is_one_gateways_until_its_claim_runs_out(stage: Stage) -> None:
    case, other = await delivered(stage), await delivered(stage)
    both = {(case.job, 0, 1), (other.job, 0, 1)}
    ours, theirs, store = fresh_id(), fresh_id(), stage.store
    assert await store.claim_checks(ours, [(case.job, 0, 1)], 30.0) == {(case.job, 0, 1)}
    assert await store.claim_checks(theirs, both, 30.0) == {(other.job, 0, 1)}
    assert await store.claim_checks(theirs, [(fresh_id(), 0, 1)], 30.0) == set()
    stage.clock.pass_by(20)
    assert await store.claim_checks(ours, both, 30.0) == {(case.job, 0, 1)}, (
        "a gateway's own claim is renewed, another's holds"
    )
    stage.clock.pass_by(20)
    await store.release_checks(theirs, both)
    assert await store.claim_checks(ours, both, 30.0) == both, (
        "the gateway's own claim is renewed, and the released check is free"
    )
    await store.release_checks(theirs, both)
    assert await store.claim_checks(theirs, both, 30.0) == set(), (
        "a gateway releases only its own claims"
    )
    stage.clock.pass_by(30)
    assert await store.claim_checks(theirs, both, 30.0) == both


async def test_a_gateway_that_may_not_write_claims_nothing_and_releases_what_it_has(
    stage: Stage,
) -> None:
    """Another gateway takes over the halted gateway's checks at once, before the claims expire."""
    case, other = await delivered(stage), await delivered(stage)
    both = {(case.job, 0, 1), (other.job, 0, 1)}
    ours, theirs, store = fresh_id(), fresh_id(), stage.store
    assert await store.claim_checks(ours, [(case.job, 0, 1)], 30.0) == {(case.job, 0, 1)}
    stage.halt(True)
    with pytest.raises(Halted):
        await stage.money("payouts")
    assert await store.claim_checks(ours, both, 30.0) == set()
    stage.halt(False)
    assert await store.claim_checks(theirs, both, 30.0) == both
    await store.release_checks(theirs, both)
    assert await store.claim_checks(ours, both, 30.0) == both


async def test_a_claim_changes_nothing_about_the_verdict(stage: Stage) -> None:
    case = await delivered(stage)
    await stage.store.claim_checks(fresh_id(), [(case.job, 0, 1)], 30.0)
    assert isinstance(await stage.do(said(case.job, "exact", case.operator)), Posted)
    assert await stage.store.audit() == []


async def test_the_secret_of_draws_is_kept_once_and_replaced_by_who_knows_it(stage: Stage) -> None:
    store, one, other, third = stage.store, b"1" * 60, b"2" * 60, b"3" * 60
    assert await store.draw_secret() is None
    await store.keep_draw_secret(one, None)
    await store.keep_draw_secret(other, None)
    await store.keep_draw_secret(other, third)
    assert await store.draw_secret() == one
    await store.keep_draw_secret(other, one)
    assert await store.draw_secret() == other


async def test_gateways_know_all_verifiers_that_were_there_lately_and_their_owners(
    stage: Stage,
) -> None:
    store, one, two = stage.store, await stage.node(), await stage.node()
    owner = await stage.user()

    async def met(connected: Mapping[UUID, str]) -> set[SeenVerifier]:
        here = [VerifierLoad(node, of, 4, 1, 0.5, "a b", "c d") for node, of in connected.items()]
        return {*await store.meet_verifiers(here, 60.0)}

    first = SeenVerifier(one, "cpu/avx2/5.2", None, "a b", "c d")
    second = SeenVerifier(two, "gpu/optix/5.2", None, "a b", "c d")
    assert await met({}) == set()
    assert await met({one: first.device_class}) == {first}
    stage.clock.pass_by(40)
    assert await met({two: second.device_class}) == {first, second}
    await stage.own(one, owner)
    assert await met({}) == {attrs.evolve(first, owner=owner), second}
    stage.clock.pass_by(40)
    assert await met({}) == {second}
    # A verifier that returns with another Blender build replaces its earlier row.
    other = SeenVerifier(two, "gpu/optix/5.0", None, "a b", "c d")
    assert await met({two: other.device_class}) == {other}
