"""Ten thousand rows on nodes of three owners, one of which fakes a tenth of its rows."""

import os
from collections import Counter
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import onnxruntime
import pytest

from rendertrust.client import AsyncClient, Conflict, Quote
from rendertrust.inference.onnx_model import read_model
from rendertrust.inference.row_plan import MODEL, RowPlan
from rendertrust.inference.shards import PlanOfRows, cut, join
from rendertrust.job_spec import JobSpec
from rendertrust.node.plugins import GROUP
from tests.acceptance.test_agents import key_of
from tests.acceptance.test_plugin_checks import operator
from tests.support import programs
from tests.support.agent_process import Agent, enrolled_agent, on_this_host
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.onnx_models import perceptron
from tests.support.until import until

ROWS, EACH, WIDTH = 10_000, 1_000, 8
SETTINGS = {
    "RENDERTRUST_VERIFICATION_ENABLED": "true",
    "RENDERTRUST_VERIFICATION_EMBEDDED": "false",
    "RENDERTRUST_PRICING_FRAME_SECONDS": "60",
}
# A package that makes an agent replace a tenth of the rows that its sandbox computed.
LIAR = """
import numpy as np
from rendertrust.inference.arrays import read_arrays, write_arrays
from rendertrust.node.plugins.sandboxed_plugin import SandboxedPlugin

honest = SandboxedPlugin.run

async def run(self, task):
    result = await honest(self, task)
    arrays = dict(read_arrays(result.file))
    rows = np.random.default_rng(task.unit).permutation(len(arrays["scores"]))
    arrays["scores"][rows[: len(rows) // 10]] = 1 / 3
    write_arrays(result.file, arrays)
    return result

SandboxedPlugin.run = run

class Liar:
    job_type = "liar"
    async def run(self, task): ...
"""

pytestmark = pytest.mark.heavy
gateway = gateway_with(SETTINGS)


def installed(folder: Path) -> dict[str, str]:
    """Install the liar's package, and return the environment of a node that has it."""
    info = folder / "liar-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "liar.py").write_text(LIAR)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: liar\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nliar = liar:Liar\n")
    return {"PYTHONPATH": str(folder)}


def written(folder: Path) -> Any:
    """Write the model and its rows, and return the model's own results for them."""
    model = perceptron(WIDTH)
    x = np.random.default_rng(11).normal(size=(ROWS, WIDTH)).astype("f4")
    (folder / "model.onnx").write_bytes(model)
    np.savez_compressed(folder / "rows.npz", x=x)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return dict(zip(("scores", "label"), session.run(None, {"x": x}), strict=True))


