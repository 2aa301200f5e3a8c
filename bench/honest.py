"""Whether honest nodes are punished: many units, rendered by nodes that differ.

    python -m bench.honest [--units 500]

A real gateway that has every result compared, with a verifier of its own; agents of owners of
their own with other numbers of threads, half of them kept from AVX2 (``CYCLES_CPU_NO_AVX2=1``); ten
scenes (``verify_scenes``), each second one denoised. Goal: each result is valid, and no node has a
strike. Ends with 1 where one is not.
"""

import argparse
import asyncio
import contextlib
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import attrs

from bench.verify import build
from bench.verify_scenes import SCENES
from tests.support.agent_process import Agent, enrolled_agent
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway, running_gateway
from tests.support.until import until

SETTINGS: Final = {
    "RENDERTRUST_VERIFICATION_ENABLED": "true",
    "RENDERTRUST_VERIFICATION_EMBEDDED": "false",
    "RENDERTRUST_VERIFICATION_LEAST_ODDS": "1",
    "RENDERTRUST_JWT_ACCESS_MINUTES": "600",  # nobody logs in again meanwhile
}
NO_AVX2: Final = {"CYCLES_CPU_NO_AVX2": "1"}
DENOISED: Final = "\nscene.cycles.use_denoising = True\nscene.render.dither_intensity = 1.0\n"
VALID: Final = ("exact", "consistent")
SCOPES: Final = ("nodes:write", "credits:read")
CHECKS_MOST: Final = 500  # of a node, that are told at once
UNITS_MOST: Final = 100  # of a job


@attrs.frozen
class Machine:
    """How a node differs from others."""

    name: str
    threads: int
    environment: Mapping[str, str] = attrs.field(factory=dict[str, str])


VERIFIER: Final = Machine("verifier", 2)
MACHINES: Final = (
    Machine("one", 1),
    Machine("three", 3),
    Machine("one-old", 1, NO_AVX2),
    Machine("four-old", 4, NO_AVX2),
)


@attrs.frozen
class Node:
    """One of them at work, and its owner."""

    machine: Machine
    owner: Creator
    agent: Agent

    async def told(self, what: str) -> Any:
        """What the gateway says of it."""
        return await answered(self.owner, f"/nodes/{self.agent.id}{what}")


@attrs.frozen
class Tally:
    """``verdicts`` of each node's results by its name; ``said`` of those that are not exact.

    ``again``: attempts beside a unit's first one: a slow node's unit is given to another one, too;
    ``incomplete``: jobs that ended otherwise than complete. ``own``: units that the verifier had
    itself; nobody compares them.
    """

    verdicts: Mapping[str, Counter[str]]
    said: Sequence[str]
    strikes: int
    again: int
    incomplete: int
    own: int
    classes: int
    seconds: float

    @property
    def units(self) -> int:
        """How many results were judged."""
        return sum(sum(of.values()) for of in self.verdicts.values())

    @property
    def refused(self) -> int:
        """How many of them were not found valid."""
        return sum(n for of in self.verdicts.values() for v, n in of.items() if v not in VALID)

    def line(self) -> str:
        """All of it in one."""
        return (
            f"{self.units} honest units of {self.classes} classes in {self.seconds:.0f} s:"
            f" {self.refused} refused, {self.strikes} strikes, {self.incomplete} jobs incomplete,"
            f" {self.again} attempts more, {self.own} units by the verifier"
        )


async def owned(
    stack: AsyncExitStack, gateway: Gateway, machine: Machine, folder: Path, owner: Creator
) -> Node:
    """A node of somebody's own, enrolled."""
    await owner.register()
    status, made = await owner.call("POST", "/auth/keys", {"name": "n", "scopes": [*SCOPES]})
    assert status == 201, made
    environment = {**machine.environment, "RENDERTRUST_API_KEY": made["key"]}
    enrolled = enrolled_agent(gateway.url, folder / machine.name, environment=environment)
    agent = await stack.enter_async_context(enrolled)
    agent.more = ("--threads", str(machine.threads))
    return Node(machine, owner, agent)


