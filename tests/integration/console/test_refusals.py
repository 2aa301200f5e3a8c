"""Refusals link back to the page the visitor came from, and give the reason once."""

import re

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import OWN, Visitor, nobody
from tests.support.databases import execute
from tests.support.http_gateway import Face

JOB = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
CANCELLED = """
INSERT INTO jobs (id, user_id, job_type, payload_ref, status, price,
                  created_at, queued_at, updated_at, completed_at)
SELECT '{job}', id, 'echo', 'x', 'CANCELLED', 0, now(), now(), now(), now()
FROM users WHERE email = '{email}'
"""


def link_back(text: str) -> tuple[str, str]:
    """Return where the refusal's link leads, and its text."""
    found = re.search(r'<a class="button" href="([^"]*)">([^<]*)</a>', text)
    assert found is not None, text
    return found[1], found[2]


def heading(text: str) -> str:
    return text.partition("<h1>")[2].partition("</h1>")[0]


@pytest.mark.parametrize("amount", ["-5", "0", "99999999999"])
async def test_what_an_amount_cannot_be_is_said_beside_it(
    amount: str, ann: Visitor, jane: Visitor
) -> None:
    there = f"/console/users/{jane.id}"
    status, text = await ann.get(f"{there}/credits?act=grant&amount={amount}&reason=gift")
    assert status == 422
    grant = text.partition('id="grant-title"')[2].partition("</section>")[0]
    said = "The amount must be a number above 0 with at most 9 digits and 4 decimals, like 10.5."
    assert said in grant
    assert text.count(said) == 1
    assert f'value="{amount}"' in grant, "the refused value stays in the field"
    assert 'value="gift"' in grant
    assert 'id="live"' not in text, "a live update would remove the refused value"
    _, page = await ann.get(there)
    pattern = re.search(r'id="grant-amount"[^>]* pattern="([^"]*)"', page)
    assert pattern is not None
    assert not re.fullmatch(pattern[1], amount), "browsers do not send such an amount"
    assert re.fullmatch(pattern[1], "10.5")


async def test_what_is_missing_is_said_to_be_missing(ann: Visitor) -> None:
    answer = await ann.post("/console/settings/prices", {"price": "1"})
    text = await answer.text()
    form = text.partition('aria-label="A new price"')[2].partition("</form>")[0]
    assert answer.status == 422
    assert "The type is missing." in form
    assert "The reason is missing." in form
    assert 'value="1"' in form


@pytest.mark.parametrize(
    ("path", "form", "outcome"),
    [
        ("/webhooks", {"url": "ftp://x.org"}, (422, "The URL must begin with https://.")),
        (
            "/settings/prices",
            {"job_type": "echo", "reason": "x", "price": "1,5"},
            (422, "an amount"),
        ),
        ("/trusted", {"email": "none"}, (422, "e-mail address")),
        ("/trusted", {"email": "ann@example.org"}, (409, "your own address")),
        ("/organisations", {"name": ""}, (422, "The name must have at least 1")),
    ],
)
async def test_a_form_that_is_refused_stands_there_again(
    path: str, form: dict[str, str], outcome: tuple[int, str], ann: Visitor
) -> None:
    status, said = outcome
    answer = await ann.post(f"/console{path}", form)
    text = await answer.text()
    again = text.partition(f'action="/console{path}"')[2].partition("</form>")[0]
    assert answer.status == status
    assert re.search(said, again), again
    assert 'role="alert"' in again
    assert all(f'value="{typed}"' in again for typed in form.values())


async def test_a_number_that_is_none_is_said_in_a_sentence(jane: Visitor) -> None:
    status, text = await jane.get("/console/ledger/entry?number=x")
    assert (status, "<li>Number must be a whole number.</li>" in text) == (422, True)


async def test_a_job_that_another_tab_cancelled(database: PostgresEndpoint, jane: Visitor) -> None:
    await execute(database.owner_dsn, CANCELLED.format(job=JOB, email=jane.email))
    there = f"/console/jobs/{JOB}"
    answer = await jane.post(f"{there}/cancel", {})
    text = await answer.text()
    assert answer.status == 400
    assert heading(text) == "This cannot be done now"
    assert "Job is CANCELLED" in text
    assert link_back(text) == (there, "Back to the job")


async def refuse_from(jane: Visitor, referer: str) -> tuple[str, str]:
    """Ask for a job that does not exist, coming from ``referer``; return the link back."""
    _, text = await jane.get(f"/console/jobs/{JOB}", Referer=referer)
    return link_back(text)


async def test_a_list_is_as_it_was_and_no_other_site_is_ever_led_to(
    face: Face, jane: Visitor
) -> None:
    here = str(jane.face.client.make_url("/")).rstrip("/")
    jobs = "/console/jobs"
    assert await refuse_from(jane, f"{here}{jobs}?q=status%3Afailed&offset=50") == (
        f"{jobs}?q=status%3Afailed&amp;offset=50",
        "Back to Jobs",
    )
    for referer in (
        f"https://evil.example{jobs}?q=1",
        f"{here}//evil.example{jobs}?q=1",
        f"{here}/console/users?q=1",
        "http://[",
        "",
    ):
        assert await refuse_from(jane, referer) == (jobs, "Back to Jobs"), referer
    status, text = await jane.get(f"{jobs}?offset=-1")
    assert (status, link_back(text)) == (422, (jobs, "Back to Jobs"))
    _, text = await jane.get("/console/users/none/credits?act=x")
    assert link_back(text) == ("/console", "To the console"), (
        "no list of users, which this user may not see, is offered"
    )


async def test_a_form_is_not_sent_again_by_itself(
    face: Face, monkeypatch: pytest.MonkeyPatch, jane: Visitor
) -> None:

    async def away() -> bool:
        return False

    monkeypatch.setattr(face.gateway.identity.revocations, "current", away)
    status, text = await jane.get("/console/jobs")
    assert (status, "data-retry" in text) == (503, True)
    answer = await jane.ask("POST", f"/console/jobs/{JOB}/cancel", headers=OWN)
    text = await answer.text()
    assert (answer.status, "data-retry" in text) == (503, False)
    assert "<h1>It may not have been done</h1>" in text
    assert "check whether it was done" in text
    assert "data-sent" in text, "nor does a reload of the page send the form again"
    assert link_back(text) == (f"/console/jobs/{JOB}", "Back to the job")


async def test_all_of_nothing_cannot_be_tried_again(ann: Visitor) -> None:
    _, text = await ann.get("/console/dead-letters")
    button = re.search(r"<button[^>]*>Retry all", text)
    assert button is not None
    assert " disabled" in button[0]


async def test_a_foreign_request_is_not_a_matter_of_roles(face: Face, jane: Visitor) -> None:
    for who in (jane, nobody(face)):
        foreign = {"Sec-Fetch-Site": "cross-site"}
        answer = await who.post("/console/sign-in", {"email": "a@b.de", "password": "x"}, **foreign)
        text = await answer.text()
        assert answer.status == 403
        assert "came from another site" in text
        assert "role" not in text.partition('<p class="hint">')[2].partition("</p>")[0]