async def test_faked_rows_are_found_and_not_paid(
    gateway: Gateway, creator: Creator, tmp_path: Path
) -> None:
    expected = written(tmp_path)
    operators = {name: await operator(gateway, creator, name) for name in ("otto", "ida", "eve")}
    liar = installed(tmp_path / "liar")
    async with AsyncExitStack() as stack:

        async def node(name: str, env: dict[str, str]) -> Agent:
            place = tmp_path / f"node-{name}"
            agent = enrolled_agent(gateway.url, place, on_this_host, env, blender=False)
            return await stack.enter_async_context(agent)

        own = await node("own", {})
        keys = {name: await key_of(one) for name, one in operators.items()}
        nodes = {
            name: await node(name, key | (liar if name == "eve" else {}))
            for name, key in keys.items()
        }
        await gateway.restart(RENDERTRUST_VERIFICATION_OWN_NODES=own.id)
        client = await stack.enter_async_context(await client_of(gateway, creator))
        await own.start()
        spec = await measured(client, tmp_path)
        await by_command(gateway, creator, tmp_path, expected)
        await own.stop()  # it would also compute rows
        for one in nodes.values():
            await one.start()
        job = (await client.dispatch(spec)).job_id
        await until(lambda: delivered(client, job), within=240)
        shares = Counter([unit.node_id async for unit in client.each_unit(job)])
        assert set(shares) == {one.id for one in nodes.values()}, shares
        await own.start()
        ended = await client.wait(job, within=240)
        assert ended.status == "COMPLETED", ended
        refused = await checks_of(operators["eve"], nodes["eve"])
        assert len(refused) >= shares[nodes["eve"].id]
        for verdict, strike, said in refused:
            assert (verdict, strike) == ("invalid", True)
            assert said.startswith("rows that were computed again differ"), said
        assert [unit.node_id async for unit in client.each_unit(job)].count(nodes["eve"].id) == 0
        paths = [
            await client.download_unit(job, number, tmp_path / f"{number}.npz")
            for number in range(ROWS // EACH)
        ]
    join(paths, RowPlan(ROWS, EACH), tmp_path / "result.npz")
    with np.load(tmp_path / "result.npz", allow_pickle=False) as found:
        assert (found["label"] == expected["label"]).all()
        assert np.allclose(found["scores"], expected["scores"], atol=1e-6)
    for name, who in operators.items():
        _, earned = await who.call("GET", "/operators/me/earnings")
        assert (Decimal(earned["totals"]["pending"]) > 0) is (name != "eve"), (name, earned)
    code, said = await gateway.fsck()
    assert code == 0, said


async def client_of(gateway: Gateway, creator: Creator) -> AsyncClient:
    scopes = ["jobs:read", "jobs:write", "uploads:write", "credits:read"]
    _, key = await creator.call("POST", "/auth/keys", {"name": "rows", "scopes": scopes})
    return AsyncClient(gateway.url, api_key=key["key"])


async def measured(client: AsyncClient, folder: Path) -> JobSpec:
    """Upload model and rows, let the verifier measure a row, and return the job with its price."""
    inputs = read_model((folder / "model.onnx").read_bytes()).inputs
    rows = cut(folder / "rows.npz", inputs, PlanOfRows(EACH), folder / "cut")
    bundle = await client.upload_all(MODEL, {MODEL: folder / "model.onnx", **rows.files})
    spec = JobSpec("inference", params=rows.plan.params(), frames=rows.plan.frames)
    spec = bundle.fill(spec)
    before = await until(lambda: measurable(client, spec), within=60)
    assert before is not None
    assert (before.priced_by, before.units) == ("table", 10)
    with pytest.raises(Conflict, match="prices rows by measured work"):
        await client.dispatch(spec)
    seen = await client.preflight(spec, within=240)
    assert (seen.status, seen.findings) == ("DONE", ()), seen
    assert seen.estimate is not None
    found = await client.quote(spec)
    assert (found.priced_by, found.measurable) == ("work", False), found
    assert Decimal(found.price) < Decimal(before.price)
    return attrs.evolve(spec, quoted=found.price)


async def measurable(client: AsyncClient, spec: JobSpec) -> Quote | None:
    """Return the quote once the gateway knows of a verifier that can measure the model."""
    found = await client.quote(spec)
    return found if found.measurable else None


async def by_command(
    gateway: Gateway, creator: Creator, folder: Path, expected: dict[str, Any]
) -> None:
    """Submit all rows in two units with one command, which saves the results of all rows."""
    asked = {"name": "command", "scopes": ["jobs:read", "jobs:write", "uploads:write"]}
    _, made = await creator.call("POST", "/auth/keys", asked)
    env = {"RENDERTRUST_URL": gateway.url, "RENDERTRUST_API_KEY": made["key"], "HOME": str(folder)}
    env |= {"PATH": os.environ["PATH"]}
    rows = ("--inputs", str(folder / "rows.npz"), "--rows-per-unit", "6000", "--batch", "100")
    command = ("submit", str(folder / "model.onnx"), *rows, "--out", str(folder / "all.npz"))
    code, said, noted = await programs.call(*command, "--yes", env=env)
    assert code == 0, (said, noted)
    assert "A node measures the model; this is free" in noted
    assert "10,000 rows in 2 units" in noted
    assert "Saved" in said
    with np.load(folder / "all.npz", allow_pickle=False) as found:
        assert (found["label"] == expected["label"]).all()
        assert np.allclose(found["scores"], expected["scores"], atol=1e-6)


async def delivered(client: AsyncClient, job: str) -> bool:
    """Return True if the results of all units wait for a verdict."""
    states = [unit.state async for unit in client.each_unit(job)]
    assert "FAILED" not in states, states
    return set(states) == {"VERIFYING"}


async def checks_of(owner: Creator, node: Agent) -> list[tuple[str, bool, str]]:
    _, found = await owner.call("GET", f"/nodes/{node.id}/checks")
    return [(one["verdict"], one["strike"], one["said"]) for one in found["checks"]]
