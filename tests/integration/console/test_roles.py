"""Rights in the console: every page and every action, for every role."""

from collections.abc import Sequence

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import OWN, Visitor, live, newcomer, nobody
from tests.support.http_gateway import Face, face_with
from web.console.page_handler import NOT_YOURS
from web.console.pages import every_page
from web.console.view import ADMINS
from web.identity.roles import UserRole

face = face_with()
ALL = every_page()
INVOICES = "/console/credits/invoice-to"
PRESETS = "/console/presets"
NOBODYS = "00000000-0000-4000-8000-000000000000"
# Values for all forms, so that no form is refused for a missing field. The log's level is left out,
# because it would change for all tests.
FORM = {
    "reason": "because",
    "price": "1",
    "job_type": "dear",
    "amount": "1",
    "once": NOBODYS,
    "which": NOBODYS,
    "job": NOBODYS,
    "letter": NOBODYS,
    "kind": "jobs",
}
OF_OTHERS = [action for action in ALL.actions if not action.on_own_account]
CHANGES = [call for call in ALL.calls if call.operation.method != "GET"]
LOOKS = [call for call in ALL.calls if call.operation.method == "GET"]


def path_of(path: str) -> str:
    """Return the address of something that does not exist."""
    for name, value in (("{number}", "1"), ("{entry_id}", "1"), ("{kind}", "jobs")):
        path = path.replace(name, value)
    begin, brace, rest = path.partition("{")
    return path_of(f"{begin}{NOBODYS}{rest.partition('}')[2]}") if brace else begin


async def somebody(face: Face, database: PostgresEndpoint, role: UserRole) -> Visitor:
    return await newcomer(face, database.owner_dsn, role.value, f"{role.value}@example.org")


async def refused(visitor: Visitor, method: str, paths: Sequence[str], **headers: str) -> list[str]:
    """Return the paths that refuse the visitor because of their role."""
    found = []
    for path in paths:
        form = None if method == "GET" else FORM
        answer = await visitor.ask(method, path, data=form, headers=headers or OWN)
        if answer.status == 403 and NOT_YOURS.detail in await answer.text():
            found.append(path)
    return found


@pytest.mark.parametrize("role", list(UserRole), ids=lambda role: role.value)
async def test_each_role_opens_its_pages_alone(
    face: Face, database: PostgresEndpoint, role: UserRole
) -> None:
    visitor = await somebody(face, database, role)
    closed = [page for page in ALL if role not in page.who]
    paths = [path_of(page.path) for page in ALL]
    assert await refused(visitor, "GET", paths) == [path_of(page.path) for page in closed]
    streams = [live(path_of(page.path)) for page in closed if page.live]
    assert await refused(visitor, "GET", streams) == streams
    for call in LOOKS:
        status = (await visitor.ask("GET", path_of(call.path))).status
        assert (status == 403) == (role not in call.who), call.path


@pytest.mark.parametrize("role", list(UserRole), ids=lambda role: role.value)
async def test_each_role_changes_what_is_its_own_to_change(
    face: Face, database: PostgresEndpoint, role: UserRole
) -> None:
    visitor = await somebody(face, database, role)
    paths = [path_of(action.path) for action in ALL.actions]
    expected = [path_of(action.path) for action in ALL.actions if role not in action.who]
    assert await refused(visitor, "POST", paths) == expected


async def test_a_read_only_admin_is_refused_every_change_but_of_their_own_account(
    face: Face, database: PostgresEndpoint
) -> None:
    rita = await somebody(face, database, UserRole.AUDITOR)
    face.script.seen.clear()
    paths = [path_of(action.path) for action in OF_OTHERS]
    assert len(paths) > 15
    assert await refused(rita, "POST", paths) == paths
    own = [action.path for action in ALL.actions if action.on_own_account]
    assert all(
        path.startswith(("/console/account/", "/console/device/", INVOICES, PRESETS))
        for path in own
    )
    for call in CHANGES:
        path, method = path_of(call.path), call.operation.method
        assert (await rita.ask(method, path, json={}, headers=OWN)).status == 403, call.path
    assert face.script.seen == [], "no actor was asked for anything"
    assert list(await face.gateway.tables.audit.page(None, None, 1)) == []


async def test_changes_of_a_strange_site_are_refused(
    face: Face, database: PostgresEndpoint
) -> None:
    ann = await somebody(face, database, UserRole.ADMIN)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://elsewhere.example"}):
        for action in ALL.actions:
            path = path_of(action.path)
            answer = await ann.ask("POST", path, data=FORM, headers=headers)
            assert answer.status == 403, path
        for call in CHANGES:
            path, method = path_of(call.path), call.operation.method
            answer = await ann.ask(method, path, json={}, headers=headers)
            assert answer.status == 403, path
    assert list(await face.gateway.tables.audit.page(None, None, 1)) == []


async def test_a_stranger_is_asked_to_sign_in(face: Face) -> None:
    visitor = nobody(face)
    for page in ALL:
        answer = await visitor.ask("GET", path_of(page.path))
        assert answer.headers["Location"].startswith("/console/sign-in"), page.path
    for action in ALL.actions:
        answer = await visitor.ask("POST", path_of(action.path), data=FORM, headers=OWN)
        assert answer.headers["Location"].startswith("/console/sign-in"), action.path
    for call in ALL.calls:
        path, method = path_of(call.path), call.operation.method
        assert (await visitor.ask(method, path, headers=OWN)).status == 401, call.path


def test_what_concerns_all_is_for_admins() -> None:
    """Users may change only their own jobs, nodes and other belongings; admins may change the rest.

    Each action must be under one of the ``own`` paths or be for admins only.
    """
    own = (
        "/console/account",
        INVOICES,
        PRESETS,
        "/console/device",
        "/console/disputes/{id}/answer",
        "/console/jobs",
        "/console/fleet",
        "/console/keys",
        "/console/webhooks",
        "/console/organisations",
        "/console/trusted",
    )
    for action in ALL.actions:
        assert action.path.startswith(own) or action.who == ADMINS, action.path
