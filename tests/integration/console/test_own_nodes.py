"""A user with a node but without the operator's role sees everything about that node."""

import html
import re
from collections import deque
from urllib.parse import urlsplit
from uuid import UUID

import attrs
import pytest

from sql.account_names import operator_account
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import dispatch
from tests.integration.console.people import Visitor, newcomer, signed_in
from tests.integration.console.test_disputes import open_one
from tests.integration.console.work import PRICE, charge
from tests.integration.web.accounts import register
from tests.integration.web.test_nodes import described, post, prove
from tests.support.databases import execute
from tests.support.http_gateway import Face

CHECK = """
INSERT INTO checks (job_id, unit, attempt, node_id, device_class, verified, share_percent,
                    window_seconds, opened_at, state, verdict, said, decided_at, strike)
VALUES ('{job}', 0, 1, '{node}', 'cpu', true, 70, 60, now(), 'DECIDED', 'invalid',
        'one frame is grey', now(), true)
"""
JOB = UUID("00000000-0000-4000-8000-000000000001")
OTHERWISE = (
    "/console/static",
    "/console/proofs",
    "/console/ledger/entry",
)  # pages that need a log, which this database lacks
STATEMENT = "/console/api/credits/statement"  # a file
LISTED = "<span>Checks</span>"


@attrs.frozen
class Joined:
    """The node's owner, the creator whose job it rendered, and the node."""

    otto: Visitor
    jane: Visitor
    node: UUID


@pytest.fixture
async def joined(face: Face, database: PostgresEndpoint) -> Joined:
    """Register Otto's node: it rendered for Jane, earned, was checked, and is in a dispute."""
    person = await register(face, "otto@example.org")
    otto = attrs.evolve(await signed_in(face, person.email), id=person.id)
    jane = await newcomer(face)
    bearer = {"Authorization": f"Bearer {person.access}"}
    _, made = await post(face, "register", described(), bearer)
    assert (await prove(face, made))[0] == 200
    node, job = UUID(made["node_id"]), JOB
    await face.book(dispatch(UUID(jane.id), job, PRICE, 1, node))
    await charge(face, job, 0, node, operator_account(UUID(otto.id)))
    await execute(database.owner_dsn, CHECK.format(job=job, node=node))
    await open_one(jane, job)
    return Joined(otto, jane, node)


def links(text: str) -> list[str]:
    """Return the addresses of a page's links within the console."""
    found = re.findall(r'href="(/console[^"#]*)"', text)
    return [html.unescape(href) for href in found]


async def test_he_sees_what_was_found_of_his_node_and_why(joined: Joined) -> None:
    _, text = await joined.otto.get(f"/console/fleet/{joined.node}")
    (there,) = (href for href in links(text) if href.startswith("/console/checks?"))
    status, text = await joined.otto.get(there)
    assert status == 200
    assert "one frame is grey" in text
    assert LISTED in text, "the checks are in the menu of who has a node"


async def test_no_link_of_his_leads_to_what_is_not_for_him(joined: Joined) -> None:
    ahead, known = deque(["/console"]), dict[str, int]()
    while ahead:
        href = ahead.popleft()
        path = urlsplit(href).path
        if path not in known and not path.startswith((*OTHERWISE, STATEMENT)):
            status, text = await joined.otto.get(href)
            known[path] = status
            ahead.extend(links(text))
    assert [path for path, status in known.items() if status in (403, 404)] == []
    assert known["/console/checks"] == known[f"/console/fleet/{joined.node}"] == 200


async def test_who_has_no_node_is_told_how_to_have_one(joined: Joined) -> None:
    _, text = await joined.jane.get("/console")
    assert LISTED not in text
    for address in ("/console/checks", f"/console/checks?node={joined.node}"):
        status, text = await joined.jane.get(address)
        assert status == 200
        assert "grey" not in text, "nobody is shown what others' nodes did"
    _, text = await joined.jane.get("/console/checks")
    assert "You have no nodes" in text
    assert 'href="/console/fleet/add"' in text


async def test_who_gave_his_node_up_sees_what_was_found_of_it(joined: Joined) -> None:
    there = f"/console/fleet/{joined.node}/revoke"
    assert (await joined.otto.post(there, {"reason": "sold"})).status == 303
    _, text = await joined.otto.get("/console/checks")
    assert "one frame is grey" in text
    assert LISTED in text
