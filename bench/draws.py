"""Share of deliveries that are compared, with one, two and three gateways over one database.

    python -m bench.draws [--gateways 1 2 3] [--units 1000] [--odds 0.2] [--nodes 3] [--verifiers 8]

Each gateway runs in a separate process; all share the engines (fsync on). At each gateway,
``--nodes`` nodes upload a small picture for each unit at once. There, ``--verifiers`` verifiers
fetch the results that they should open or compare, and report all as correct. All of a node's
results are compared until ten results are valid. From then on the odds are ``--odds``, and the
``--units`` measured results begin.

The database has for each measured result whether it was drawn, which verifier checked it, and which
gateway claimed the check. Goal: the number of drawn results fits the odds, within two-sided
binomial bounds of 99.9 %. Only drawn results are compared; each check is done once, by a verifier
at the gateway that claimed it. All gateways take part. The exit code is 1 where the goal is missed.
"""

import argparse
import asyncio
import dataclasses
import hashlib
import math
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from itertools import accumulate
from typing import Any, Final
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.crowd import SETTINGS, UNLIMITED
from bench.farm import submit_once
from bench.gateways import running
from bench.honest import wait_until_ended
from bench.probe import Table, machine
from rendertrust.node.plugin import PICTURE
from rendertrust.node_key import generate_key
from rendertrust.protocol import Evidence, JobDispatch, JobResult
from rendertrust.testing import Behaviour, FakeNode
from sql.sampling import ALWAYS_UNTIL
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.until import until

VERIFYING: Final = {
    **SETTINGS,
    **UNLIMITED,
    "RENDERTRUST_VERIFICATION_ENABLED": "true",
    "RENDERTRUST_VERIFICATION_EMBEDDED": "false",
    "RENDERTRUST_SCHEDULING_STRAGGLER_TIMES": "0",  # each unit is delivered only once
}
CLASS: Final = "cpu/bench/1"
EXACT: Final[Mapping[str, Any]] = {"crops": [{"equal": True}] * 3, "finish": {"equal": True}}
OPENED: Final[Mapping[str, Any]] = {"looked": True}
SCENE, PROOF = "s3://elsewhere/a.blend", b"evidence"
SLOTS: Final = 4
SURE: Final = 0.999
WITHIN: Final = 900.0
UPLOADED: Final = (200, 412)  # 412: an earlier try has stored the file
ROUNDS_MOST: Final = 20  # rounds of jobs until all nodes have enough valid results
KNOWN: Final = "SELECT node_id FROM checks WHERE verdict = 'exact' GROUP BY 1 HAVING count(*) >= $1"
VERIFIER: Final = """
INSERT INTO nodes (id, name, public_key, capabilities, verified_at)
VALUES ($1, 'verifier', $2, '{check}', now())
"""
DELIVERED: Final = """
SELECT sha256, node_id, drawn, verdict, verifier_id, claimed_by FROM checks WHERE job_id = ANY($1)
"""


def bounds(count: int, odds: float) -> tuple[int, int]:
    """Return the smallest and largest likely numbers of successes in ``count`` trials.

    The probability of fewer successes is at most ``(1 - SURE) / 2``, and so is that of more.
    """

    def chance(k: int) -> float:
        ways = math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        return math.exp(ways + k * math.log(odds) + (count - k) * math.log1p(-odds))

    tail, at_most = (1 - SURE) / 2, list(accumulate(map(chance, range(count + 1))))
    low = next(k for k, share in enumerate(at_most) if share > tail)
    return low, next((k for k, share in enumerate(at_most) if share >= 1 - tail), count)


@attrs.frozen
class Delivery:
    """A row of ``checks``, with what the verifiers saw; gateways are numbers.

    ``at`` is the gateway of the node; ``by`` is the gateway of the verifier that checked the
    delivery, or None. ``asked`` are the gateways whose verifiers were asked. ``claimed_by`` is the
    id under which a gateway's process claims checks.
    """

    at: int
    drawn: bool
    verdict: str
    by: int | None
    claimed_by: UUID | None
    asked: Sequence[int]

    @property
    def is_settled(self) -> bool:
        """Return whether the delivery was checked once, and compared only if it was drawn."""
        said = "exact" if self.drawn else "sampled-out"
        return self.verdict == said and [*self.asked] == [self.by]


