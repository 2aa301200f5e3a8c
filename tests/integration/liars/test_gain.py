"""Gains of lying nodes at a whole gateway: draws, fines and clawback agree with the simulation.

Everything is real except the verifier's answers: the test's verifier knows which pictures are lies.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final
from uuid import UUID

import aiohttp
import attrs
import pytest

from actors.ledger.effects import Transfer
from actors.ledger.messages import Commit, Ledger, Posted
from actors.scheduler.settings import SchedulerSettings
from actors.verifier.settings import VerifierSettings
from rendertrust.node_key import generate_key
from rendertrust.protocol import JobDispatch
from rendertrust.testing import FakeNode
from sql.account_names import ADJUSTMENTS, user_account
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.liars.test_liars import (
    EVIDENCE,
    EXACT,
    OFF,
    VERIFIER,
    WITHIN,
    Farm,
    honest,
    told,
)
from tests.simulation.economy import ERRORS, Pending, expected, lost_with, odds, simulated
from tests.simulation.strategies import HONEST, LISTED, Life, Step, Strategy
from tests.support.databases import connected
from tests.support.http_gateway import settings_for_tests
from tests.support.proof_readers import Person
from tests.support.until import until
from tests.support.whole_gateway import whole

SHARE: Final = 70_000  # of one frame
CREDITS: Final = 10**12
LOOK_SECONDS: Final = 0.05
STEPS_MOST: Final = 220  # steps of a life; within them no earning matures, here or simulated
UNITS: Final = 400  # units by night, for each strategy
RUNS: Final = 200  # simulated runs, from which the bounds follow
# Strategies with only honest results and lies about usual frames.
PLAIN: Final = [
    one for one in LISTED if all({*life} <= {HONEST, Step(is_lie=True)} for life in one.lives)
]
BY_DAY: Final = "ten honest results, one lie, new account"
ROW: Final = "SELECT * FROM checks WHERE job_id = $1 AND unit = $2 AND attempt = $3"
SHARES: Final = """
SELECT e.job_id, e.unit, e.state, e.amount FROM earnings e
JOIN nodes n ON n.id = e.node_id WHERE n.id = $1"""
# Earnings that the clawback has not compared yet.
UNSURE: Final = """
SELECT count(*) FROM earnings e
JOIN checks c ON c.job_id = e.job_id AND c.unit = e.unit AND c.verdict = 'sampled-out'
WHERE e.node_id = $1 AND e.state = 'PENDING'
  AND NOT EXISTS (SELECT FROM disputes d WHERE d.job_id = e.job_id AND d.unit = e.unit
                  AND d.state <> 'OPEN')"""


@attrs.frozen
class Delivered:
    """A delivery, as the gateway decided it."""

    unit: tuple[UUID, int]
    step: Step
    odds: float
    drawn: bool
    verdict: str


@attrs.define
class Owner:
    """A node that delivers a life's units, each after the verdict on the unit before."""

    farm: Farm
    life: Life
    made: list[Delivered] = attrs.field(factory=list[Delivered])
    is_over: asyncio.Event = attrs.field(factory=asyncio.Event)
    turn: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    async def __call__(self, node: FakeNode, dispatch: JobDispatch) -> None:
        async with self.turn:
            if self.is_over.is_set():
                return
            assert dispatch.unit is not None
            step = self.life[len(self.made)]
            content = b"%s %s" % (b"a lie" if step.is_lie else b"honest", dispatch.job_id.encode())
            content += b" %d" % dispatch.unit
            await self.farm.put(dispatch, content)
            sha256 = hashlib.sha256(content).hexdigest()
            if step.is_lie:
                LIES.add(sha256)
            result = honest(node, dispatch, sha256=sha256, size=len(content), evidence=EVIDENCE)
            await node.send(result)
            assert dispatch.attempt is not None
            of = (UUID(dispatch.job_id), dispatch.unit, dispatch.attempt)
            self.made.append(await self._decided(of, step))
            if self.made[-1].verdict == "invalid" or len(self.made) == len(self.life):
                self.is_over.set()

    async def _decided(self, of: tuple[UUID, int, int], step: Step) -> Delivered:
        async def look() -> Any:
            row = await self.farm.owner.fetchrow(ROW, *of)
            return row if row is not None and row["state"] == "DECIDED" else None

        row = await until(look, within=WITHIN)
        return Delivered((of[0], of[1]), step, row["odds"], row["drawn"], row["verdict"])


LIES: Final = set[str]()  # SHA-256 of pictures that are lies


async def verifies(node: FakeNode, dispatch: JobDispatch) -> None:
    """Answer a check according to whether the picture is a lie."""
    params = dispatch.params
    if dispatch.job_type == "check_batch":
        work: Any = {"opened": [{"looked": True}] * params["results"]}
    elif not params["draws"]:
        work = {"looked": True}
    else:
        [picture] = [one.sha256 for one in dispatch.inputs if one.path == "check/picture"]
        report = OFF if picture in LIES else EXACT
        work = report | ({"whole": True} if params.get("whole") else {})
    await node.send(told(dispatch, work=work, result_ref="none:check"))


