"""Layouts of archives are computed once and kept for a minute, or until the job changes."""

import asyncio
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.test_archives import FRAMES, Shop
from tests.integration.web.test_archives import face as face  # noqa: PLC0414 - a fixture
from tests.integration.web.test_archives import shop as shop  # noqa: PLC0414 - a fixture
from tests.support.databases import execute
from tests.support.http_gateway import Face
from web.objects import archives
from web.objects.zip_layout import ZipLayout, ZipMember
from web.objects.zip_layout import laid_out as laid_out_plainly


@pytest.fixture
def objects(face: Face) -> Any:
    return face.objects


@pytest.fixture
def laid_out(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the number of files in each archive layout that is computed."""
    found: list[int] = []

    def noted(members: Sequence[ZipMember]) -> ZipLayout:
        found.append(len(members))
        return laid_out_plainly(members)

    monkeypatch.setattr(archives, "laid_out", noted)
    return found


async def head(shop: Shop) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as http, http.head(shop.url) as answer:
        return answer.status, answer.headers["Content-Length"], answer.headers["ETag"]


async def test_it_is_laid_out_once_for_all_who_ask(shop: Shop, laid_out: list[int]) -> None:
    found = await asyncio.gather(*(head(shop) for _ in range(20)))
    assert len({*found, await head(shop)}) == 1
    assert found[0][0] == 200
    assert laid_out == [len(FRAMES)]


async def test_it_is_laid_out_anew_once_the_job_has_changed(
    shop: Shop, laid_out: list[int], database: PostgresEndpoint
) -> None:
    await head(shop)
    await execute(database.owner_dsn, "UPDATE jobs SET updated_at = updated_at + '1 second'")
    await head(shop)
    assert laid_out == [len(FRAMES)] * 2


async def test_what_was_laid_out_is_forgotten_after_a_minute(
    shop: Shop, laid_out: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "KEPT_SECONDS", 0.0)
    await head(shop)
    await head(shop)
    assert laid_out == [len(FRAMES)] * 2


async def test_no_more_files_are_kept_than_the_bound(
    shop: Shop, laid_out: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MEMBERS_KEPT", len(FRAMES) - 1)
    assert (await head(shop))[0] == (await head(shop))[0] == 200
    assert laid_out == [len(FRAMES)] * 2
