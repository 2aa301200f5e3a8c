"""A real agent's frame waits for its verdict by the gateway's own verifier node."""

import hashlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rendertrust.client import AsyncClient, Tokens
from rendertrust.receipt_check import read_picture, verify_receipt
from tests.integration.node.scenes import SLOW, build
from tests.support.agent_process import enrolled_agent
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.until import until

pytestmark = [pytest.mark.render, pytest.mark.heavy]
QUICK = {"width": 160, "height": 90, "samples": 4}
SETTINGS = {
    "RENDERTRUST_VERIFICATION_ENABLED": "true",
    "RENDERTRUST_VERIFICATION_EMBEDDED": "false",
}


gateway = gateway_with(SETTINGS)


async def test_a_frame_is_paid_for_once_it_was_checked(
    gateway: Gateway, creator: Creator, tmp_path: Path
) -> None:
    scene = build(tmp_path / "scene.blend", SLOW)
    async with AsyncExitStack() as stack:
        worker, own = [
            await stack.enter_async_context(enrolled_agent(gateway.url, tmp_path / name))
            for name in ("worker", "own")
        ]
        await gateway.restart(RENDERTRUST_VERIFICATION_OWN_NODES=own.id)
        await worker.start()
        payload = await creator.upload(scene.read_bytes())
        status, placed = await creator.dispatch("render", payload_ref=payload, params=QUICK)
        assert status == 200, placed
        job = str(placed["job_id"])

        async def waits() -> Any:
            _, found = await creator.call("GET", f"/jobs/{job}/units")
            [unit] = found["units"]
            return unit if unit["state"] == "VERIFYING" else None

        unit = await until(waits, within=120)
        assert (unit["charged"], unit["node_id"]) == ("0.0000", worker.id)
        await own.start()
        found = await creator.job_within(job, "COMPLETED", within=120)
        assert found["charged"] == "10.0000"
        await dispute(gateway, creator, job, tmp_path)
    _, receipt = await creator.call("GET", f"/jobs/{job}/receipt")
    assert receipt["receipt"]["verdict"] == "exact"
    delivered = tmp_path / "delivered.png"
    delivered.write_bytes(await creator.result(job))
    verdict = verify_receipt(receipt, picture=read_picture(delivered))
    assert verdict.holds, verdict
    assert "pixels" in [step.name for step in verdict.steps]
    with Image.open(delivered) as image:
        assert image.size == (160, 90)
    async with AsyncClient(gateway.url, tokens=Tokens(creator.token, "")) as client:
        evidence = await client.download_evidence(job, tmp_path)
    assert evidence.name == f"{job}-0-evidence.exr"
    proof = receipt["receipt"]["work"]["measured"]["evidence"]
    content = evidence.read_bytes()
    assert proof == {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    code, said = await gateway.fsck()
    assert code == 0, said


async def dispute(gateway: Gateway, creator: Creator, job: str, folder: Path) -> None:
    """Dispute a frame with a comparison: the verifier finds it exact, and uploads its picture."""
    async with AsyncClient(gateway.url, tokens=Tokens(creator.token, "")) as client:
        compared = {"verdict": "different", "reason": "it looks darker"}
        await client.dispute(job, "it looks darker", comparison=compared)

        async def decided() -> Any:
            [found] = (await client.disputes()).disputes
            return found if found.state != "open" else None

        found = await until(decided, within=120)
        assert (found.state, found.decision[:13]) == ("rejected", "a check found"), found
        path = await client.download_dispute_picture(job, folder)
    assert path.name == f"{job}-0-dispute.png"
    with Image.open(path) as image:
        assert (image.format, image.size[0] > 3 * 160) == ("PNG", True)
