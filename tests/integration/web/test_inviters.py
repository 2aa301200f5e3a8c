"""Strangers who send a user many invitations cannot keep other people from inviting the user."""

import pytest

from tests.integration.web.accounts import register
from tests.integration.web.test_organisations import NOBODY, ROOT, founded, invite
from tests.support.http_gateway import Face


async def test_strangers_bar_nobody_from_inviting(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sql.organisations.INVITED_BY_USER_MOST", 2)
    bob, eve = await register(face, "bob@example.org"), await register(face, "eve@example.org")
    for _ in range(2):
        assert await invite(eve, await founded(eve), bob) == 200
    jane = await register(face)
    barn = await founded(jane)
    assert await invite(jane, barn, bob) == 200
    _, found = await bob.ask("GET", ROOT)
    assert barn.removeprefix(f"{ROOT}/") in [each["id"] for each in found["organisations"]]
    assert (await bob.ask("POST", f"{barn}/accept"))[0] == 200


async def test_open_invitations_of_an_inviter_are_bounded_in_all_and_tell_nothing(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sql.organisations.INVITED_BY_USER_MOST", 2)
    eve = await register(face, "eve@example.org")
    bob, carol = [await register(face, f"{name}@example.org") for name in ("bob", "carol")]
    barns = [await founded(eve), await founded(eve)]
    assert await invite(eve, barns[0], bob) == 200
    assert (await eve.ask("POST", f"{barns[1]}/members", {"email": NOBODY}))[0] == 200
    answers = [
        await eve.ask("POST", f"{barns[1]}/members", {"email": email})
        for email in (carol.email, "somebody@example.org")
    ]
    assert [status for status, _ in answers] == [409, 409]
    assert answers[0][1]["detail"] == answers[1][1]["detail"]
    assert (await bob.ask("POST", f"{barns[0]}/accept"))[0] == 200
    assert await invite(eve, barns[1], carol) == 200, "an accepted invitation is no longer open"


async def test_the_newest_invitations_are_listed_however_many_there_are(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sql.organisations.LISTED_MOST", 2)
    bob, eve = await register(face, "bob@example.org"), await register(face, "eve@example.org")
    own = await founded(bob)
    barns = [await founded(eve) for _ in range(3)]
    for barn in barns:
        assert await invite(eve, barn, bob) == 200
    _, found = await bob.ask("GET", ROOT)
    shown = {f"{ROOT}/{each['id']}" for each in found["organisations"]}
    assert shown == {own, *barns[1:]}
