"""The gateway is killed around the log's commits, at points and at random: the log has no gap or
duplicate.
"""

import signal

import aiohttp
import pytest

from tests.support.examples import series
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.proof_readers import Person, holds
from tests.support.until import until

STEPS = ("Append", "CheckpointRow")
POINTS = [
    f"{when}_log.{step}:{n}" for step in STEPS for when in ("before", "after") for n in (1, 2)
]
BY_DAY = ["after_log.Append:1", "before_log.CheckpointRow:1"]
SETTINGS = {"RENDERTRUST_PROOF_CHECKPOINT_SECONDS": "0.2"}
pytestmark = pytest.mark.heavy


gateway = gateway_with(SETTINGS)


async def registered(http: aiohttp.ClientSession, gateway: Gateway) -> Person | None:
    """Register a user with starter credits; return None if the gateway was killed meanwhile."""
    person = Person(http, gateway.url)
    try:
        await person.register()
    except (aiohttp.ClientError, KeyError):
        return None
    return person


async def people_until_it_ends(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    while gateway.process is not None and gateway.process.returncode is None:
        if await registered(http, gateway) is None:
            return


async def check(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    """Check that a new entry gets a proof and that fsck finds nothing wrong with the log."""
    person = await until(lambda: registered(http, gateway))
    assert person is not None
    _, history = await person.call("GET", "/credits/history")
    (entry,) = history["entries"]

    async def proved() -> bool:
        status, proof = await person.call("GET", f"/ledger/{entry['entry_id']}/proof")
        return status == 200 and holds(proof)

    await until(proved)
    code, said = await gateway.fsck()
    assert code == 0, said


@pytest.mark.parametrize("point", series(POINTS, BY_DAY))
async def test_killed_at_a_commit_of_the_log(gateway: Gateway, point: str) -> None:
    async with aiohttp.ClientSession() as http:
        await gateway.restart(RENDERTRUST_CRASH_AT=point)
        await people_until_it_ends(http, gateway)
        assert await gateway.ended() == -signal.SIGKILL
        await gateway.start()
        await check(http, gateway)
