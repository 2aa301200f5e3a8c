"""Test that honest nodes are not punished: many units, rendered by nodes that differ.

    python -m bench.honest [--units 500] [--output honest.jsonl] [--only SCENE]

A real gateway compares every result with its embedded verifier, which renders with two threads. The
agents have an owner each, and 1, 3, 1 and 4 threads. Two agents do not use AVX2
(``CYCLES_CPU_NO_AVX2=1``). The ten scenes (``verify_scenes``) have 96 by 54 pixels, as no rule
depends on the size; every second scene is denoised. Goal: no result is invalid, no node has a
strike, and at most 1 % is unverifiable; otherwise the exit code is 1. ``--output`` gets a line for
each finished scene; a later run with the same file skips these scenes.
"""

import argparse
import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
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
    "RENDERTRUST_VERIFICATION_EMBEDDED": "true",
    "RENDERTRUST_VERIFICATION_THREADS": "2",
    "RENDERTRUST_VERIFICATION_LEAST_ODDS": "1",
    "RENDERTRUST_JWT_ACCESS_MINUTES": "600",  # no logins are needed during a run
}
NO_AVX2: Final = {"CYCLES_CPU_NO_AVX2": "1"}
DENOISED: Final = "\nscene.cycles.use_denoising = True\nscene.render.dither_intensity = 1.0\n"
VALID: Final = ("exact", "consistent")
INVALID: Final = "invalid"
VERDICTS: Final = (*VALID, "unverifiable", INVALID)
UNKNOWN_MOST: Final = 0.01  # fraction of all units
HEADS: Final = ("scene", "results", *VERDICTS, "strikes", "more attempts", "time")
SCOPES: Final = ("nodes:write", "credits:read")
CHECKS_MOST: Final = 500  # rows in one answer of the API


@attrs.frozen
class Machine:
    """A simulated machine, which differs from the others by threads or instruction set."""

    name: str
    threads: int
    environment: Mapping[str, str] = attrs.field(factory=dict[str, str])


MACHINES: Final = (
    Machine("one", 1),
    Machine("three", 3),
    Machine("one-old", 1, NO_AVX2),
    Machine("four-old", 4, NO_AVX2),
)


@attrs.frozen
class Node:
    """A running node and its owner."""

    machine: Machine
    owner: Creator
    agent: Agent

    async def told(self, what: str) -> Any:
        """Return the gateway's answer about the node at the path ``what``."""
        return await get_answer(self.owner, f"/nodes/{self.agent.id}{what}")


@attrs.frozen
class Tally:
    """Results by node and verdict, with the remarks of verdicts that are not exact.

    ``again`` counts attempts beyond a unit's first, as a slow node's unit is also given to another
    node. ``incomplete`` counts jobs that did not complete. ``classes`` are device classes.
    """

    verdicts: Mapping[str, Mapping[str, int]] = attrs.field(factory=dict[str, Mapping[str, int]])
    said: tuple[str, ...] = ()
    strikes: int = 0
    again: int = 0
    incomplete: int = 0
    classes: frozenset[str] = frozenset()
    seconds: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        """Return the sum of both tallies."""
        names = dict.fromkeys((*self.verdicts, *other.verdicts))
        return Tally(
            {
                name: Counter(self.verdicts.get(name, {})) + Counter(other.verdicts.get(name, {}))
                for name in names
            },
            self.said + other.said,
            self.strikes + other.strikes,
            self.again + other.again,
            self.incomplete + other.incomplete,
            self.classes | other.classes,
            self.seconds + other.seconds,
        )

    def count(self, *verdicts: str) -> int:
        """Return the number of results whose verdict is among these."""
        return sum(of.get(one, 0) for of in self.verdicts.values() for one in verdicts)

    @property
    def units(self) -> int:
        """Number of results with a verdict."""
        return sum(sum(of.values()) for of in self.verdicts.values())

    @property
    def refused(self) -> int:
        """Number of results that were not found valid."""
        return self.units - self.count(*VALID)

    @property
    def is_good(self) -> bool:
        """True if no honest node was blamed, and nearly every result was found valid."""
        unknown = self.refused - self.count(INVALID)
        blamed = self.count(INVALID) + self.strikes + self.incomplete
        return not blamed and unknown <= UNKNOWN_MOST * self.units

    def row(self, name: str) -> str:
        """Return the tally as a row of the table."""
        shown = [self.units, *(self.count(one) for one in VERDICTS), self.strikes, self.again]
        return f"| {name} | " + " | ".join(map(str, shown)) + f" | {self.seconds:.0f} s |"


async def enrol_node(
    stack: AsyncExitStack, gateway: Gateway, machine: Machine, folder: Path, owner: Creator
) -> Node:
    """Enrol a node of a new owner."""
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
    """Run a creator, and a node on each machine, each with a different owner."""
    code, said = await gateway.run("admin", "prices", "set", "render", "0.1", "--reason", "bench")
    assert code == 0, said
    async with aiohttp.ClientSession() as http, AsyncExitStack() as stack:
        nodes = list[Node]()
        for machine in MACHINES:
            owner = Creator(http, gateway.url, f"{machine.name}@example.org")
            nodes.append(await enrol_node(stack, gateway, machine, folder, owner))
        for node in nodes:
            await node.agent.start()
        creator = Creator(http, gateway.url, "creator@example.org")
        await creator.register()
        yield creator, nodes