@asynccontextmanager
async def at_work(gateway: Gateway, folder: Path) -> AsyncGenerator[tuple[Creator, list[Node]]]:
    """A creator, a node on each of the machines, of an owner of its own, and last a verifier."""
    code, said = await gateway.run("admin", "prices", "set", "render", "0.1", "--reason", "bench")
    assert code == 0, said
    async with aiohttp.ClientSession() as http, AsyncExitStack() as stack:
        nodes = list[Node]()
        for machine in (*MACHINES, VERIFIER):
            owner = Creator(http, gateway.url, f"{machine.name}@example.org")
            nodes.append(await owned(stack, gateway, machine, folder, owner))
        await gateway.restart(RENDERTRUST_VERIFICATION_OWN_NODES=nodes[-1].agent.id)
        for node in nodes:
            await node.agent.start()
        creator = Creator(http, gateway.url, "creator@example.org")
        await creator.register()
        yield creator, nodes


async def dispatched(creator: Creator, folder: Path, name: str, frames: int) -> str:
    """A job of so many frames of a scene."""
    denoised = (DENOISED,) if list(SCENES).index(name) % 2 else ()
    scene = await asyncio.to_thread(build, folder / f"{name}.blend", name, *denoised)
    payload = await creator.upload(await asyncio.to_thread(scene.read_bytes))
    status, placed = await creator.dispatch("render", payload_ref=payload, frames=f"1-{frames}")
    assert status == 200, placed
    return str(placed["job_id"])


async def honest(folder: Path, scenes: Sequence[str], frames: int, within: float) -> Tally:
    """So many frames of each scene, rendered and checked; fsck is clean afterwards."""
    async with running_gateway(**SETTINGS) as gateway:
        async with at_work(gateway, folder) as (creator, nodes):
            began, jobs = time.monotonic(), list[str]()
            tally = await counted(creator, nodes, jobs, 0.0)
            for name in scenes:
                jobs.append(await dispatched(creator, folder, name, frames))
                await ended(creator, jobs[-1], within)
                tally = await counted(creator, nodes, jobs, time.monotonic() - began)
                print(f"{name}, {tally.line()}", flush=True)
        code, said = await gateway.fsck()
        assert code == 0, said
    return tally


async def ended(creator: Creator, job: str, within: float) -> None:
    """Wait until a job has ended, well or not."""

    async def over() -> bool:
        return bool((await answered(creator, f"/jobs/{job}"))["completed_at"])

    await until(over, within=within)


async def answered(person: Creator, path: str) -> Any:
    """What the gateway says, once it has time to."""

    async def asked() -> Any:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            status, found = await person.call("GET", path)
            assert status in (200, 503), found
            return found if status == 200 else None

    return await until(asked, within=600)


async def counted(
    creator: Creator, nodes: Sequence[Node], jobs: Sequence[str], seconds: float
) -> Tally:
    """What became of all of it."""
    verdicts: dict[str, Counter[str]] = {}
    said, strikes, classes = list[str](), 0, set[str]()
    for node in nodes[:-1]:
        told = (await node.told(f"/checks?limit={CHECKS_MOST}"))["checks"]
        verdicts[node.machine.name] = Counter(str(one["verdict"]) for one in told)
        said += [f"{node.machine.name}: {one['said']}" for one in told if one["said"]]
        for known in (await node.told(""))["reputation"]:
            strikes += known["strikes"]
            classes.add(known["device_class"])
    found = [await answered(creator, f"/jobs/{job}") for job in jobs]
    again = sum(job["retry_count"] for job in found)
    wrong = sum(job["status"] != "COMPLETED" for job in found)
    own = 0
    for job in jobs:
        units = (await answered(creator, f"/jobs/{job}/units?limit={UNITS_MOST}"))["units"]
        own += sum(unit["node_id"] == nodes[-1].agent.id for unit in units)
    return Tally(verdicts, said, strikes, again, wrong, own, len(classes), seconds)


def tell(tally: Tally) -> None:
    """As lines."""
    for name, of in tally.verdicts.items():
        print(f"{name:10} {', '.join(f'{n} {verdict}' for verdict, n in sorted(of.items()))}")
    for line in tally.said:
        print(line)
    print(f"all, {tally.line()}")


async def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=500, help="of all scenes together")
    given = parser.parse_args()
    frames = max(given.units // len(SCENES), 1)
    print(f"{frames} frames of each of {len(SCENES)} scenes; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="honest-") as folder:
        tally = await honest(Path(folder), list(SCENES), frames, within=4 * 3600.0)
    tell(tally)
    print(f"load {os.getloadavg()[0]:.1f}")
    return int(bool(tally.refused or tally.strikes or tally.incomplete))


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
