"""Other users' data: the console answers as if the data did not exist."""

import re

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer
from tests.integration.console.work import joined, worked
from tests.support.databases import execute
from tests.support.http_gateway import Face

NUMBERS = re.compile(r"no\. (\d+)")


async def test_jobs_and_nodes_are_opened_by_their_owner_and_by_admins(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    dsn = database.owner_dsn
    otto = await newcomer(face, dsn, "operator", "otto@example.org")
    ann = await newcomer(face, dsn, "admin", "ann@example.org")
    job, node = await worked(face, dsn, jane), await joined(dsn)
    await execute(dsn, f"UPDATE nodes SET owner_id = '{otto.id}' WHERE id = '{node}'")
    for owner, stranger, path in (
        (jane, otto, f"/console/jobs/{job}"),
        (otto, jane, f"/console/fleet/{node}"),
    ):
        assert [(await who.get(path))[0] for who in (owner, ann)] == [200, 200]
        status, text = await stranger.get(path)
        assert (status, "<h1>Not found</h1>" in text) == (404, True), path
    assert "No jobs yet" in (await otto.get("/console/jobs"))[1]
    assert "No nodes yet" in (await jane.get("/console/fleet"))[1]
    for path in (f"frames/{job}?unit=0", f"previews/{job}?frame=1", f"pictures/{job}"):
        assert (await otto.get(f"/console/{path}"))[0] == 404, path


async def test_entries_are_those_of_their_account(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    """An auditor sees all entries, with the account of each."""
    dsn = database.owner_dsn
    otto = await newcomer(face, dsn, "operator", "otto@example.org")
    rita = await newcomer(face, dsn, "auditor", "rita@example.org")
    await worked(face, dsn, jane)
    pages = [(await who.get("/console/ledger"))[1] for who in (jane, otto, rita)]
    hers, his, everybodys = (set(NUMBERS.findall(text)) for text in pages)
    assert hers
    assert his
    assert not hers & his
    assert hers | his <= everybodys
    assert ['data-label="Account"' in text for text in pages] == [False, False, True]
    _, text = await otto.get("/console/credits")
    assert "Nothing is held" in text
    assert "No purchases" in text