async def submit_scene(creator: Creator, folder: Path, name: str, frames: int) -> str:
    """Submit a job of ``frames`` frames of a scene, and return its id."""
    denoised = (DENOISED,) if list(SCENES).index(name) % 2 else ()
    scene = await asyncio.to_thread(build, folder / f"{name}.blend", name, *denoised)
    payload = await creator.upload(await asyncio.to_thread(scene.read_bytes))
    status, placed = await creator.dispatch("render", payload_ref=payload, frames=f"1-{frames}")
    assert status == 200, placed
    return str(placed["job_id"])


async def honest(
    folder: Path,
    scenes: Sequence[str],
    frames: int,
    within: float,
    hear: Callable[[str, Tally], None] = lambda name, tally: None,
) -> Tally:
    """Render and check ``frames`` frames of each scene, and require that fsck finds nothing."""
    total = Tally()
    async with running_gateway(**SETTINGS) as gateway:
        async with at_work(gateway, folder) as (creator, nodes):
            began = time.monotonic()
            jobs = {name: await submit_scene(creator, folder, name, frames) for name in scenes}
            for name, job in jobs.items():  # the jobs after it are rendered meanwhile
                await wait_until_ended(creator, job, within)
                tally = await tally_of(creator, nodes, job)
                tally, began = (
                    attrs.evolve(tally, seconds=time.monotonic() - began),
                    time.monotonic(),
                )
                hear(name, tally)
                total += tally
        code, said = await gateway.fsck()
        assert code == 0, said
    return total


async def wait_until_ended(creator: Creator, job: str, within: float) -> None:
    """Wait until a job has ended, completed or not."""

    async def over() -> bool:
        return bool((await get_answer(creator, f"/jobs/{job}"))["completed_at"])

    await until(over, within=within)


async def get_answer(person: Creator, path: str) -> Any:
    """Return the gateway's response, retrying while it is overloaded."""

    async def asked() -> Any:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            status, found = await person.call("GET", path)
            assert status in (200, 503), found
            return found if status == 200 else None

    return await until(asked, within=600)


async def tally_of(creator: Creator, nodes: Sequence[Node], job: str) -> Tally:
    """Return the tally of a job's units."""
    tally = Tally()
    for node in nodes:
        told = (await node.told(f"/checks?limit={CHECKS_MOST}"))["checks"]
        mine = [one for one in told if one["job_id"] == job]
        name = node.machine.name
        tally += Tally(
            {name: Counter(str(one["verdict"]) for one in mine)},
            tuple(f"{name}: {one['verdict']}: {one['said']}" for one in mine if one["said"]),
            strikes=sum(bool(one["strike"]) for one in mine),
            classes=frozenset(one["device_class"] for one in mine),
        )
    found = await get_answer(creator, f"/jobs/{job}")
    is_wrong = found["status"] != "COMPLETED"
    return tally + Tally(again=found["retry_count"], incomplete=int(is_wrong))


def tell(tallies: Mapping[str, Tally]) -> Tally:
    """Print the table and the remarks; return the sum of all tallies."""
    total = sum(tallies.values(), Tally())
    print("| " + " | ".join(HEADS) + " |\n" + "| --- " * len(HEADS) + "|")
    for name, tally in (*tallies.items(), ("all", total)):
        print(tally.row(name))
    for name, of in total.verdicts.items():
        print(f"{name:10} {', '.join(f'{n} {verdict}' for verdict, n in sorted(of.items()))}")
    for line, times in sorted(Counter(total.said).items()):
        print(f"{times} x {line}")
    print(f"classes: {', '.join(sorted(total.classes))}; {total.incomplete} jobs incomplete")
    return total


def load_tallies(path: Path | None) -> dict[str, Tally]:
    """Return the tallies that an earlier run left, by scene."""
    lines = path.read_text().splitlines() if path is not None and path.exists() else []
    found = dict[str, Tally]()
    for line in lines:
        told: dict[str, Any] = json.loads(line)
        told |= {"said": tuple(told["said"]), "classes": frozenset(told["classes"])}
        scene = told.pop("scene")
        found[scene] = Tally(**told)
    return found


def save_tally(path: Path | None, name: str, tally: Tally) -> None:
    """Print the tally of a scene and append it to the file."""
    print(tally.row(name), flush=True)
    if path is not None:
        told = {"scene": name, **attrs.asdict(tally), "classes": sorted(tally.classes)}
        with path.open("a") as file:
            file.write(json.dumps(told) + "\n")


async def main() -> int:
    """Render the scenes that are missing, and return 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=500, help="of all scenes together")
    parser.add_argument("--only", action="append", choices=list(SCENES), help="these scenes alone")
    parser.add_argument("--output", type=Path, help="keeps what is done")
    given = parser.parse_args()
    scenes = given.only or list(SCENES)
    frames, tallies = max(given.units // len(scenes), 1), load_tallies(given.output)

    def hear(name: str, tally: Tally) -> None:
        tallies[name] = tally
        save_tally(given.output, name, tally)

    print(f"{frames} frames of each of {len(scenes)} scenes; load {os.getloadavg()[0]:.1f}")
    if left := [name for name in scenes if name not in tallies]:
        with tempfile.TemporaryDirectory(prefix="honest-") as folder:
            await honest(Path(folder), left, frames, 4 * 3600.0, hear)
    total = tell(tallies)
    print(f"load {os.getloadavg()[0]:.1f}")
    return int(not total.is_good)


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
