"""Requests made up from the description, against a real gateway: every answer is as described.

``python -m tests.fuzz URL`` runs more of them.
"""

import asyncio
import sys

import pytest

from tests.support.gateway_process import ROOT, running_gateway

CASES = 1200
SEED = 1
WITHIN = 500.0
ADMIN, PASSWORD = "ada@example.org", "an admin's password"
# No limit is met: those are tested elsewhere, and here most answers would be 429.
WIDE = {
    f"RENDERTRUST_LIMITS_{name}": "1000000" for name in ("LOGIN", "REGISTER", "REFRESH", "NODE")
}


@pytest.mark.heavy
@pytest.mark.timeout(600)
async def test_made_up_requests_get_answers_as_described() -> None:
    settings = {
        "RENDERTRUST_CREDITS_STARTER": "1000000",
        "RENDERTRUST_EARNINGS_DISPUTE_HOURS": "0.005",  # what is disputed in vain is payable soon
    }
    async with running_gateway(**settings, **WIDE) as gateway:
        data = ("--data", str(gateway.data))
        who = ("--email", ADMIN, "--name", "Ada", "--password-stdin")
        await run("rendertrust", "admin", "create", *who, *data, told=f"{PASSWORD}\n")
        words = ("--cases", str(CASES), "--seed", str(SEED))
        admin = ("--admin", ADMIN, "--admin-password", PASSWORD)
        output = await run("tests.fuzz", gateway.url, *words, *admin)
    assert "admin " in output


async def run(module: str, *words: str, told: str = "") -> str:
    """What it said; it must end with 0."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *words),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(WITHIN):
        output, _ = await process.communicate(told.encode())
    assert process.returncode == 0, output.decode()
    return output.decode()
