"""Export and deletion of the account on its page."""

import json
import re

from tests.integration.console.people import Visitor, signed_in
from tests.integration.web.accounts import PASSWORD
from tests.support.http_gateway import Face

ACCOUNT, DELETE = "/console/account", "/console/account/delete"
EXPORT = f"{ACCOUNT}/export.json"
FORM = {"deletion_password": PASSWORD, "sure": "yes"}


async def test_the_account_is_deleted_with_its_password(face: Face, jane: Visitor) -> None:
    other = await signed_in(face, jane.email)
    answer = await jane.post(DELETE, FORM)
    assert (answer.status, answer.headers["Location"]) == (303, "/console/sign-in")
    status, text = await jane.get("/console/sign-in")
    assert (status, "Your account is deleted." in text) == (200, True)
    for visitor in (jane, other):
        assert (await visitor.get(ACCOUNT))[0] == 303
    form = {"email": jane.email, "password": PASSWORD}
    assert (await jane.post("/console/sign-in", form)).status == 401


async def test_the_page_says_what_is_lost(jane: Visitor) -> None:
    _, text = await jane.get(ACCOUNT)
    assert re.search(r"You lose your [\d.]+ credits, your results and your shared links", text)


async def test_a_wrong_password_or_no_second_thought_deletes_nothing(jane: Visitor) -> None:
    for change, said in (
        ({"deletion_password": "a wrong guess"}, "The password is incorrect."),
        ({"sure": ""}, "Tick this, if you are sure."),
    ):
        answer = await jane.post(DELETE, {**FORM, **change})
        text = await answer.text()
        assert (answer.status, said in text) == (422, True), text
        assert "a wrong guess" not in text
        assert PASSWORD not in text
    assert (await jane.get(ACCOUNT))[0] == 200


async def test_the_page_says_what_must_be_settled_first(face: Face, jane: Visitor) -> None:
    _, text = await jane.get(ACCOUNT)
    assert "Delete the account" in text
    async with face.gateway.database.connection() as connection:
        await connection.execute(
            "INSERT INTO jobs (id, user_id, job_type, payload_ref, status, price, open_units,"
            " created_at, queued_at, updated_at)"
            " VALUES (gen_random_uuid(), $1, 'echo', 'x', 'QUEUED', 0, 1, now(), now(), now())",
            jane.id,
        )
    answer = await jane.post(DELETE, FORM)
    text = await answer.text()
    assert answer.status == 409
    assert "The account cannot be deleted yet: 1 job still open." in text
    assert "<details open>" in text


async def test_another_site_deletes_nothing(jane: Visitor) -> None:
    answer = await jane.post(DELETE, FORM, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403
    assert (await jane.get(ACCOUNT))[0] == 200


async def test_the_data_is_downloaded_by_a_button(jane: Visitor) -> None:
    assert f'action="{ACCOUNT}/export"' in (await jane.get(ACCOUNT))[1]
    answer = await jane.post(f"{ACCOUNT}/export", {})
    assert (answer.status, answer.headers["Location"]) == (303, EXPORT)
    answer = await jane.ask("GET", EXPORT)
    assert "attachment" in answer.headers["Content-Disposition"]
    assert json.loads(await answer.text())["account"]["email"] == jane.email


async def test_nobody_downloads_without_a_session(face: Face, jane: Visitor) -> None:
    await jane.post("/console/sign-out", {})
    assert (await jane.ask("GET", EXPORT)).status == 401
