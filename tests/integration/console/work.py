"""Helpers that book jobs as done through the Ledger."""

from uuid import UUID, uuid4

import attrs

from actors.ledger.effects import UnitAssign, UnitComplete
from tests.integration.conformance.stage import dispatch
from tests.integration.console.people import Visitor
from tests.support.databases import execute
from tests.support.http_gateway import Face

PRICE = 100_000


async def worked(
    face: Face, dsn: str, user: Visitor, units: int = 1, done: int | None = None
) -> UUID:
    """Book a job of ``units`` units; the first ``done`` units (by default all) are charged."""
    job = uuid4()
    node = await joined(dsn)
    await face.book(dispatch(UUID(user.id), job, PRICE, units, node))
    for number in range(units if done is None else done):
        await charge(face, job, number, node)
    return job


async def joined(dsn: str, columns: str = "", values: str = "") -> UUID:
    """Insert a node, and return its id."""
    node = uuid4()
    insert = f"INSERT INTO nodes (id, name, public_key, capabilities{columns}) VALUES "
    key = f"decode('{node.hex * 2}', 'hex')"
    await execute(dsn, f"{insert}('{node}', 'n', {key}, '{{render}}'{values})")
    return node


async def charge(
    face: Face, job: UUID, number: int, node: UUID, operator: str = "", *, begun: bool | None = None
) -> None:
    """Complete a unit; unit 0 counts as assigned already, unless ``begun`` says otherwise.

    ``operator`` is the account that earns.
    """
    is_begun = number == 0 if begun is None else begun
    begin = () if is_begun else (UnitAssign(job, number, 1, node),)
    complete = UnitComplete(job, number, 1, node, "s3://bucket/frame.png")
    if operator:
        complete = attrs.evolve(complete, verified=True, operator=operator)
    await face.do(*begin, complete)
