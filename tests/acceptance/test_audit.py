"""An audit ends a gateway soon after somebody else has broken its books.

Gateways audit once a minute, in these tests every half second.
"""

import aiohttp
import pytest

from tests.support.api_clients import Creator
from tests.support.databases import execute
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import StartGateway
from tests.support.transfers import transfer_between
from tests.support.until import until

SETTINGS = {"RENDERTRUST_AUDIT_EVERY_SECONDS": "0.5", "RENDERTRUST_CREDITS_STARTER": "100"}
BREAKS = {
    "I1": transfer_between("no debtor", "no creditor"),
    "I2": "UPDATE accounts SET balance = balance + 1 WHERE name LIKE 'user:%'",
}


async def metrics(gateway: Gateway, http: aiohttp.ClientSession) -> dict[str, float]:
    async with http.get(f"{gateway.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if line.startswith("rendertrust_audit"))
    return {name: float(value) for name, value in samples}


@pytest.mark.parametrize("invariant", BREAKS)
async def test_a_gateway_whose_books_are_broken_ends_and_says_why(
    start_gateway: StartGateway, http: aiohttp.ClientSession, invariant: str
) -> None:
    async with start_gateway(**SETTINGS) as gateway:
        await Creator(http, gateway.url, "jane@example.org").register()
        audited = 'rendertrust_audit_last_timestamp_seconds{invariant="I1",run="since"}'

        async def is_audited() -> bool:
            return audited in await metrics(gateway, http)

        await until(is_audited)
        assert (await metrics(gateway, http))['rendertrust_audit_findings{invariant="I1"}'] == 0
        await execute(gateway.settings["RENDERTRUST_DATABASE_OWNER_URL"], BREAKS[invariant])
        assert await gateway.ended(within=60) == 3
        *_, last = gateway.log.read_text().splitlines()
        assert last.startswith("rendertrust: ")
        assert last.endswith(f"the books are broken: {invariant}; run fsck")
        code, said = await gateway.fsck()
        assert code == 1
        assert invariant in said
        await gateway.start()  # the first audit after a start checks everything, older rows too
        assert await gateway.ended(within=60) == 3