@attrs.frozen
class Tally:
    """Deliveries measured in one run with ``gateways`` gateways."""

    gateways: int
    odds: float
    units: int
    deliveries: Sequence[Delivery]

    @property
    def drawn(self) -> int:
        """Deliveries that were drawn."""
        return sum(one.drawn for one in self.deliveries)

    @property
    def checked(self) -> Sequence[Delivery]:
        """Deliveries with a verifier's verdict."""
        return [one for one in self.deliveries if one.by is not None]

    @property
    def names(self) -> dict[UUID | None, int | None]:
        """Gateways by claim id: for each id, the gateway whose verifiers did most of its checks."""
        made = Counter((one.claimed_by, one.by) for one in self.checked)
        return {name: by for (name, by), _ in reversed(made.most_common())}

    @property
    def is_met(self) -> bool:
        """Return whether counts and verdicts meet the goal, and every gateway took part."""
        low, high = bounds(self.units, self.odds)
        names, there = self.names, [*range(self.gateways)]
        return (
            len(self.deliveries) == self.units
            and low <= self.drawn <= high
            and all(one.is_settled for one in self.deliveries)
            and all(names[one.claimed_by] == one.by for one in self.checked)
            and sorted(by for by in names.values() if by is not None) == there
            and sorted({one.at for one in self.deliveries}) == there
        )

    def print(self) -> None:
        """Print the tally as tables."""
        low, high = bounds(self.units, self.odds)
        wrong = sum(not one.is_settled for one in self.deliveries)
        twice = sum(len({*one.asked}) > 1 for one in self.deliveries)
        again = sum(len(one.asked) > 1 for one in self.deliveries)
        table = Table(f"{self.gateways} gateway{'s' * (self.gateways > 1)}", "")
        table.add("deliveries", f"{len(self.deliveries):,}")
        table.add("expected to be drawn", f"{self.units * self.odds:,.1f}")
        table.add("drawn", f"{self.drawn:,}")
        compared = sum(one.verdict == "exact" for one in self.deliveries)
        table.add("compared", f"{compared:,}")
        table.add(f"binomial bounds, {SURE:.1%}", f"{low:,} to {high:,}")
        table.add("checked by verifiers of two gateways", f"{twice:,}")
        table.add("checked more than once", f"{again:,}")
        table.add("settled otherwise than drawn", f"{wrong:,}")
        table.add("goal", "met" if self.is_met else "MISSED")
        table.print()
        each = Table("gateway", "delivered", "of these drawn", "checks claimed", "checks made")
        names, at = self.names, Counter(one.at for one in self.deliveries)
        drawn = Counter(one.at for one in self.deliveries if one.drawn)
        claimed = Counter(names[one.claimed_by] for one in self.checked)
        made = Counter(one.by for one in self.checked)
        for n in range(self.gateways):
            each.add(f"{n + 1}", f"{at[n]:,}", f"{drawn[n]:,}", f"{claimed[n]:,}", f"{made[n]:,}")
        each.print()


# ── nodes ────────────────────────────────────────────────────────────────────────────────────────


@attrs.define
class Fleet:
    """The nodes at all gateways; gateways are numbers.

    ``asked`` lists, by a result's SHA-256, the gateways whose verifiers were asked to check it.
    """

    at: dict[UUID, int] = attrs.field(factory=dict[UUID, int])
    delivering: set[UUID] = attrs.field(factory=set[UUID])
    asked: dict[str, list[int]] = attrs.field(factory=dict[str, list[int]])

    def checks(self, gateway: int) -> Behaviour:
        """Return the behaviour of a verifier at that gateway that finds every result exact."""

        async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
            await patiently(partial(node.fetch, dispatch))
            [picture] = [given.sha256 for given in dispatch.inputs if given.path == PICTURE]
            self.asked.setdefault(picture, []).append(gateway)
            work = EXACT if dispatch.params.get("draws") else OPENED
            await node.send(completed(dispatch, result_ref="none:check", work=work))

        return behave


async def delivers(node: FakeNode, dispatch: JobDispatch) -> None:
    """Upload a different picture with evidence for each unit, as a node's behaviour."""
    assert dispatch.output is not None
    content = f"{dispatch.job_id}:{dispatch.unit}:{dispatch.attempt}".encode()
    await patiently(partial(put, node, dispatch, content))
    await patiently(partial(put, node, attrs.evolve(dispatch, output=dispatch.evidence), PROOF))
    told = completed(
        dispatch,
        result_ref=dispatch.output.key,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        evidence=Evidence(sha256=hashlib.sha256(PROOF).hexdigest(), size=len(PROOF)),
    )
    await node.send(node.signed(dispatch, told))


async def put(node: FakeNode, dispatch: JobDispatch, content: bytes) -> None:
    """Send a file to its upload URL once; raise ConnectionError if the gateway is overloaded."""
    status = await node.upload(dispatch, content)
    if status not in UPLOADED:
        raise ConnectionError(f"an upload was answered with {status}")


async def patiently(act: Callable[[], Awaitable[object]]) -> None:
    """Call ``act`` until it succeeds without a connection error or timeout."""

    async def is_done() -> bool:
        with suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
            await act()
            return True
        return False

    await until(is_done, within=WITHIN)


def completed(dispatch: JobDispatch, **told: Any) -> JobResult:
    """Return the result of a unit or of a check."""
    return JobResult(
        job_id=dispatch.job_id,
        unit=dispatch.unit,
        attempt=dispatch.attempt,
        status="completed",
        **told,
    )


