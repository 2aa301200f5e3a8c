"""The page of prices: public, made from memory, and silent about farms that are not open to all."""

import re
from typing import Any
from uuid import UUID

import pytest

from sql.audit_log import Act
from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, nobody
from tests.support.http_gateway import Face, face_over
from tests.support.until import until

BY_SIZE = {"frame_seconds": 60}
MEASURES = {"own_nodes": str(UUID(int=1))}


async def prices_read(face: Face) -> None:
    """Wait until the hub has read the prices."""
    await until(lambda: face.gateway.console.prices.by_type is not None)


async def figures_read(face: Face) -> None:
    """Wait until the hub has read the farm's figures."""
    await until(lambda: face.gateway.console.farm.figures is not None)


async def test_a_stranger_sees_both_rules_the_table_and_examples(
    database: PostgresEndpoint,
) -> None:
    async with face_over(database, pricing=BY_SIZE) as face:
        await prices_read(face)
        answer = await nobody(face).ask("GET", "/pricing")
        text = await answer.text()
        assert answer.status == 200
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "1920 \N{MULTIPLICATION SIGN} 1080 pixels" in text
        assert "Price by size" in text
        assert "Measured scenes" not in text, "this gateway has no verifier"
        # a reference frame: 10 credits, and 70 cents in the cheapest package
        row = text.partition("1920 \N{MULTIPLICATION SIGN} 1080</th>")[2].partition("</tr>")[0]
        assert '10 <span class="unit">' in row
        assert "0.70 USD" in row
        assert "250 frames of 1920 \N{MULTIPLICATION SIGN} 1080 at 128 samples" in text
        assert "175.00 USD" in text
        assert "inference" in text
        assert "70&nbsp;% go to the owner of the machine" in text
        headings = re.findall(r"<h2[^>]*>(?:<svg.*?</svg>)?\s*([^<]+)</h2>", text)
        assert headings[:3] == [
            "Examples",
            "Prices by size, for each frame",
            "How a price is found",
        ]
        await figures_read(face)
        _, front = await nobody(face).get("/")
        assert 'href="/pricing"' in front
        assert "0.70 USD" in front.partition("Price of a frame")[2].partition("</dl>")[0]


async def test_where_scenes_are_measured_it_says_what_counts_and_gives_an_example(
    database: PostgresEndpoint,
) -> None:
    async with face_over(database, pricing=BY_SIZE, verification=MEASURES) as face:
        await prices_read(face)
        _, text = await nobody(face).get("/pricing")
        words = " ".join(re.sub(r"<[^>]+>", " ", text).split())
        assert "for each pixel: what denoising and saving take" in words
        assert "outside the scene's range, its own first, middle and last frame" in words
        assert "Another size or number of samples needs no new measurement" in words
        assert "Frame 1 takes 8 s, frame 126 takes 14 s and frame 250 takes 11 s." in words
        assert "all 250 frames take 2,934 s, and cost 489 .09 cr (≈ 34.24 USD)." in words


async def test_a_request_costs_no_query(
    database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with face_over(database, pricing=BY_SIZE) as face:
        await prices_read(face)

        async def asked(*_: Any, **__: Any) -> Any:
            raise AssertionError("the page asked the database")

        for name in ("_ask", "connection", "transaction"):
            monkeypatch.setattr(Database, name, asked)
        status, text = await nobody(face).get("/pricing")
        assert (status, "What rendering costs" in text) == (200, True)


async def test_a_changed_price_is_shown(
    database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.console_hub.actor.FARM_SECONDS", 0.05)
    async with face_over(database, pricing=BY_SIZE) as face:
        await prices_read(face)
        now = face.gateway.ports.clock.now()
        act = Act(now, None, "ann", "price.set", "price:render", "power")
        await face.gateway.tables.prices.set("render", 0, act)
        known = face.gateway.console.prices
        await until(lambda: known.by_type is not None and known.by_type["render"] == 0)
        _, text = await nobody(face).get("/pricing")
        assert "Rendering is free on this farm" in text


async def test_where_all_frames_cost_the_same_it_says_so(face: Face) -> None:
    await prices_read(face)
    _, text = await nobody(face).get("/pricing")
    assert re.search(r"Each frame costs .*\(≈ 0.70 USD\), however long it takes", text)
    assert "Prices by size" not in text


async def test_a_farm_that_is_not_open_shows_its_prices_to_its_users_alone(
    database: PostgresEndpoint,
) -> None:
    async with face_over(database, accounts={"registration": "closed"}, pricing=BY_SIZE) as face:
        await prices_read(face)
        _, text = await nobody(face).get("/pricing")
        assert "credit" not in text.partition("<main")[2]
        assert 'href="/console/sign-in"' in text


async def test_who_is_signed_in_is_led_to_a_new_job(face: Face, jane: Visitor) -> None:
    await prices_read(face)
    _, text = await jane.get("/pricing")
    assert 'href="/console/jobs/new"' in text
