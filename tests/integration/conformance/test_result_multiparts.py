"""Multipart uploads of results that the object store has begun, on the in-memory store and on
PostgreSQL.
"""

from datetime import UTC, datetime, timedelta

import attrs

from sql.multiparts import ResultMultipart
from tests.integration.conformance.stage import Stage

NOW = datetime(2026, 3, 1, tzinfo=UTC)


async def test_the_first_that_was_begun_stands_until_it_ends(stage: Stage) -> None:
    _, _, job = await stage.dispatched(100)
    begun = ResultMultipart(job, 0, 1, "result", "store-1", "results/x", 9)
    assert await stage.store.result_multipart(begun.name) is None
    assert await stage.store.keep_result_multipart(begun, NOW) == begun
    later = attrs.evolve(begun, store_id="store-2")
    assert await stage.store.keep_result_multipart(later, NOW + timedelta(hours=1)) == begun
    proof = attrs.evolve(begun, what="evidence", store_id="store-3")
    assert await stage.store.keep_result_multipart(proof, NOW) == proof
    await stage.store.end_result_multipart(later)  # ends another multipart upload
    assert await stage.store.result_multipart(begun.name) == begun
    await stage.store.end_result_multipart(begun)
    assert await stage.store.result_multipart(begun.name) is None
    assert await stage.store.result_multipart(proof.name) == proof
