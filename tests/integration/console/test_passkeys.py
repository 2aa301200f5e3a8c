"""Passkeys as second factor, and the attacks on them that no browser makes."""

import asyncio
import html
import json
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs
import pytest

from sql.passkeys import Purpose
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, nobody
from tests.integration.console.test_account import once
from tests.integration.web.accounts import PASSWORD, log_in, register
from tests.support.databases import execute, fetch, fetchval
from tests.support.http_gateway import Face, face_over
from tests.support.soft_passkey import SoftPasskey, text_of
from web.console import second_step
from web.identity.passkeys import (
    PasskeyHolder,
    PasskeySite,
    add_passkey,
    holder_of_session,
    is_passkey_right,
)

PAGE = "/console/account/second-factor"
NEW = f"{PAGE}/passkeys/new"
STEP = "/console/second-step"
SET_UP = "/console/set-up-factor"
AGAIN = "/console/second-factor-again"
EMAIL = "jane@example.org"


@attrs.frozen
class Window:
    """A browser that reaches the gateway at ``localhost``, where passkeys work."""

    visitor: Visitor
    host: str

    async def get(self, path: str) -> tuple[int, str]:
        return await self.visitor.get(path, Host=self.host)

    async def post(self, path: str, form: dict[str, str]) -> Any:
        headers = {"Host": self.host, "Sec-Fetch-Site": "same-origin"}
        return await self.visitor.ask("POST", path, data=form, headers=headers)

    async def options(self, path: str) -> dict[str, Any]:
        """Return the options for a passkey on a page."""
        return options_in((await self.get(path))[1])

    async def step(self) -> dict[str, Any]:
        """Give the password, and return the options of the second step."""
        form = {"email": EMAIL, "password": PASSWORD, "next": "/console/account"}
        answer = await self.post("/console/sign-in", form)
        assert answer.headers["Location"].startswith(STEP)
        return await self.options(STEP)

    async def is_in(self) -> bool:
        """Return True if the browser has a session."""
        return (await self.get("/console/account"))[0] == 200


@attrs.frozen
class Keyed:
    """Jane, whose passkey is registered, and whose browser is signed in."""

    face: Face
    dsn: str
    window: Window
    passkey: SoftPasskey
    codes: list[str]


def options_in(text: str) -> dict[str, Any]:
    found = re.search(r'data-options="([^"]*)"', text)
    assert found is not None, text
    read: dict[str, Any] = json.loads(html.unescape(found[1]))
    return read


def window_of(face: Face, host: str = "") -> Window:
    port = face.client.make_url("/").port
    return Window(nobody(face), host or f"localhost:{port}")


def passkey_for(window: Window) -> SoftPasskey:
    return SoftPasskey(f"http://{window.host}", "localhost")


async def member(face: Face) -> Window:
    """Register Jane, and sign her in."""
    await register(face, EMAIL)
    window = window_of(face)
    answer = await window.post("/console/sign-in", {"email": EMAIL, "password": PASSWORD})
    assert answer.status == 303
    return window


@pytest.fixture
async def jane(face: Face, database: PostgresEndpoint) -> Keyed:
    window = await member(face)
    passkey = passkey_for(window)
    form = {"name": "Jane's phone", "password": PASSWORD}
    form["attestation"] = passkey.made(await window.options(NEW))
    answer = await window.post(f"{PAGE}/passkeys", form)
    assert (answer.status, answer.headers["Location"]) == (303, PAGE), await answer.text()
    return Keyed(face, database.owner_dsn, window, passkey, once(answer).split("\n"))


async def test_a_passkey_signs_in_after_the_password(jane: Keyed) -> None:
    assert len(jane.codes) == 10
    text = (await jane.window.get(PAGE))[1]
    assert "Jane&#39;s phone" in text
    window = window_of(jane.face)
    options = await window.step()
    assert [each["id"] for each in options["allowCredentials"]]
    assert not await window.is_in()
    answer = await window.post(STEP, {"assertion": jane.passkey.used(options)})
    assert answer.status == 303
    assert await window.is_in()


async def test_the_api_asks_owners_of_passkeys_for_a_recovery_code(jane: Keyed) -> None:
    person = await register(jane.face, "bob@example.org")
    assert await log_in(jane.face, attrs.evolve(person, email=EMAIL)) is None


async def test_a_challenge_is_answered_once(jane: Keyed) -> None:
    window = window_of(jane.face)
    answer = jane.passkey.used(await window.step())
    assert (await window.post(STEP, {"assertion": answer})).status == 303
    again = window_of(jane.face)
    await again.step()
    refused = await again.post(STEP, {"assertion": answer})
    assert (refused.status, "The passkey was not accepted" in await refused.text()) == (401, True)
    assert not await again.is_in()


