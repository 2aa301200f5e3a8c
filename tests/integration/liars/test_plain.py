"""Nodes of the plain reference protocol, whose results cannot be checked, at a development
gateway.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from actors.verifier.settings import VerifierSettings
from rendertrust.protocol import JobDispatch
from rendertrust.testing import FakeNode
from rendertrust.verdict_reason import NO_EVIDENCE
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.liars.test_liars import EVIDENCE, Farm, honest, told
from tests.support.databases import connected
from tests.support.http_gateway import settings_for_tests
from tests.support.proof_readers import Person
from tests.support.whole_gateway import whole

pytestmark = pytest.mark.heavy


@pytest.fixture
async def farm(database: PostgresEndpoint, required: bool) -> AsyncGenerator[Farm]:
    """Run a gateway that verifies, but whose only verifier is offline."""
    running = whole(
        database,
        settings_for_tests(credits={"starter": "100"}, verification={"enabled": "true"}),
        verifying=VerifierSettings(look_seconds=0.1, own=frozenset({UUID(int=7)})),
        verified_types=frozenset({"render"}),
        require_evidence=required,
    )
    async with (
        running as gateway,
        aiohttp.ClientSession() as http,
        AsyncExitStack() as stack,
        connected(database.owner_dsn) as owner,
    ):
        jane = Person(http, gateway.url)
        await jane.register()
        yield Farm(gateway, http, jane, owner, stack)


async def names_another_place(node: FakeNode, dispatch: JobDispatch) -> None:
    """Deliver as the reference does: the result is outside the gateway's store."""
    elsewhere = honest(node, dispatch, result_ref="s3://bucket/picture.png", evidence=None)
    await node.send(elsewhere)


async def signs_nothing(node: FakeNode, dispatch: JobDispatch) -> None:
    await node.send(told(dispatch, result_ref=None, evidence=EVIDENCE))


@pytest.mark.parametrize("required", [False])
@pytest.mark.parametrize("behave", [names_another_place, signs_nothing])
async def test_a_plain_node_completes_jobs_and_the_receipt_says_why_they_are_unverified(
    farm: Farm, behave: Any
) -> None:
    await farm.node("eve", behave, "render")
    job = await farm.place()
    unit = await farm.ends(job)
    assert (unit["state"], unit["verified"], unit["charged"]) == ("COMPLETED", False, "10.0000")
    status, found = await farm.jane.answered("GET", f"/jobs/{job}/receipt")
    if behave is signs_nothing:
        assert status == 404, "there is no result to sign a receipt for"
    else:
        assert found is not None
        receipt = found["receipt"]
        assert (receipt["verdict"], receipt["reason"]) == ("unverified", NO_EVIDENCE)
    await farm.sound()


@pytest.mark.parametrize("required", [True])
async def test_where_evidence_is_required_the_node_has_failed(farm: Farm) -> None:
    await farm.node("eve", names_another_place, "render")
    unit = await farm.blamed(await farm.place())
    assert unit["charged"] == "0.0000"
