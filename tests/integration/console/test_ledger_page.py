"""Entries lead to what who sees them may see."""

from supervisors.engines.postgres import PostgresEndpoint
from tests.face import Face
from tests.integration.console.people import newcomer
from tests.integration.console.work import charge, joined, worked


async def test_what_an_operator_earned_leads_to_no_job_of_another(
    with_books: Face, database: PostgresEndpoint
) -> None:
    """He may not see it: the link would lead to nothing."""
    dsn = database.owner_dsn
    jane = await newcomer(with_books)
    otto = await newcomer(with_books, dsn, "operator", "otto@example.org")
    ann = await newcomer(with_books, dsn, "admin", "ann@example.org")
    job, node = await worked(with_books, dsn, jane, 2, 0), await joined(dsn)
    await charge(with_books, job, 1, node, f"operator:{otto.id}")
    _, text = await otto.get("/console/ledger?kind=EARNING")
    assert str(job)[:8] in text
    assert f"/console/jobs/{job}" not in text
    assert f"/console/jobs/{job}" in (await ann.get("/console/ledger?kind=EARNING"))[1]
    assert f"/console/jobs/{job}" in (await jane.get("/console/ledger?kind=USAGE"))[1]
