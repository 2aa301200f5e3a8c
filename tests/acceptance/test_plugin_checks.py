"""The manual's plugin on real nodes without Blender: a verifier checks its results, and lies are
not paid.
"""

import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from rendertrust.node.plugins import GROUP
from tests.acceptance.test_agents import key_of
from tests.integration.node.test_foreign_plugins import FILES, PAGE
from tests.support.agent_process import Agent, enrolled_agent, on_this_host
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.until import until

HONEST = dict(FILES.findall(PAGE))["word_count.py"]
LYING = HONEST.replace("len(path.read_text().split())", "1")
SETTINGS = {
    "RENDERTRUST_VERIFICATION_ENABLED": "true",
    "RENDERTRUST_VERIFICATION_EMBEDDED": "false",
    "RENDERTRUST_VERIFICATION_PLUGINS": "word_count",
}
TEXT = b"one two three"

pytestmark = pytest.mark.heavy
gateway = gateway_with(SETTINGS, prices={"word_count": "10"})


def installed(folder: Path, source: str) -> dict[str, str]:
    """Install the plugin into a folder, and return the environment of a node that has it."""
    info = folder / "word_count-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "word_count.py").write_text(source)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: word-count\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nword_count = word_count:WordCount\n")
    for path in (folder, info):
        path.chmod(0o755)  # the sandbox of a check runs as another user
    return {"PYTHONPATH": str(folder)}


async def test_an_honest_node_is_paid_and_a_lying_one_is_not(
    gateway: Gateway, creator: Creator, tmp_path: Path
) -> None:
    honest, lying = installed(tmp_path / "a", HONEST), installed(tmp_path / "b", LYING)
    assert HONEST != LYING
    operators = {name: await operator(gateway, creator, name) for name in ("otto", "eve")}
    environments = {
        "own": honest,
        "otto": honest | await key_of(operators["otto"]),
        "eve": lying | await key_of(operators["eve"]),
    }
    async with AsyncExitStack() as stack:

        async def node(name: str) -> Agent:
            place, given = tmp_path / name, environments[name]
            agent = enrolled_agent(gateway.url, place, on_this_host, given, blender=False)
            return await stack.enter_async_context(agent)

        own, otto, eve = [await node(name) for name in environments]
        await gateway.restart(RENDERTRUST_VERIFICATION_OWN_NODES=own.id)
        payload = await creator.upload(TEXT, "a.txt")
        jobs = list[str]()
        for worker in (eve, otto):  # while the verifier is away, as it would also do the work
            await worker.start()
            jobs.append(await delivered(creator, payload))
            await worker.stop()
        await own.start()
        honest_job = await creator.job_within(jobs[1], "COMPLETED", within=120)
        assert (honest_job["node_id"], honest_job["charged"]) == (otto.id, "10.0000")

        async def refused() -> bool:
            _, found = await operators["eve"].call("GET", f"/nodes/{eve.id}/checks")
            verdicts = [(one["verdict"], one["strike"], one["said"]) for one in found["checks"]]
            return verdicts == [("invalid", True, "it has other counts")]

        await until(refused, within=120)
    job = jobs[1]
    assert json.loads(await creator.result(job)) == {"a.txt": 3}
    _, receipt = await creator.call("GET", f"/jobs/{job}/receipt")
    assert receipt["receipt"]["verdict"] == "exact"
    assert receipt["receipt"]["work"]["job_type"] == "word_count"
    for name, pending in (("otto", "7.0000"), ("eve", "0.0000")):
        _, earned = await operators[name].call("GET", "/operators/me/earnings")
        assert earned["totals"]["pending"] == pending, (name, earned)
    code, said = await gateway.fsck()
    assert code == 0, said


async def operator(gateway: Gateway, creator: Creator, name: str) -> Creator:
    """Register an operator."""
    made = Creator(creator.http, gateway.url, f"{name}@example.org")
    await made.register()
    return made


async def delivered(creator: Creator, payload: str) -> str:
    """Submit a job, wait until its result waits for a verdict, and return the job's id."""
    status, placed = await creator.dispatch("word_count", payload_ref=payload, params={})
    assert status == 200, placed
    job = str(placed["job_id"])

    async def waits() -> bool:
        _, found = await creator.call("GET", f"/jobs/{job}/units")
        return bool(found["units"][0]["state"] == "VERIFYING")

    await until(waits, within=120)
    return job
