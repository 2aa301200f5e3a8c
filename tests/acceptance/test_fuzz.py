"""Requests made up from the description, against a real gateway: every answer is as described.

``python -m tests.fuzz URL`` runs more of them.
"""

import asyncio
import sys

import pytest

from tests.acceptance.gateway import ROOT, running_gateway

CASES = 1800
SEED = 1
WITHIN = 500.0
# No limit is met: those are tested elsewhere, and here most answers would be 429.
WIDE = {
    f"RENDERTRUST_LIMITS_{name}": "1000000" for name in ("LOGIN", "REGISTER", "REFRESH", "NODE")
}


@pytest.mark.heavy
@pytest.mark.timeout(600)
async def test_made_up_requests_get_answers_as_described() -> None:
    async with running_gateway(RENDERTRUST_CREDITS_STARTER="1000000", **WIDE) as gateway:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.fuzz", gateway.url),
            *("--cases", str(CASES), "--seed", str(SEED)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(WITHIN):
            output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
