"""Rounds of load, a kill and checks, on one data folder."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from random import Random
from typing import Final

import attrs

from supervisors.engines.offline_postgres import kept_endpoint
from tests.kills.checks import FSCK_SECONDS, Examiner
from tests.kills.crowd import Clients, running_clients
from tests.kills.killer import kill
from tests.kills.line import Line, new_session
from tests.kills.memory import Memory
from tests.kills.people import PASSWORD
from tests.kills.plan import ROUND, Kill, plan
from tests.support.databases import execute
from tests.support.gateway_process import Gateway

STARTER: Final = "1000000.0000"
WINDOW_SECONDS: Final = 3.0
# Short times, so that no round waits for hours, and limits that are never reached.
SETTINGS: Final = {
    "RENDERTRUST_CREDITS_STARTER": STARTER,
    "RENDERTRUST_JWT_ACCESS_MINUTES": "1440",
    "RENDERTRUST_PROOF_CHECKPOINT_SECONDS": "0.5",
    "RENDERTRUST_EARNINGS_DISPUTE_HOURS": str(WINDOW_SECONDS / 3600),
    "RENDERTRUST_EARNINGS_SWEEP_SECONDS": "0.2",
    "RENDERTRUST_LEASES_SECONDS": "20",
    "RENDERTRUST_LEASES_RENEW_SECONDS": "5",
    "RENDERTRUST_LEASES_UNSENT_SECONDS": "15",
    "RENDERTRUST_LEASES_GRACE_SECONDS": "10",
    "RENDERTRUST_LEASES_SWEEP_SECONDS": "1",
    "RENDERTRUST_LOGS_ACCESS": "false",
    **{
        f"RENDERTRUST_LIMITS_{name}": "1000000" for name in ("LOGIN", "REGISTER", "REFRESH", "NODE")
    },
}


# A verifier compares each frame before anybody is charged or paid.
VERIFIED: Final = {
    **SETTINGS,
    "RENDERTRUST_VERIFICATION_ENABLED": "true",
    "RENDERTRUST_VERIFICATION_EMBEDDED": "false",
    "RENDERTRUST_VERIFICATION_LEAST_ODDS": "1.0",
    "RENDERTRUST_VERIFICATION_CHECK_SECONDS": "20",
}


@attrs.frozen
class Order:
    """The size of a run: number of kills, and acknowledged answers before each."""

    seed: str
    kills: int
    acknowledged: int
    victims: Sequence[str] = ROUND
    clients: int = 2

    def plan(self) -> list[Kill]:
        return plan(self.seed, self.kills, self.victims)


@attrs.frozen
class Round:
    """A finished round: the answers acknowledged before its kill, and all faults found after it.

    ``in_all`` counts the acknowledged answers of all rounds so far, by act.
    """

    kill: Kill
    acknowledged: int
    in_all: Counter[str]
    back_seconds: float
    seconds: float
    faults: Sequence[str]


async def run_rounds(gateway: Gateway, order: Order) -> AsyncGenerator[Round]:
    """Run load and kills on a gateway started with ``SETTINGS``; yield each finished round."""
    admins = [await create_admin(gateway, name) for name in "abcdefgh"[: order.clients]]
    folder = gateway.data.parent
    async with (
        new_session() as http,
        running_clients(gateway.url, folder, order.seed, order.clients) as clients,
    ):
        if gateway.settings.get("RENDERTRUST_VERIFICATION_ENABLED") == "true":
            verifiers = ",".join(outsider.verifier for outsider in clients.outsiders)
            gateway.settings["RENDERTRUST_VERIFICATION_OWN_NODES"] = verifiers
            await gateway.restart()
        await use_accounts_now(gateway)
        line, chance = Line(http, gateway.url), Random(f"{order.seed} checks")
        examiner = Examiner(line, Memory(STARTER), chance, admins)
        for planned in order.plan():
            yield await run_round(gateway, clients, examiner, planned, order.acknowledged)


async def use_accounts_now(gateway: Gateway) -> None:
    """Let payouts use the operators' accounts at once, instead of after 72 hours."""
    endpoint = kept_endpoint(gateway.data)
    assert endpoint is not None, "the data folder tells where its database is"
    await execute(endpoint.owner_dsn, "UPDATE payout_accounts SET usable_at = changed_at")


async def stop_and_check(gateway: Gateway) -> list[str]:
    """Stop the gateway in order and return the faults found then."""
    code = await gateway.stop()
    faults = [] if code == 0 else [f"wrong: the gateway ended with {code}"]
    code, said = await gateway.fsck(FSCK_SECONDS)
    return faults if code == 0 else [*faults, f"fsck: {said}"]


async def run_round(
    gateway: Gateway, clients: Clients, examiner: Examiner, planned: Kill, enough: int
) -> Round:
    """Run load until enough is acknowledged, kill, and check all that was acknowledged so far."""
    begun, before = time.monotonic(), clients.counted
    await clients.go()
    await clients.acknowledged(enough)
    await asyncio.sleep(planned.after)
    acknowledged, killed = clients.counted - before, time.monotonic()
    await kill(gateway, planned)
    back = time.monotonic() - killed
    wrong = await clients.pause()
    examiner.memory.read(clients.journals)
    faults = await examiner.examine(gateway) + sorted(map(mark_fault, wrong))
    in_all = Counter(examiner.memory.acknowledged)
    return Round(planned, acknowledged, in_all, back, time.monotonic() - begun, faults)


def mark_fault(fault: str) -> str:
    """Put "wrong: " before a client's fault, unless the fault is a loss."""
    return fault if fault.startswith("lost") else f"wrong: {fault}"


async def create_admin(gateway: Gateway, name: str) -> str:
    """Create an admin and return the e-mail; all users have the same password."""
    email = f"admin-{name}@example.org"
    who = ("--email", email, "--name", "Ada", "--password-stdin")
    code, said = await gateway.run("admin", "create", *who, told=f"{PASSWORD}\n")
    assert code == 0, said
    return email
