"""The choice of mails on the account page."""

import re
from collections.abc import Sequence
from typing import Any

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import OWN, Visitor, newcomer
from tests.integration.web.mailing import MAIL
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_with
from web.routes.account import NOTICES

face = face_with(mail=MAIL)
ACCOUNT = "/console/account"
SECURITY = "Mails about your password and your address are always sent."


@pytest.fixture
async def jane(face: Face) -> Visitor:
    return await newcomer(face)


def chosen(text: str) -> list[str]:
    """Return the kinds of mail that are checked on the page."""
    return re.findall(r'name="mail" value="([a-z.]+)" checked', text)


async def post(visitor: Visitor, kinds: Sequence[str]) -> Any:
    pairs = [("mail", kind) for kind in kinds]
    return await visitor.ask("POST", f"{ACCOUNT}/mails", data=pairs, headers=OWN)


async def test_mails_are_chosen_one_by_one(jane: Visitor) -> None:
    _, text = await jane.get(ACCOUNT)
    assert chosen(text) == list(NOTICES)
    assert SECURITY in text
    for kinds in (["job.failed", "node.offline"], [], list(NOTICES)):
        answer = await post(jane, kinds)
        assert (answer.status, answer.headers["Location"]) == (303, ACCOUNT)
        _, text = await jane.get(ACCOUNT)
        assert "Your choice of mails is saved." in text
        assert chosen(text) == kinds


async def test_a_mail_about_security_is_no_choice(jane: Visitor) -> None:
    answer = await post(jane, ["job.failed", "password.changed"])
    assert answer.status == 422
    assert chosen((await jane.get(ACCOUNT))[1]) == list(NOTICES)


async def test_the_page_says_why_no_mail_comes(
    face: Face, jane: Visitor, database: PostgresEndpoint
) -> None:
    unverified = "once your address is verified"
    assert unverified in (await jane.get(ACCOUNT))[1]
    await execute(database.owner_dsn, "UPDATE users SET verified_at = now()")
    assert unverified not in (await jane.get(ACCOUNT))[1]


async def test_another_site_switches_no_mail_off(jane: Visitor) -> None:
    answer = await jane.post(f"{ACCOUNT}/mails", {}, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403
    assert chosen((await jane.get(ACCOUNT))[1]) == list(NOTICES)