async def test_a_wrong_answer_uses_the_challenge_up(jane: Keyed) -> None:
    window = window_of(jane.face)
    options = await window.step()
    wrong = SoftPasskey(jane.passkey.origin, "localhost", key=jane.passkey.key, counter=5)
    wrong.origin = "https://evil.example"
    await window.post(STEP, {"assertion": wrong.used(options)})
    jane.passkey.counter = 10
    refused = await window.post(STEP, {"assertion": jane.passkey.used(options)})
    assert refused.status == 401
    fresh = options_in(await refused.text())
    assert fresh["challenge"] != options["challenge"]
    assert (await window.post(STEP, {"assertion": jane.passkey.used(fresh)})).status == 303


async def test_a_challenge_lasts_five_minutes(jane: Keyed) -> None:
    window = window_of(jane.face)
    options = await window.step()
    rows = await fetch(jane.dsn, "SELECT expires_at - now() AS left FROM passkey_challenges")
    assert all(240 < row["left"].total_seconds() <= 300 for row in rows)
    await execute(jane.dsn, "UPDATE passkey_challenges SET expires_at = now()")
    assert (await window.post(STEP, {"assertion": jane.passkey.used(options)})).status == 401


async def test_a_challenge_of_another_sign_in_or_purpose_is_refused(jane: Keyed) -> None:
    first, second = window_of(jane.face), window_of(jane.face)
    options = await first.step()
    await second.step()
    refused = await second.post(STEP, {"assertion": jane.passkey.used(options)})
    assert refused.status == 401
    of_session = await jane.window.options(NEW)
    refused = await second.post(STEP, {"assertion": jane.passkey.used(of_session)})
    assert refused.status == 401


@pytest.mark.parametrize(
    ("change", "flags"),
    [
        ({"origin": "https://evil.example"}, 1),
        ({"origin": "http://localhost"}, 1),
        ({"rp_id": "evil.example"}, 1),
        ({"credential": b"another credential"}, 1),
        ({"key": None}, 1),
        ({}, 0),
    ],
)
async def test_an_answer_that_is_not_of_this_passkey_here_is_refused(
    change: dict[str, Any], flags: int, jane: Keyed
) -> None:
    """Another origin, RP id, credential or key, or nobody was present."""
    window = window_of(jane.face)
    options = await window.step()
    liar = passkey_for(window)
    liar.counter = 5
    if "key" not in change:
        liar.key = jane.passkey.key
    for name, value in change.items():
        if value is not None:
            setattr(liar, name, value)
    refused = await window.post(STEP, {"assertion": liar.used(options, flags=flags)})
    assert refused.status == 401
    assert not await window.is_in()


@pytest.mark.parametrize("answer", ["{}", "x", "[]", '{"rawId": 7}', '{"rawId": "AAAA"}', "null"])
async def test_a_malformed_answer_is_refused(answer: str, jane: Keyed) -> None:
    window = window_of(jane.face)
    await window.step()
    assert (await window.post(STEP, {"assertion": answer})).status == 401
    form = {"name": "x", "password": PASSWORD, "attestation": answer}
    await jane.window.get(NEW)
    assert (await jane.window.post(f"{PAGE}/passkeys", form)).status == 422


@pytest.mark.parametrize("counter", [3, 2, 0])
async def test_a_counter_that_does_not_grow_is_refused(counter: int, jane: Keyed) -> None:
    """Then somebody may have copied the passkey."""
    jane.passkey.counter = 2
    window = window_of(jane.face)
    assert (
        await window.post(STEP, {"assertion": jane.passkey.used(await window.step())})
    ).status == 303
    copy = window_of(jane.face)
    options = await copy.step()
    jane.passkey.counter = counter - 1
    refused = await copy.post(STEP, {"assertion": jane.passkey.used(options)})
    assert refused.status == 401
    assert await fetchval(jane.dsn, "SELECT counter FROM passkeys") == 3


async def test_of_two_uses_with_one_counter_at_once_one_succeeds(jane: Keyed) -> None:
    """Two gateways have both read the old counter."""
    [row] = await fetch(jane.dsn, "SELECT id, user_id FROM passkeys")
    use = jane.face.gateway.tables.passkeys.use
    now = jane.face.gateway.ports.clock.now()
    done = await asyncio.gather(*(use(row["user_id"], row["id"], 9, now) for _ in range(5)))
    assert sorted(done) == 4 * [False] + [True]


async def test_passkeys_that_do_not_count_work_again_and_again(jane: Keyed) -> None:
    for _ in range(2):
        window = window_of(jane.face)
        options = await window.step()
        jane.passkey.counter = -1
        answer = await window.post(STEP, {"assertion": jane.passkey.used(options)})
        assert answer.status == 303


