"""A user's webhooks in the console: created, sent again, deleted; the secret is shown once."""

import re
from uuid import UUID

from actors.ledger.messages import Commit
from rendertrust import webhooks
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import dispatch, fresh_id, insert, with_plan
from tests.integration.console.people import Visitor, newcomer
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_with, with_ledger
from web.money.ledger_client import commit

PATH, URL = "/console/webhooks", "https://farm.example.com/hooks?a=1&b=<b>"


face = face_with(with_ledger)


async def create_endpoint(visitor: Visitor) -> str:
    """Create an endpoint, and return its page."""
    answer = await visitor.post(PATH, {"url": URL, "told": "all"})
    assert (answer.status, answer.headers["Location"]) == (303, PATH)
    status, text = await visitor.get(PATH)
    assert status == 200
    [secret] = re.findall(r"whsec_[A-Za-z0-9+/=]+", text)
    assert len(webhooks.secret_bytes(secret)) == 32
    _, text = await visitor.get(PATH)
    assert "whsec_" not in text
    assert "b=&lt;b&gt;" in text
    [path] = re.findall(rf'href="({PATH}/[0-9a-f-]+)"', text)
    return str(path)


async def test_an_endpoint_is_made_seen_switched_and_deleted(
    face: Face, database: PostgresEndpoint
) -> None:
    jane = await newcomer(face, database.owner_dsn)
    page = await create_endpoint(jane)
    await commit(face.gateway, dispatch(UUID(jane.id), fresh_id(), 0, 1))
    status, text = await jane.get(page)
    assert status == 200
    assert "job.queued" in text
    [again] = re.findall(rf'action="({PATH}/deliveries/[0-9a-f-]+/replay)"', text)
    assert (await jane.post(again, {})).headers["Location"] == page
    assert "job.queued is queued again." in (await jane.get(page))[1]
    assert (await jane.post(f"{page}/switch", {"to": "off"})).status == 303
    _, text = await jane.get(page)
    assert "disabled" in text
    assert "by its owner" in text
    assert (await jane.post(f"{page}/switch", {"to": "on"})).status == 303
    assert (await jane.post(f"{page}/rotate", {})).status == 303
    assert "whsec_" in (await jane.get(page))[1]
    assert (await jane.post(f"{page}/delete", {})).headers["Location"] == PATH
    assert (await jane.get(page))[0] == 404
    assert "No endpoints" in (await jane.get(PATH))[1]


async def test_checks_of_scenes_send_no_events(face: Face, database: PostgresEndpoint) -> None:
    jane = await newcomer(face, database.owner_dsn)
    page = await create_endpoint(jane)
    check, job = fresh_id(), fresh_id()
    order = with_plan(insert(UUID(jane.id), check), job_type="preflight:render")
    await commit(face.gateway, Commit((), (order,)))
    await commit(face.gateway, dispatch(UUID(jane.id), job, 0, 1))
    _, text = await jane.get(page)
    assert (str(job) in text, str(check) in text) == (True, False)


async def test_endpoints_are_one_s_own_even_before_an_admin(
    face: Face, database: PostgresEndpoint
) -> None:
    jane = await newcomer(face, database.owner_dsn)
    page = await create_endpoint(jane)
    ann = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
    assert "No endpoints" in (await ann.get(PATH))[1]
    assert (await ann.get(page))[0] == 404
    for act, form in (("switch", {"to": "off"}), ("rotate", {}), ("delete", {})):
        assert (await ann.post(f"{page}/{act}", form)).status == 404, act
    assert (await ann.post(PATH, {"url": "ftp://example.com"})).status == 422


async def test_admins_see_whom_all_users_have_told_and_no_secret_of_theirs(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    url = "https://hooks.example.org/a?token=Kp3-secret-9xQ"
    assert (await jane.post(PATH, {"url": url, "told": "jobs"})).status == 303
    await jane.get(PATH)  # this request shows the secret, so later pages do not
    await execute(
        database.owner_dsn,
        "UPDATE endpoints SET url = replace(url, '//', '//me:Kp3-secret-8@')",
    )
    rita = await newcomer(face, database.owner_dsn, "auditor", "rita@example.org")
    tab = "/console/settings?tab=webhooks"
    for path in (tab, f"{tab}&q=JANE", f"{tab}&q=hooks.example", f"{tab}&sort=hooks.email"):
        _, text = await rita.get(path)
        assert "https://hooks.example.org/a?…" in text
        assert f'href="/console/users/{jane.id}"' in text
        assert "Kp3-secret" not in text
        assert "whsec_" not in text
    for other in ("nobody", "Kp3-secret"):
        assert "No endpoint matches" in (await rita.get(f"{tab}&q={other}"))[1]
    assert (await jane.get(tab))[0] == 403
