"""Links from ledger entries lead only to what the visitor may see."""

from datetime import UTC, datetime

from actors.auditor.messages import Audit, Finding
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer
from tests.integration.console.work import charge, joined, worked
from tests.support.http_gateway import Face


async def test_what_an_operator_earned_leads_to_no_job_of_another(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    """The operator may not see the job, so the link would lead to an error."""
    dsn = database.owner_dsn
    otto = await newcomer(face, dsn, "operator", "otto@example.org")
    ann = await newcomer(face, dsn, "admin", "ann@example.org")
    job, node = await worked(face, dsn, jane, 2, 0), await joined(dsn)
    await charge(face, job, 1, node, f"operator:{otto.id}")
    _, text = await otto.get("/console/ledger?kind=EARNING")
    assert str(job)[:8] in text
    assert f"/console/jobs/{job}" not in text
    assert f"/console/jobs/{job}" in (await ann.get("/console/ledger?kind=EARNING"))[1]
    assert f"/console/jobs/{job}" in (await jane.get("/console/ledger?kind=USAGE"))[1]


async def test_what_was_found_last_is_said_while_the_auditor_answers_nobody(
    face: Face, ann: Visitor
) -> None:
    """A busy auditor does not answer, so the page shows its last audit instead of "Unknown"."""
    noon = datetime(2026, 3, 13, 12, tzinfo=UTC)
    found = Audit(noon, (Finding("I9", "unit 7", "is of an attempt that was overtaken"),), noon)
    assert "Unknown: this gateway" in (await ann.get("/console/ledger"))[1]
    face.gateway.console.audit.last = found
    _, text = await ann.get("/console/ledger")
    assert "Unknown: this gateway" not in text
    assert "is of an attempt that was overtaken" in text
    assert "The ledger is inconsistent" in (await ann.get("/console"))[1]
