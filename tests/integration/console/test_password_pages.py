"""The pages for a forgotten password, as a browser without scripts uses them."""

import re
from typing import Any

import pytest
from yarl import URL

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import newcomer
from tests.integration.web.accounts import PASSWORD, log_in, register
from tests.integration.web.mailing import MAIL, mailing, nothing_waits, token_in
from tests.support.http_gateway import Face, face_over, face_with
from tests.support.until import until
from tests.twins.mail import TwinMail

FORGOT, RESET = "/console/forgot-password", "/console/reset-password"
NEW = "another long password"
OWN = {"Sec-Fetch-Site": "same-origin"}

face = face_with(mail=MAIL)


async def page(face: Face, path: str) -> str:
    async with face.client.get(path, allow_redirects=False) as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        return await answer.text()


async def send(
    face: Face, path: str, headers: dict[str, str] = OWN, **fields: str
) -> tuple[int, str, str]:
    """Post a form; return status, text and the address to which the answer leads."""
    async with face.client.post(
        path, data=fields, headers=headers, allow_redirects=False
    ) as answer:
        return answer.status, await answer.text(), answer.headers.get("Location", "")


async def test_a_user_who_forgot_their_password_gets_back_in_without_scripts(face: Face) -> None:
    jane, transport = await register(face), TwinMail()
    assert f'href="{FORGOT}"' in await page(face, "/console/sign-in")
    assert 'name="email"' in await page(face, FORGOT)
    status, text, _ = await send(face, FORGOT, email=jane.email)
    assert status == 202
    assert "a link is on its way to it" in text
    async with mailing(face, transport):
        await until(lambda: nothing_waits(face))
    # another one verifies the address
    [mail] = [each for each in transport.accepted if RESET in each.text]
    link = re.search(r"https://\S+", mail.text)
    assert link is not None
    assert URL(link[0]).path == RESET
    assert 'name="token"' in await page(face, URL(link[0]).path)
    token = token_in(mail)  # the code below the link, which the user copies
    status, _, there = await send(face, RESET, token=token, new_password=NEW)
    assert (status, there) == (303, "/console/sign-in")
    text = await page(face, there)
    assert "Your password is changed, and all sessions have ended." in text
    assert not await jane.may()
    status, _, _ = await send(face, "/console/sign-in", email=jane.email, password=NEW)
    assert status == 303


async def test_a_first_password_is_no_new_one(face: Face) -> None:
    first = f"{RESET}?first=1"
    text = await page(face, first)
    assert "Choose your password" in text
    assert "All your sessions will end" not in text
    assert f'action="{first}"' in text
    assert "All your sessions will end" in await page(face, RESET)
    status, text, _ = await send(face, first, token="rtr_" + "0" * 32, new_password=NEW)
    assert status == 403
    assert "Choose your password" in text


async def test_the_page_says_the_same_for_an_address_without_an_account(face: Face) -> None:
    await register(face)
    known = await send(face, FORGOT, email="jane@example.org")
    unknown = await send(face, FORGOT, email="jamy@example.org")
    assert without_ids(known[1]).replace("jane", "jamy") == without_ids(unknown[1])
    assert known[0] == unknown[0] == 202


def without_ids(text: str) -> str:
    return re.sub(r'data-now="\d+"', "", text)


async def test_a_wrong_form_is_shown_again_without_the_password(face: Face) -> None:
    status, text, _ = await send(face, RESET, token="rtr_wrong", new_password=NEW)
    assert status == 403
    assert 'value="rtr_wrong"' in text
    assert "The code is not valid: it was used, has expired, or is incomplete" in text
    assert NEW not in text
    status, text, _ = await send(face, RESET, token="rtr_wrong", new_password="short")
    assert status == 422
    assert "The password must have" in text
    assert "short" not in text
    status, text, _ = await send(face, FORGOT, email="jane")
    assert status == 422
    assert "The e-mail address is not an e-mail address" in text


@pytest.mark.parametrize("path", [FORGOT, RESET])
async def test_forms_of_other_sites_are_refused(face: Face, path: str) -> None:
    fields = {"email": "jane@example.org", "token": "rtr_x", "new_password": NEW}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {}):
        assert (await send(face, path, headers, **fields))[0] == 403


async def test_without_mail_the_page_says_whom_to_ask(database: PostgresEndpoint) -> None:
    async with face_over(database) as face:
        text = await page(face, FORGOT)
        assert "Ask an admin of the farm for a link" in text
        assert "<form" not in text
        assert (await send(face, FORGOT, email="jane@example.org"))[0] == 404


async def test_a_link_of_another_user_cannot_be_used_in_a_session(face: Face) -> None:
    """The page works the same whoever is signed in: only the token decides."""
    jane, bob = await register(face), await register(face, "bob@example.org")
    assert (await send(face, "/console/sign-in", email=bob.email, password=PASSWORD))[0] == 303
    assert 'name="token"' in await page(face, RESET)
    assert (await send(face, RESET, token="rtr_" + "0" * 32, new_password=NEW))[0] == 403
    found: Any = await log_in(face, jane)
    assert found is not None


async def test_an_admin_makes_a_link_on_the_user_s_page(
    face: Face, database: PostgresEndpoint
) -> None:
    ann = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
    rita = await newcomer(face, database.owner_dsn, "auditor", "rita@example.org")
    jane = await newcomer(face)
    path = f"/console/users/{jane.id}"
    assert f'action="{path}/reset-link"' in (await ann.get(path))[1]
    assert "reset-link" not in (await rita.get(path))[1]
    for visitor in (rita, jane):
        assert (await visitor.post(f"{path}/reset-link", {"reason": "she asked"})).status == 403
    own = f"/console/users/{ann.id}"
    assert "reset-link" not in (await ann.get(own))[1]
    assert (await ann.post(f"{own}/reset-link", {"reason": "me"})).status == 409
    assert (await ann.post(f"{path}/reset-link", {"reason": ""})).status == 422
    made = await ann.post(f"{path}/reset-link", {"reason": "she asked"})
    assert (made.status, made.headers["Location"]) == (303, path)
    text = (await ann.get(path))[1]
    token = re.search(r"/console/reset-password#token=(rtr_[0-9a-f]{32})", text)
    assert token is not None
    assert token[0] not in (await ann.get(path))[1]  # it is shown once
    status, _, _ = await send(face, RESET, token=token[1], new_password=NEW)
    assert status == 303
    assert (await jane.ask("GET", "/console")).status == 303
    _, audit = await ann.get(f"/console/settings?tab=audit&q=user:{jane.id}")
    assert "user.reset_link" in audit
    assert token[1] not in audit
