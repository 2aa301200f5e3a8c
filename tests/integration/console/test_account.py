"""The account page: password, sessions and API keys of the user, and of nobody else."""

import re
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import unquote

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import OWN, Visitor, newcomer, nobody, signed_in
from tests.integration.web.accounts import PASSWORD
from tests.support.http_gateway import Face, face_over
from web.console.pages.account import device_of

ACCOUNT = "/console/account"
FRESH = "another password"
CHANGE = {"old_password": PASSWORD, "new_password": FRESH}


def sessions_of(text: str) -> list[str]:
    """Return the ids of the sessions that the page lists."""
    return re.findall(r'id="session-([0-9a-f-]{36})"', text)


async def test_a_new_password_ends_the_other_sessions(face: Face, jane: Visitor) -> None:
    other = await signed_in(face, jane.email)
    answer = await jane.post(f"{ACCOUNT}/password", CHANGE)
    assert (answer.status, answer.headers["Location"]) == (303, ACCOUNT)
    assert "All other sessions have ended" in (await jane.get(ACCOUNT))[1]
    assert (await other.get("/console"))[0] == 303
    form = {"email": jane.email, "password": PASSWORD}
    assert (await nobody(face).post("/console/sign-in", form)).status == 401
    assert (await signed_in(face, jane.email, FRESH)).email == jane.email


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"old_password": "a wrong guess"}, "The current password is incorrect."),
        ({"new_password": "short"}, "The new password must have at least 8 characters."),
        ({"old_password": ""}, "The current password must have at least 1 character."),
    ],
)
async def test_a_password_that_is_refused_is_not_changed_nor_shown(
    change: dict[str, str], said: str, jane: Visitor, face: Face
) -> None:
    answer = await jane.post(f"{ACCOUNT}/password", {**CHANGE, **change})
    text = await answer.text()
    assert (answer.status, said in text) == (422, True)
    for typed in (PASSWORD, FRESH, "a wrong guess"):
        assert typed not in text
    await signed_in(face, jane.email)


async def test_guesses_of_the_password_are_limited(database: PostgresEndpoint) -> None:
    async with face_over(database, limits={"login": 3}) as face:
        jane = await newcomer(face)
        wrong = {**CHANGE, "old_password": "a wrong guess"}
        statuses = [(await jane.post(f"{ACCOUNT}/password", wrong)).status for _ in range(4)]
        assert statuses == [422, 422, 422, 429]


async def test_sessions_are_listed_and_ended(face: Face, jane: Visitor) -> None:
    """One session, all others, and none of another user."""
    others = [await signed_in(face, jane.email) for _ in range(3)]
    _, text = await jane.get(ACCOUNT)
    listed = sessions_of(text)
    assert len(listed) == 5, "the registration itself is a session, too"
    assert text.count("this browser") == 1
    assert text.count('data-label="Last used" class="time">now</td>') == 1
    bob = await newcomer(face, email="bob@example.org")
    (his, _) = sessions_of((await bob.get(ACCOUNT))[1])
    assert (await jane.post(f"{ACCOUNT}/sessions", {"which": his})).status == 404
    assert (await bob.get("/console"))[0] == 200
    last = next(sid for sid in listed if f'value="{sid}"' in text)
    assert (await jane.post(f"{ACCOUNT}/sessions", {"which": last})).status == 303
    assert last not in sessions_of((await jane.get(ACCOUNT))[1])
    answer = await jane.post(f"{ACCOUNT}/sessions/others", {})
    assert answer.status == 303
    _, text = await jane.get(ACCOUNT)
    assert "3 other sessions have ended." in text
    assert len(sessions_of(text)) == 1
    for each in others:
        answer = await each.ask("GET", "/console")
        assert answer.headers["Location"] == "/console/sign-in?next=%2Fconsole&over=1"
    assert "Your session was ended" in (await others[0].get(answer.headers["Location"]))[1]
    assert (await bob.get("/console"))[0] == 200


def once(answer: Any) -> str:
    """Return the secret that the next page shows."""
    cookies = SimpleCookie("; ".join(answer.headers.getall("Set-Cookie")))
    return unquote(cookies["rendertrust-once"].value)