@pytest.fixture
async def farm(database: PostgresEndpoint) -> AsyncGenerator[Farm]:
    name, key = UUID(int=900), generate_key()
    async with connected(database.owner_dsn) as owner:
        await owner.execute(VERIFIER, name, key.public_key().public_bytes_raw())
        checks = {"enabled": "true", "own_nodes": str(name)}
        running = whole(
            database,
            settings_for_tests(verification=checks, limits={"dispatch": 10_000}),
            verifying=VerifierSettings(look_seconds=LOOK_SECONDS, own=frozenset({name})),
            scheduler=SchedulerSettings(ours=frozenset({name})),
            require_object=True,
            verified_types=frozenset({"render"}),
        )
        async with running as gateway, aiohttp.ClientSession() as http, AsyncExitStack() as stack:
            jane = Person(http, gateway.url)
            await jane.register()
            user = await owner.fetchval("SELECT id FROM users WHERE email = $1", jane.email)
            account = user_account(user)
            grant = Transfer(
                ADJUSTMENTS, account, account, CREDITS, "ADJUSTMENT", "for many frames"
            )
            ledger = gateway.gateway.registry.ref(Ledger)
            posted = await ledger.ask(Commit((grant,)), within=WITHIN)
            assert isinstance(posted, Posted)
            found = Farm(gateway, http, jane, owner, stack)
            await found.node("the gateway's", verifies, "check", key=key)
            yield found


async def lead_life(farm: Farm, life: Life) -> tuple[Sequence[Delivered], float]:
    """Lead a life with a new account. Return its deliveries, and what its lies gained."""
    eve = Owner(farm, life)
    name = f"eve {len(farm.operators)}"
    node = await farm.node(name, eve, "render")
    body = {"job_type": "render", "payload_ref": "s3://bucket/k.blend", "frames": f"1-{len(life)}"}
    status, placed = await farm.jane.call("POST", "/jobs/dispatch", body)
    assert status in (200, 202), placed
    await asyncio.wait_for(eve.is_over.wait(), 600)
    await node.disconnect()
    if eve.made[-1].verdict == "invalid":
        assert (await farm.jane.call("POST", f"/jobs/{placed['job_id']}/stop"))[0] == 200

        async def is_clear() -> bool:
            return bool(await farm.owner.fetchval(UNSURE, UUID(node.node_id)) == 0)

        await until(is_clear, within=WITHIN)
    rows = await farm.owner.fetch(SHARES, UUID(node.node_id))
    states = {(row["job_id"], row["unit"]): row["state"] for row in rows}
    assert {row["amount"] for row in rows} <= {SHARE}
    gain = 0.0
    for one in eve.made:
        state = states.get(one.unit)
        if one.step.is_lie:
            assert not (one.drawn and state), "nobody is paid for a drawn lie"
            gain += SHARE if state == "PENDING" else 0
        else:
            assert state in ("PENDING", "FORFEITED"), "honest work is paid, but for fines"
            gain -= SHARE if state == "FORFEITED" else 0
    return eve.made, gain


def simulated_gain(made: Sequence[Delivered]) -> float:
    """Return the gain by the simulation's rules for the same draws; check that it computes the
    gateway's odds.
    """
    valid, gain, pending = (0, 0), 0.0, list[Pending]()
    for number, one in enumerate(made):
        step = attrs.evolve(one.step, share=SHARE)
        assert one.odds == pytest.approx(odds(valid, step, sum(p.amount for p in pending)))
        if one.verdict == "invalid":
            lost, pending = lost_with(pending, step, one.odds)
            gain -= lost
            continue
        valid = (valid[0] + 1, valid[1] + SHARE) if one.drawn else valid
        lie = float(SHARE) if step.is_lie else 0.0
        gain += lie
        pending.append(Pending(SHARE, lie, number))
    return gain


def is_fined_again(made: Sequence[Delivered]) -> bool:
    """Return True if the clawback found further lies, whose fines the simulation leaves out."""
    return made[-1].verdict == "invalid" and any(one.step.is_lie for one in made[:-1])


async def check_gain(farm: Farm, strategy: Strategy, units: int) -> None:
    """Run a strategy: check each life against the simulation, and the number of draws against their
    odds.
    """
    made, gain, is_exact = list[Delivered](), 0.0, True
    while len(made) < units:
        for life in strategy.lives:
            delivered, gained = await lead_life(farm, life)
            if is_fined_again(delivered):
                assert gained <= simulated_gain(delivered)
                is_exact = False
            else:
                assert gained == simulated_gain(delivered)
            made += delivered
            gain += gained
    sure = [one for one in made if one.odds < 1]
    spread = math.sqrt(sum(one.odds * (1 - one.odds) for one in sure))
    assert abs(sum(one.drawn - one.odds for one in sure)) <= ERRORS * spread + 1e-9
    lies = sum(one.step.is_lie for one in made)
    often = simulated(strategy, units, RUNS, seed=1)
    bound = ERRORS * often.error * math.sqrt(RUNS)
    excess = gain / SHARE / lies - expected(strategy)
    assert (abs(excess) if is_exact else excess) <= bound + 1e-9
    print(f"{strategy.name}: {len(made)} units, {lies} lies, {gain / SHARE / lies:+.2f} each")  # noqa: T201
    await farm.sound()


def short(strategy: Strategy) -> Strategy:
    """Return the strategy with lives in which nothing matures."""
    return attrs.evolve(strategy, lives=tuple(life[:STEPS_MOST] for life in strategy.lives))


async def test_a_lie_gains_as_little_as_in_the_simulation(farm: Farm) -> None:
    [strategy] = [one for one in PLAIN if one.name == BY_DAY]
    await check_gain(farm, strategy, units=40)


@pytest.mark.nightly
@pytest.mark.parametrize("strategy", [short(one) for one in PLAIN], ids=lambda one: one.name)
async def test_every_plain_strategy_gains_as_little(farm: Farm, strategy: Strategy) -> None:
    await check_gain(farm, strategy, UNITS)
