"""The reason why an animation's remaining frames wait, once some of its frames are done."""

from uuid import UUID

from actors.ledger.effects import UnitAssign, UnitComplete
from actors.ledger.messages import Posted
from actors.scheduler.messages import Scheduler, UnitsChanged
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import signed_in
from tests.integration.console.test_bulk import face
from tests.integration.console.work import joined
from tests.integration.web.accounts import register
from tests.support.http_gateway import Face

__all__ = ["face"]
ORDER = {"job_type": "echo", "payload_ref": "s3://bucket/in.blend", "queue": True, "frames": "1-3"}


async def commit(face: Face, *effects: UnitAssign | UnitComplete) -> None:
    """Book effects, and tell the Scheduler as a node's session does."""
    done = await face.do(*effects)
    assert isinstance(done, Posted), done
    face.gateway.registry.ref(Scheduler).tell(UnitsChanged(done.units))


async def test_what_is_left_of_a_job_says_why_nobody_works_on_it(
    face: Face, database: PostgresEndpoint
) -> None:
    jane, node = await register(face), await joined(database.owner_dsn)
    status, placed = await jane.ask("POST", "/api/v1/jobs/dispatch", ORDER)
    assert status == 202, placed
    job = UUID(placed["job_id"])
    visitor = await signed_in(face, jane.email)
    await commit(face, UnitAssign(job, 0, 1, node))
    _, text = await visitor.get(f"/console/jobs/{job}")
    assert "No node that does" not in text, "a node works on the job"
    await commit(face, UnitComplete(job, 0, 1, node, "s3://bucket/1.png"))
    _, text = await visitor.get(f"/console/jobs/{job}")
    assert "1 of 3" in text
    said = text.partition('id="why-waiting">')[2].partition("</span>")[0]
    assert "No node that does “echo” has joined yet." in said
