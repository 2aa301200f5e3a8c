"""The work of nodes as users see it: which units each of them has."""

from actors.ledger.effects import UnitAssign, UnitCopy, UnitStart
from actors.ledger.messages import Posted
from sql.nodes import NodeFilter, NodeViews
from tests.integration.web.accounts import Person
from tests.integration.web.earners import do, verified_node
from tests.integration.web.test_events import job_of
from tests.support.http_gateway import Face, face_with, with_ledger

face = face_with(with_ledger)


async def test_a_node_that_has_a_copy_works_on_it(face: Face, jane: Person) -> None:
    first, second = await verified_node(face, None), await verified_node(face, None)
    job = await job_of(jane)
    for effect in (
        UnitAssign(job, 0, 1, first),
        UnitStart(job, 0, 1, first),
        UnitCopy(job, 0, 2, second, 1),
    ):
        assert isinstance(await do(face, effect), Posted)
    fleet = NodeViews(face.gateway.database)
    found = {node: await fleet.work(node, 10) for node in (first, second)}
    assert [(one.attempt, one.state) for one in found[first]] == [(1, "RUNNING")]
    assert [(one.attempt, one.state) for one in found[second]] == [(2, "DISPATCHED")]
    page = await fleet.page(None, NodeFilter(sort="-work"), face.gateway.ports.clock.now(), 10, 0)
    assert {node.id: node.units for node in page} == {first: 1, second: 1}