async def test_a_passkey_of_another_user_is_refused(jane: Keyed) -> None:
    gateway = jane.face.gateway
    owner = await fetchval(jane.dsn, "SELECT user_id FROM passkeys")
    bob = await register(jane.face, "bob@example.org")
    site = PasskeySite(jane.passkey.origin, "localhost")
    until = gateway.ports.clock.now() + timedelta(minutes=1)
    for user, expected in ((UUID(bob.id), False), (owner, True)):
        holder = PasskeyHolder(user, holder_of_session(user), site)
        challenge = bytes(32)
        await gateway.tables.passkeys.put_challenge(holder.owner(Purpose.GIVE), challenge, until)
        answer = jane.passkey.used({"challenge": text_of(challenge)})
        assert await is_passkey_right(gateway, holder, answer) is expected


async def test_a_new_passkey_needs_the_password_a_fresh_challenge_and_this_site(
    face: Face, database: PostgresEndpoint
) -> None:
    window = await member(face)
    passkey = passkey_for(window)
    whole = {"name": "phone", "password": PASSWORD}
    options = await window.options(NEW)
    form = {**whole, "attestation": passkey.made(options), "password": "a wrong guess"}
    answer = await window.post(f"{PAGE}/passkeys", form)
    assert (answer.status, "password is incorrect" in await answer.text()) == (422, True)
    for liar in (
        attrs.evolve(passkey, origin="https://evil.example"),
        attrs.evolve(passkey, rp_id="evil.example"),
    ):
        form = {**whole, "attestation": liar.made(await window.options(NEW))}
        assert (await window.post(f"{PAGE}/passkeys", form)).status == 422
    form = {**whole, "attestation": passkey.made(options)}
    assert (await window.post(f"{PAGE}/passkeys", form)).status == 422, "an old challenge"
    form = {**whole, "attestation": passkey.made(await window.options(NEW))}
    assert (await window.post(f"{PAGE}/passkeys", form)).status == 303
    form = {**whole, "attestation": passkey.made(await window.options(NEW))}
    assert (await window.post(f"{PAGE}/passkeys", form)).status == 409, "registered already"
    assert await fetchval(database.owner_dsn, "SELECT count(*) FROM passkeys") == 1


async def test_a_passkey_is_renamed_and_removed(jane: Keyed) -> None:
    [row] = await fetch(jane.dsn, "SELECT id FROM passkeys")
    which = {"which": str(row["id"])}
    answer = await jane.window.post(f"{PAGE}/passkeys/rename", {**which, "name": "Old phone"})
    assert answer.status == 303
    assert "Old phone" in (await jane.window.get(PAGE))[1]
    await execute(jane.dsn, "UPDATE refresh_families SET factor_at = NULL")
    asked = await jane.window.post(f"{PAGE}/passkeys/remove", which)
    assert asked.status == 403
    hidden = {"back": PAGE, "assertion": jane.passkey.used(options_in(await asked.text()))}
    answer = await jane.window.post(AGAIN, hidden)
    assert (answer.status, answer.headers["Location"]) == (303, PAGE)
    assert (await jane.window.post(f"{PAGE}/passkeys/remove", which)).status == 303
    assert await fetchval(jane.dsn, "SELECT count(*) FROM recovery_codes") == 0
    assert (await jane.window.post(f"{PAGE}/passkeys/remove", which)).status == 404


async def test_another_users_passkey_is_not_changed(jane: Keyed) -> None:
    [row] = await fetch(jane.dsn, "SELECT id FROM passkeys")
    which = {"which": str(row["id"]), "name": "mine"}
    await register(jane.face, "bob@example.org")
    window = window_of(jane.face)
    await window.post("/console/sign-in", {"email": "bob@example.org", "password": PASSWORD})
    for act in ("rename", "remove"):
        assert (await window.post(f"{PAGE}/passkeys/{act}", which)).status == 404
    assert await fetchval(jane.dsn, "SELECT name FROM passkeys") == "Jane's phone"


async def test_adding_a_passkey_needs_a_recent_factor(jane: Keyed) -> None:
    await execute(jane.dsn, "UPDATE refresh_families SET factor_at = NULL")
    status, text = await jane.window.get(NEW)
    assert status == 403
    hidden = {"back": NEW, "assertion": jane.passkey.used(options_in(text))}
    answer = await jane.window.post(AGAIN, hidden)
    assert answer.headers["Location"] == NEW
    assert (await jane.window.get(NEW))[0] == 200


async def test_at_an_ip_address_there_are_no_passkeys(jane: Keyed) -> None:
    port = jane.face.client.make_url("/").port
    window = window_of(jane.face, f"127.0.0.1:{port}")
    form = {"email": EMAIL, "password": PASSWORD}
    assert (await window.post("/console/sign-in", form)).status == 303
    text = (await window.get(STEP))[1]
    assert "data-options" not in text
    assert "Your passkeys do not work at this address" in text
    assert (await window.post(STEP, {"code": jane.codes[0]})).status == 303
    assert "Passkeys need https" in (await window.get(PAGE))[1]
    assert (await window.get(NEW))[0] == 303


