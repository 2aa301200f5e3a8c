"""The farm's first page: made from memory, and silent about farms that are not open to all."""

import re
from typing import Any

import pytest

from sql.database import Database, Unavailable
from sql.overview import Overview
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, nobody
from tests.integration.console.work import joined
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_over
from tests.support.until import until
from web.console.assets import assets

ANCHORED = """
INSERT INTO checkpoints (size, number, root, at, note) VALUES (1234, 1, '{root}', now(), 'n');
INSERT INTO chain_transactions (chain_id, sender, nonce, contract, size, root, raw, hashes, state,
                                mined_hash, block_number, block_hash, created_at, bid_at,
                                confirmed_at)
VALUES (1, 's', 1, 'c', 1234, '{root}', 'x', '{{h}}', 'CONFIRMED', 'h', 5678, 'b', now(), now(),
        now());
"""


async def figures_read(face: Face) -> None:
    """Wait until the hub has read the farm's figures."""
    await until(lambda: face.gateway.console.farm.figures is not None)


async def test_a_stranger_sees_the_farm_and_the_ways_in(face: Face) -> None:
    await figures_read(face)
    answer = await nobody(face).ask("GET", "/")
    text = await answer.text()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert re.findall(r"<script.*?>", text) == [
        f'<script src="{assets().url("receipt_drop.js")}" type="module">'
    ]
    for word in ("checkpoint", "measured", ">none<"):
        assert word not in text, "a visitor does not know it"
    machine = "/console/sign-up?next=/console/fleet/add"
    for link in ("/console/sign-in", "/console/sign-up", machine):
        assert f'href="{link}"' in text
    assert (await nobody(face).ask("HEAD", "/")).status == 200


async def test_it_shows_nodes_price_and_the_last_anchor(
    database: PostgresEndpoint,
) -> None:
    await joined(database.owner_dsn)
    await joined(database.owner_dsn, ", is_embedded", ", true")  # a verifier renders for nobody
    await execute(database.owner_dsn, "UPDATE nodes SET status = 'HEALTHY'")
    await execute(database.owner_dsn, ANCHORED.format(root="\\x" + "ab" * 32))
    async with face_over(database) as face:
        await figures_read(face)
        _, text = await nobody(face).get("/")
        shown = text.partition("<dl")[2].partition("</dl>")[0]
        assert "<dd>1</dd>" in shown
        assert '10 <span class="unit">' in shown
        assert "<dd>1,234<small>written to a blockchain" in shown
        assert "block 5,678" in shown


async def test_a_request_costs_no_query(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    await figures_read(face)

    async def asked(*_: Any, **__: Any) -> Any:
        raise AssertionError("the page asked the database")

    for name in ("_ask", "connection", "transaction"):
        monkeypatch.setattr(Database, name, asked)
    status, text = await nobody(face).get("/")
    assert status == 200
    assert "Machines online" in text


async def test_figures_are_read_again_and_outlive_a_failing_database(
    database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.console_hub.actor.FARM_SECONDS", 0.05)
    read, failures = Overview.farm, list[int]()
    async with face_over(database) as face:
        await figures_read(face)
        await joined(database.owner_dsn)
        await execute(database.owner_dsn, "UPDATE nodes SET status = 'HEALTHY'")
        known = face.gateway.console.farm
        await until(lambda: known.figures is not None and known.figures.nodes == 1)

        async def away(_: Overview) -> Any:
            failures.append(1)
            raise Unavailable("a test")

        monkeypatch.setattr(Overview, "farm", away)
        await until(lambda: len(failures) > 2)
        _, text = await nobody(face).get("/")
        assert "<dd>1</dd>" in text, "the last figures stay"
        monkeypatch.setattr(Overview, "farm", read)
        await execute(database.owner_dsn, "UPDATE nodes SET standing = 'REVOKED'")
        await until(lambda: known.figures is not None and known.figures.nodes == 0)


@pytest.mark.parametrize("mode", ["invite", "closed"])
async def test_a_farm_that_is_not_open_shows_its_name_alone(
    mode: str, database: PostgresEndpoint
) -> None:
    await joined(database.owner_dsn)
    async with face_over(database, accounts={"registration": mode}) as face:
        _, text = await nobody(face).get("/")
        body = text.partition("<main")[2]
        assert "<h1>RenderTrust</h1>" in body
        led = re.findall('href="([^"]*)"', body)
        assert led == ["/console/sign-in", "/help", "/download"]
        for word in ("node", "frame", "credit", "cr<", "farm", "checkpoint"):
            assert word not in body.casefold(), word
        assert face.gateway.console.farm.figures is None, "the figures are not even read"


async def test_who_is_signed_in_is_led_on(face: Face, jane: Visitor) -> None:
    _, text = await jane.get("/")
    assert 'href="/console">Open the console' in text
    assert "/console/sign-up" not in text
    assert 'href="/console/fleet/add">Add a machine' in text
    await jane.post("/console/sign-out", {})
    _, text = await jane.get("/")
    assert "/console/sign-up" in text


async def test_without_figures_it_says_so(face: Face) -> None:
    await figures_read(face)
    face.gateway.console.farm.figures = None
    status, text = await nobody(face).get("/")
    assert (status, "not known at the moment" in text) == (200, True)
