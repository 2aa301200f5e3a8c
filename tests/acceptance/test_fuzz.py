"""Random requests made from the API's description get described answers from a real gateway.

``python -m tests.fuzz URL`` sends more requests.
"""

import asyncio
import os
from asyncio.subprocess import PIPE, STDOUT

import pytest

from tests.support import programs
from tests.support.lent_engines import StartGateway

CASES, CASES_BY_NIGHT = 370, 1200  # three and ten for each operation
SEED = 1
WITHIN = 500.0
ADMIN, PASSWORD = "ada@example.org", "an admin's password"
# Limits are tested elsewhere; here they would make most answers 429.
WIDE = {
    f"RENDERTRUST_LIMITS_{name}": "1000000" for name in ("LOGIN", "REGISTER", "REFRESH", "NODE")
}


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.parametrize("cases", [CASES, pytest.param(CASES_BY_NIGHT, marks=pytest.mark.nightly)])
async def test_made_up_requests_get_answers_as_described(
    start_gateway: StartGateway, cases: int
) -> None:
    settings = {
        "RENDERTRUST_CREDITS_STARTER": "1000000",
        # a share matures soon after its dispute was rejected
        "RENDERTRUST_EARNINGS_DISPUTE_HOURS": "0.0025",
    }
    async with start_gateway(**settings, **WIDE) as gateway:
        who = ("--email", ADMIN, "--name", "Ada", "--password-stdin")
        code, said = await gateway.run("admin", "create", *who, told=f"{PASSWORD}\n")
        assert code == 0, said
        words = (gateway.url, "--cases", str(cases), "--seed", str(SEED))
        database = gateway.settings["RENDERTRUST_DATABASE_OWNER_URL"]
        admin = ("--admin", ADMIN, "--admin-password", PASSWORD, "--database", database)
        fuzz = await programs.start(
            "tests.fuzz", *words, *admin, env=os.environ, stdout=PIPE, stderr=STDOUT
        )
        async with asyncio.timeout(WITHIN):
            output, _ = await fuzz.communicate()
    assert fuzz.returncode == 0, output.decode()
    assert b"admin " in output
