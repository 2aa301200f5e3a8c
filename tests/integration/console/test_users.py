"""The list of users, sorted as the page's address says."""

import re

from sql.users import UserViews
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer, signed_in
from tests.support.databases import execute
from tests.support.http_gateway import Face

RICH = """
INSERT INTO accounts (name, balance, held, may_overdraw)
SELECT 'user:' || id, {balance}, {held}, true
FROM users WHERE email = '{email}'
ON CONFLICT (name) DO UPDATE SET balance = excluded.balance, held = excluded.held
"""


async def emails(face: Face, sort: str, limit: int = 10, offset: int = 0) -> list[str]:
    rows = await UserViews(face.gateway.database).page("", sort, limit, offset)
    return [row.email.partition("@")[0] for row in rows]


async def test_users_are_sorted_by_every_column(
    face: Face, database: PostgresEndpoint, ann: Visitor
) -> None:
    for name, role in (("zoe", "user"), ("bob", "operator")):
        await newcomer(face, database.owner_dsn, role, f"{name}@example.org")
    for name, balance, held in (("zoe", 70_000, 0), ("bob", 50_000, 20_000), ("ann", 0, 0)):
        email = f"{name}@example.org"
        await execute(database.owner_dsn, RICH.format(email=email, balance=balance, held=held))
    assert await emails(face, "-created") == ["bob", "zoe", "ann"]
    assert await emails(face, "created") == ["ann", "zoe", "bob"]
    assert await emails(face, "email") == ["ann", "bob", "zoe"]
    assert await emails(face, "-email") == ["zoe", "bob", "ann"]
    assert await emails(face, "role") == ["ann", "bob", "zoe"]
    assert await emails(face, "-balance") == ["zoe", "bob", "ann"]
    assert await emails(face, "held") == ["zoe", "ann", "bob"]
    assert await emails(face, "-balance", 1, 1) == ["bob"]
    status, text = await ann.get("/console/users?sort=-held")
    assert status == 200
    assert re.findall(r"<bdi>(\w+)@example.org</bdi></span></td>", text) == ["bob", "zoe", "ann"]
    assert 'aria-sort="descending"' in text
    status, text = await ann.get("/console/users?sort=&q=ZOE")
    assert (status, "1 user, the newest first" in text) == (200, True)


async def test_who_goes_back_to_the_second_step_does_not_grant_twice(
    face: Face, ann: Visitor
) -> None:
    page = f"/console/users/{(await newcomer(face)).id}"
    step = await ann.ask("GET", f"{page}/credits?act=grant&amount=12.5&reason=goodwill")
    assert step.status == 303, "the second step has an address of its own"
    words, form = list[str](), {"amount": "12.5", "reason": "goodwill"}
    _, text = await ann.get(step.headers["Location"])
    form["once"] = re.findall(r'name="once" value="([0-9a-f-]+)"', text)[0]
    for _ in range(2):
        assert (await ann.post(f"{page}/grant", form)).status == 303
        _, text = await ann.get(page)
        words += re.findall(r"(Granted|Already granted): 12.5 credits", text)
        assert '112<span class="fine">.5</span>' in text, "added to the starter credits once"
    assert words == ["Granted", "Already granted"]
    status, text = await ann.get(step.headers["Location"])
    assert (status, "was granted" in text, "Grant it" in text) == (200, True, False)
    assert re.search(r'href="/console/ledger/entry\?number=\d+"', text)
    assert "instead of" not in text, "the second step announces no further entry"
    other = await ann.post(f"{page}/grant", {**form, "amount": "99"})
    assert (other.status, "Start again at the user" in await other.text()) == (409, True)


async def test_what_a_grant_does_not_take_is_said_in_a_sentence(face: Face, ann: Visitor) -> None:
    page = f"/console/users/{(await newcomer(face)).id}"
    status, text = await ann.get(f"{page}/credits?act=grant&amount=99999999999&reason=goodwill")
    assert (status, "must be a number above 0 with at most 9 digits" in text) == (422, True)


async def test_all_logins_end_at_once_each_with_its_line_in_the_audit(
    face: Face, ann: Visitor, jane: Visitor
) -> None:
    again = await signed_in(face, "jane@example.org")
    page = f"/console/users/{jane.id}"
    _, text = await ann.get(page)
    assert f'formaction="{page}/sessions/all"' in text
    assert f'href="/console/jobs?q=user%3A{jane.email.replace("@", "%40")}"' in text
    assert (await ann.post(f"{page}/sessions/all", {"reason": ""})).status == 422
    assert (await jane.get("/console"))[0] == 200
    assert (await ann.post(f"{page}/sessions/all", {"reason": "lost laptop"})).status == 303
    _, text = await ann.get(page)
    ended = int(re.findall(r"(\d+) sessions have ended", text)[0])
    assert ended >= 2
    for visitor in (jane, again):
        assert (await visitor.ask("GET", "/console")).status == 303
    _, text = await ann.get(f"/console/settings?tab=audit&q=user:{jane.id}")
    assert text.count("user.end_session") == ended
    assert f"<bdi>{jane.email}</bdi></a>" in text, "the log names a user by address"
    assert (await ann.get("/console"))[0] == 200