async def test_passkeys_work_only_at_the_address_in_the_settings(
    database: PostgresEndpoint,
) -> None:
    async with face_over(database, server={"public_url": "https://farm.example"}) as face:
        window = await member(face)
        assert "Passkeys need https" in (await window.get(PAGE))[1]


async def test_an_admin_who_needs_a_factor_keeps_the_last_one(
    face: Face, database: PostgresEndpoint, jane: Keyed
) -> None:
    await execute(jane.dsn, "UPDATE users SET role = 'admin'")
    async with face_over(database, accounts={"admin_second_factor": True}) as strict:
        window = window_of(strict)
        passkey = attrs.evolve(jane.passkey, origin=f"http://{window.host}")
        options = await window.step()
        assert (await window.post(STEP, {"assertion": passkey.used(options)})).status == 303
        [row] = await fetch(jane.dsn, "SELECT id FROM passkeys")
        answer = await window.post(f"{PAGE}/passkeys/remove", {"which": str(row["id"])})
        assert (answer.status, "Admins of this farm need" in await answer.text()) == (409, True)
        assert await fetchval(jane.dsn, "SELECT count(*) FROM passkeys") == 1


async def test_an_admin_without_a_factor_signs_in_with_a_new_passkey(
    database: PostgresEndpoint,
) -> None:
    async with face_over(database, accounts={"admin_second_factor": True}) as face:
        await register(face, EMAIL)
        await execute(database.owner_dsn, "UPDATE users SET role = 'admin'")
        window = window_of(face)
        await window.post("/console/sign-in", {"email": EMAIL, "password": PASSWORD})
        liar = attrs.evolve(passkey_for(window), origin="https://evil.example")
        form = {"name": "key", "attestation": liar.made(await window.options(SET_UP))}
        assert (await window.post(SET_UP, form)).status == 401
        assert not await window.is_in()
        passkey = passkey_for(window)
        form = {"name": "key", "attestation": passkey.made(await window.options(SET_UP))}
        answer = await window.post(SET_UP, form)
        assert (answer.status, len(once(answer).split("\n"))) == (303, 10)
        assert await window.is_in()


async def test_of_two_sign_ins_that_set_up_a_factor_at_once_one_does(
    database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step of a sign-in was decided before another one set up the first factor."""
    async with face_over(database, accounts={"admin_second_factor": True}) as face:
        await register(face, EMAIL)
        await execute(database.owner_dsn, "UPDATE users SET role = 'admin'")
        windows = window_of(face), window_of(face)
        forms: list[dict[str, str]] = []
        for window in windows:
            await window.post("/console/sign-in", {"email": EMAIL, "password": PASSWORD})
            passkey = attrs.evolve(passkey_for(window), credential=bytes([len(forms)]))
            made = passkey.made(await window.options(SET_UP))
            forms.append({"name": "key", "attestation": made})
        thief, honest = windows

        async def overtaken(*words: Any, **more: Any) -> Any:
            monkeypatch.undo()
            assert (await honest.post(SET_UP, forms[1])).status == 303
            return await add_passkey(*words, **more)

        monkeypatch.setattr(second_step, "add_passkey", overtaken)
        await thief.post(SET_UP, forms[0])
        assert [await each.is_in() for each in windows] == [False, True]
        assert await fetchval(database.owner_dsn, "SELECT count(*) FROM passkeys") == 1


async def test_the_first_passkey_ends_other_sessions(
    face: Face, database: PostgresEndpoint
) -> None:
    windows = [await member(face)]
    windows.append(window_of(face))
    await windows[1].post("/console/sign-in", {"email": EMAIL, "password": PASSWORD})
    form = {"name": "key", "password": PASSWORD}
    form["attestation"] = passkey_for(windows[0]).made(await windows[0].options(NEW))
    assert (await windows[0].post(f"{PAGE}/passkeys", form)).status == 303
    assert [await each.is_in() for each in windows] == [True, False]
    codes = await fetchval(database.owner_dsn, "SELECT count(*) FROM recovery_codes")
    assert codes == 10


async def test_a_new_passkey_is_no_way_around_the_factor_that_a_user_has(jane: Keyed) -> None:
    window = window_of(jane.face)
    options = await window.step()
    form = {
        "name": "key",
        "attestation": SoftPasskey(jane.passkey.origin, "localhost").made(options),
    }
    for path in (STEP, SET_UP):
        assert (await window.post(path, form)).status == 401
    assert await fetchval(jane.dsn, "SELECT count(*) FROM passkeys") == 1