async def test_a_key_is_shown_once_and_works_until_it_is_revoked(face: Face, jane: Visitor) -> None:
    form = {"name": "studio", "scope": "jobs:read", "expires": "30"}
    answer = await jane.post(f"{ACCOUNT}/keys", form)
    assert answer.status == 303, await answer.text()
    key = once(answer)
    assert key.startswith("rtk_")
    page = await jane.ask("GET", ACCOUNT, headers={"Accept-Encoding": "gzip"})
    text = await page.text()
    assert f'<code id="once">{key}</code>' in text
    assert "Content-Encoding" not in page.headers, "its size must not tell about the key"
    _, text = await jane.get(ACCOUNT)
    assert key not in text
    assert f"…{key[-4:]}" in text
    assert "see jobs and results" in text
    headers = {"Authorization": f"Bearer {key}"}
    assert (await face.client.get("/api/v1/jobs", headers=headers)).status == 200
    assert (await face.client.get("/api/v1/nodes", headers=headers)).status == 403
    found = re.search(r'id="key-([0-9a-f-]{36})"', text)
    assert found is not None
    bob = await newcomer(face, email="bob@example.org")
    assert (await bob.post(f"{ACCOUNT}/keys/revoke", {"which": found[1]})).status == 404
    assert (await jane.post(f"{ACCOUNT}/keys/revoke", {"which": found[1]})).status == 303
    assert (await face.client.get("/api/v1/jobs", headers=headers)).status == 401


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scope": None}, "Choose at least one thing that the key allows."),
        ({"name": ""}, "The name must have at least 1 character."),
        ({"name": "x" * 101}, "The name must have at most 100 characters."),
    ],
)
async def test_a_key_that_is_refused_is_not_created(
    change: dict[str, Any], said: str, jane: Visitor
) -> None:
    whole = {"name": "studio", "scope": "jobs:read", **change}
    form = {name: value for name, value in whole.items() if value is not None}
    answer = await jane.post(f"{ACCOUNT}/keys", form)
    text = await answer.text()
    assert (answer.status, said in text) == (422, True)
    assert "No API keys" in (await jane.get(ACCOUNT))[1]


async def test_unknown_scopes_are_refused(jane: Visitor) -> None:
    answer = await jane.post(f"{ACCOUNT}/keys", {"name": "studio", "scope": "admin"})
    assert answer.status == 422


async def test_another_site_changes_no_account(face: Face, jane: Visitor) -> None:
    forms: dict[str, dict[str, str]] = {
        "password": CHANGE,
        "sessions/others": {},
        "keys": {"name": "evil", "scope": "jobs:write"},
    }
    other = await signed_in(face, jane.email)
    for path, form in forms.items():
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
            answer = await jane.ask("POST", f"{ACCOUNT}/{path}", data=form, headers=headers)
            assert answer.status == 403, path
    assert (await other.get("/console"))[0] == 200
    assert "No API keys" in (await jane.get(ACCOUNT))[1]


async def test_a_read_only_admin_has_an_account_of_their_own(
    face: Face, database: PostgresEndpoint
) -> None:
    rita = await newcomer(face, database.owner_dsn, "auditor", "rita@example.org")
    assert (await rita.get(ACCOUNT))[0] == 200
    assert (await rita.post(f"{ACCOUNT}/password", CHANGE)).status == 303
    answer = await rita.ask("POST", f"{ACCOUNT}/sessions/others", data={}, headers=OWN)
    assert answer.status == 303


@pytest.mark.parametrize(
    ("client", "device"),
    [
        ("", "Unknown"),
        ("rendertrust/0.1.0 Python/3.13", "rendertrust"),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537 Chrome/140.0 Safari/537",
            "Chrome on Linux",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604", "Safari on iPhone"),
        ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Firefox/140.0", "Firefox on Android"),
        ("Mozilla/5.0", "A browser"),
    ],
)
def test_devices_have_the_names_that_people_know(client: str, device: str) -> None:
    assert device_of(client) == device
