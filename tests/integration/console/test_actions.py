"""Changes by forms: who may make them, from which site, and what the next page says; on test
pages.
"""

from collections.abc import AsyncGenerator
from typing import Annotated

import attrs
import pytest
from msgspec import Meta

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import OWN, newcomer
from tests.support.http_gateway import Face, face_over
from web.console import page_responses
from web.console.registry import Pages
from web.console.view import ADMINS, OVERSEERS, Redirect, Shown, View
from web.http.problem import Problem
from web.identity.roles import UserRole

THERE = "/console/things"
HOME = {"again": False, "back": page_responses.HOME}


@attrs.frozen
class Form:
    name: Annotated[str, Meta(min_length=1, max_length=10)]


@attrs.define
class Things:
    """Names that the test's actions have recorded."""

    named: list[str] = attrs.field(factory=list[str])


def pages_of(things: Things) -> Pages:
    pages = Pages()

    @pages.page("/things", "Things", "error.html")
    async def show(view: View) -> Shown:
        return {"status": 200, "detail": "Things", "faults": [], "hint": "", **HOME}

    @pages.page("", "Root", "error.html")
    async def root(view: View) -> Shown:
        return {"status": 200, "detail": "Root", "faults": [], "hint": "", **HOME}

    @pages.action("/things/name", who=OVERSEERS, form=Form)
    async def name(view: View[Form]) -> Redirect | Problem:
        if view.query.name == "taken":
            return Problem(409, "The name is taken")
        things.named += view.fields.getall("name")
        return Redirect(THERE, f"Named <b>{view.query.name}</b>.")

    return pages


@pytest.fixture
def things() -> Things:
    return Things()


@pytest.fixture
async def face(
    database: PostgresEndpoint, things: Things, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Face]:
    monkeypatch.setattr("web.http.application.every_page", lambda: pages_of(things))
    async with face_over(database) as running:
        yield running


async def test_what_was_done_is_said_once(
    face: Face, database: PostgresEndpoint, things: Things
) -> None:
    ann = await newcomer(face, database.owner_dsn, "admin")
    answer = await ann.post(f"{THERE}/name", {"name": "one"})
    assert (answer.status, answer.headers["Location"]) == (303, THERE)
    assert things.named == ["one"]
    _, text = await ann.get(THERE)
    assert "Named &lt;b&gt;one&lt;/b&gt;." in text
    _, text = await ann.get(THERE)
    assert "Named" not in text


async def test_a_form_that_is_none_is_refused_with_its_faults(
    face: Face, database: PostgresEndpoint, things: Things
) -> None:
    ann = await newcomer(face, database.owner_dsn, "admin")
    for form in ({}, {"name": ""}, {"name": "a" * 11}):
        answer = await ann.post(f"{THERE}/name", form)
        assert answer.status == 422
        assert "<li>Name " in await answer.text()
    answer = await ann.ask("POST", f"{THERE}/name", json={"name": "one"}, headers=OWN)
    assert answer.status == 415
    answer = await ann.post(f"{THERE}/name", {"name": "taken"})
    assert answer.status == 409
    assert "The name is taken" in await answer.text()
    assert things.named == []


def test_an_auditor_is_in_no_action() -> None:
    for action in pages_of(Things()).actions:
        assert action.who == ADMINS
        assert UserRole.AUDITOR not in action.who
