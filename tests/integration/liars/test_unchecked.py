"""Without checks of results, lies that a node's session detects still count."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import aiohttp
import attrs
import pytest

from actors.verifier.settings import VerifierSettings
from config.settings import Verification
from rendertrust.protocol import JobDispatch
from rendertrust.testing import FakeNode
from sql.reputation_rules import STRIKES_MOST
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.liars.test_liars import CONTENT, SHA256, WITHIN, Farm, Lie, told
from tests.support.databases import connected
from tests.support.http_gateway import settings_for_tests
from tests.support.proof_readers import Person
from tests.support.until import until
from tests.support.whole_gateway import whole


@pytest.fixture
async def farm(database: PostgresEndpoint) -> AsyncGenerator[Farm]:
    running = whole(
        database,
        settings_for_tests(credits={"starter": "100"}),
        verifying=VerifierSettings(Verification(enabled=False), look_seconds=0.2),
        require_object=True,
        verified_types=frozenset(),
    )
    async with running as gateway, aiohttp.ClientSession() as http, AsyncExitStack() as stack:
        jane = Person(http, gateway.url)
        await jane.register()
        async with connected(database.owner_dsn) as owner:
            yield Farm(gateway, http, jane, owner, stack)


async def put(farm: Farm, dispatch: JobDispatch) -> None:
    assert dispatch.evidence is None, "no evidence is asked for, as nobody would look at it"
    assert dispatch.output is not None
    await farm.gateway.gateway.ports.objects.put(dispatch.output.key, CONTENT)


def signed(node: FakeNode, dispatch: JobDispatch, **named: Any) -> Any:
    result = told(dispatch, sha256=SHA256, size=len(CONTENT), **named)
    return node.signed(dispatch, result)


async def honest(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    await put(farm, dispatch)
    await node.send(signed(node, dispatch))


async def wrong_hash(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    await put(farm, dispatch)
    await node.send(attrs.evolve(signed(node, dispatch), sha256="11" * 32))


async def anothers_object(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    other = f"results/{UUID(int=5)}/{UUID(int=6)}/0/1/result"
    await farm.gateway.gateway.ports.objects.put(other, CONTENT)
    await node.send(signed(node, dispatch, result_ref=other))


async def signed_for_another(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    await put(farm, dispatch)
    other = signed(node, attrs.evolve(dispatch, unit=1))
    await node.send(attrs.evolve(other, unit=0))


async def no_object(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    await node.send(signed(node, dispatch))


async def strikes(farm: Farm, node: FakeNode) -> int:
    records = await farm.gateway.gateway.tables.nodes.records([UUID(str(node.node_id))])
    return sum(record.reputation.strikes for record in records)


async def test_an_honest_result_is_settled_at_once(farm: Farm) -> None:
    node = await farm.liar(honest)
    unit = await farm.ends(await farm.place())
    assert (unit["state"], unit["charged"]) == ("COMPLETED", "10.0000")
    assert await farm.owner.fetchval("SELECT count(*) FROM checks") == 0
    assert await strikes(farm, node) == 0
    await farm.sound()


@pytest.mark.parametrize(
    "lie",
    [
        wrong_hash,
        *(
            pytest.param(lie, marks=pytest.mark.nightly)
            for lie in (anothers_object, signed_for_another)
        ),
    ],
)
async def test_a_lie_that_the_session_catches_is_a_strike(farm: Farm, lie: Lie) -> None:
    node = await farm.liar(lie)
    unit = await farm.blamed(await farm.place())
    assert (unit["charged"], await farm.earned()) == ("0.0000", 0)
    assert await strikes(farm, node) == 1
    await farm.sound()


async def test_what_is_missing_is_none(farm: Farm) -> None:
    node = await farm.liar(no_object)
    await farm.blamed(await farm.place())
    assert await strikes(farm, node) == 0


async def test_the_third_is_quarantine_with_a_reason(farm: Farm) -> None:
    node = await farm.liar(wrong_hash)
    for _ in range(STRIKES_MOST):
        await farm.blamed(await farm.place())

    async def quarantined() -> Any:
        _, found = await farm.operators["eve"].answered("GET", f"/nodes/{node.node_id}")
        return found if found["standing"] == "QUARANTINED" else None

    found = await until(quarantined, within=WITHIN)
    assert "3 of its results" in found["standing_reason"]
    await farm.sound()
