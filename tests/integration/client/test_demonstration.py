"""The demo: its requests reach a busy gateway in the end, and a failed start gives the reason."""

from pathlib import Path

import pytest

from rendertrust.client import AsyncClient, Unavailable
from tests.integration.client.double import GatewayDouble, refuse
from web.demonstration.child import Child, ChildFailed
from web.demonstration.journey import OPENINGS, enter

REGISTER = "POST /api/v1/auth/register"
LOGIN = "POST /api/v1/auth/login"
LATE = refuse(503, headers={"Retry-After": "0.01"})


async def test_an_account_that_was_opened_too_late_is_entered(gateway: GatewayDouble) -> None:
    gateway.script(REGISTER, LATE)
    async with AsyncClient(gateway.url) as client:
        await enter(client, "demo@example.org", "correct horse")
        assert (await client.balance()).balance
    assert gateway.seen[REGISTER] == 1


async def test_an_account_that_was_not_opened_is_opened_later(gateway: GatewayDouble) -> None:
    gateway.script(REGISTER, LATE, LATE)
    gateway.script(LOGIN, refuse(401), refuse(401))
    async with AsyncClient(gateway.url) as client:
        await enter(client, "demo@example.org", "correct horse")
        assert (await client.balance()).balance


async def test_a_gateway_that_is_never_ready_is_given_up(gateway: GatewayDouble) -> None:
    gateway.script(REGISTER, *[LATE] * (OPENINGS + 1))
    gateway.script(LOGIN, *[refuse(401)] * OPENINGS)
    async with AsyncClient(gateway.url) as client:
        with pytest.raises(Unavailable):
            await enter(client, "demo@example.org", "correct horse")


async def test_a_program_that_does_not_start_says_why_and_where_its_log_is(tmp_path: Path) -> None:
    child = Child("gateway", tmp_path / "gateway.log")
    await child.start("serve", "--data", "/dev/null", settings={})
    try:
        with pytest.raises(ChildFailed, match=r"/dev/null.*; see " + str(child.log)):
            await child.first_line(60.0)
    finally:
        await child.stop()