@asynccontextmanager
async def fleet(
    http: aiohttp.ClientSession,
    gateways: Sequence[Gateway],
    keys: Sequence[Ed25519PrivateKey],
    options: argparse.Namespace,
) -> AsyncGenerator[Fleet]:
    """Run nodes and verifiers at each gateway; the verifiers have these keys."""
    found = Fleet()
    async with AsyncExitStack() as stack:
        for number, gateway in enumerate(gateways):
            kinds: dict[str, tuple[int, Behaviour]] = {
                "render": (options.nodes, delivers),
                "check": (options.verifiers, found.checks(number)),
            }
            for capability, (count, behave) in kinds.items():
                owner = Creator(http, gateway.url, f"{capability}-{number}@example.org")
                await owner.register()
                for each in range(count):
                    own = keys[number * count + each] if capability == "check" else None
                    node = FakeNode(
                        gateway.url,
                        capabilities=(capability,),
                        slots=SLOTS,
                        user_token=owner.token,
                        key=own,
                        behave=behave,
                        device_class=CLASS,
                    )
                    await patiently(partial(stack.enter_async_context, node))
                    found.at[UUID(node.node_id)] = number
                    if behave is delivers:
                        found.delivering.add(UUID(node.node_id))
        yield found


# ── a run ────────────────────────────────────────────────────────────────────────────────────────


async def render_jobs(creators: Sequence[Creator], units: int) -> list[UUID]:
    """Submit one job per gateway, with ``units`` units in all; return the jobs at their end."""
    each, more = divmod(units, len(creators))
    jobs = list[str]()
    for number, creator in enumerate(creators):
        body = {"job_type": "render", "payload_ref": SCENE, "queue": True}
        body["frames"] = f"1-{each + (number < more)}"
        job = await until(partial(submit_once, creator, str(uuid4()), body), within=WITHIN)
        assert job is not None
        jobs.append(job)
    for creator, job in zip(creators, jobs, strict=True):
        await wait_until_ended(creator, job, WITHIN)
    return [UUID(job) for job in jobs]


async def make_known(
    creators: Sequence[Creator], nodes: Fleet, books: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Let all nodes deliver until every node has enough valid results for the lowest odds."""
    known = set[UUID]()
    for _ in range(ROUNDS_MOST):
        await render_jobs(creators, ALWAYS_UNTIL * len(nodes.delivering))
        known = {row["node_id"] for row in await books.fetch(KNOWN, ALWAYS_UNTIL)}
        if nodes.delivering <= known:
            return
    raise AssertionError(f"{len(nodes.delivering - known)} nodes have too few valid results")


def delivery(row: asyncpg.Record, nodes: Fleet) -> Delivery:
    """Return a row of ``checks`` with what the verifiers saw."""
    by = row["verifier_id"]
    return Delivery(
        at=nodes.at[row["node_id"]],
        drawn=bool(row["drawn"]),
        verdict=row["verdict"],
        by=None if by is None else nodes.at[by],
        claimed_by=row["claimed_by"],
        asked=nodes.asked.get(row["sha256"].hex(), ()),
    )


async def measure(count: int, options: argparse.Namespace) -> Tally:
    """Run ``count`` gateways, audit the books, and return the tally."""
    own = {uuid4(): generate_key() for _ in range(count * options.verifiers)}
    settings = VERIFYING | {
        "RENDERTRUST_VERIFICATION_LEAST_ODDS": str(options.odds),
        "RENDERTRUST_VERIFICATION_OWN_NODES": ",".join(map(str, own)),
    }
    async with running(count, **settings) as gateways, aiohttp.ClientSession() as http:
        books = await asyncpg.connect(gateways[0].settings["RENDERTRUST_DATABASE_OWNER_URL"])
        for node, key in own.items():
            await books.execute(VERIFIER, node, key.public_key().public_bytes_raw())
        first = Creator(http, gateways[0].url, "creator@example.org")
        await first.register()
        creators = [dataclasses.replace(first, url=gateway.url) for gateway in gateways]
        async with fleet(http, gateways, [*own.values()], options) as nodes:
            await make_known(creators, nodes, books)
            begun = time.monotonic()
            jobs = await render_jobs(creators, options.units)
            took = time.monotonic() - begun
        rows = await books.fetch(DELIVERED, jobs)
        await books.close()
        code, said = await gateways[0].fsck()
        assert code == 0, said
    print(f"{len(rows):,} deliveries settled in {took:,.0f} s; {machine()}")
    return Tally(count, options.odds, options.units, [delivery(row, nodes) for row in rows])


async def main(options: argparse.Namespace) -> bool:
    """Run each number of gateways; return whether all goals are met."""
    tallies = list[Tally]()
    for count in options.gateways:
        tallies.append(await measure(count, options))
        tallies[-1].print()
    return all(tally.is_met for tally in tallies)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateways", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--units", type=int, default=1_000)
    parser.add_argument("--odds", type=float, default=0.2)
    parser.add_argument("--nodes", type=int, default=3, help="at each gateway, that deliver")
    parser.add_argument("--verifiers", type=int, default=8, help="at each gateway")
    given = parser.parse_args()
    if not 1 / ALWAYS_UNTIL <= given.odds < 1:
        parser.error(f"--odds: a node that is just known has {1 / ALWAYS_UNTIL} at least")
    sys.exit(not asyncio.run(main(given)))
