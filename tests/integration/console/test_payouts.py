"""The pages of payouts and of packages of credits, as admins use them, over the real Ledger."""

import re
from uuid import uuid4

import attrs
import pytest

from rendertrust.money import CreditPrice
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer, signed_in
from tests.integration.console.test_second_factor import wholly_signed_in
from tests.integration.web.accounts import Person, log_in, register
from tests.integration.web.earners import Earner, earner, set_usable_account
from tests.integration.web.factors import with_app
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_with, with_ledger

face = face_with(with_ledger, audited=True)
PATH = "/console/payouts"
MINE = "/api/v1/operators/me/payouts"


@attrs.frozen
class Office:
    """The admin Ann, and the operators Otto and Olga, who have asked for money."""

    ann: Visitor
    otto: Earner
    olga: Earner
    payouts: tuple[str, str]

    async def does(self, action: str, *payouts: str, **form: str) -> tuple[int, str]:
        """Send a form of the pages; return the status, and where it leads or what it says."""
        pairs = [*form.items(), *(("payout", each) for each in payouts)]
        answer = await self.ann.ask(
            "POST", PATH + action, data=pairs, headers={"Sec-Fetch-Site": "same-origin"}
        )
        return answer.status, answer.headers.get("Location") or await answer.text()

    async def state(self, who: Earner) -> str:
        _, found = await who.person.ask("GET", MINE)
        return str(found["payouts"][0]["state"])


@pytest.fixture
async def office(face: Face, database: PostgresEndpoint) -> Office:
    ann = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
    jane = await register(face, "jane@example.org")
    earners = await earner(face), await earner(face, "olga@example.org")
    ids = list[str]()
    for each in earners:
        await each.ripen(jane)
        status, payout = await each.person.ask("POST", MINE, {"to": "money"})
        assert status == 202, payout
        await set_usable_account(each.person)
        ids.append(str(payout["id"]))
    return Office(ann, *earners, (ids[0], ids[1]))


async def test_payouts_are_approved_exported_and_marked_as_paid(office: Office) -> None:
    prices = office.ann.face.gateway.console.prices
    prices.note({}, CreditPrice(7_000, 1_000 * 10_000, "usd"))
    status, page = await office.ann.get(PATH)
    assert (status, page.count("to approve"), page.count("data-all")) == (200, 2, 1)
    assert "≈ 0.49 USD" in page, "the amounts are shown as money, too"
    otto = await signed_in(office.ann.face, "otto@example.org")
    _, fleet = await otto.get("/console/fleet")
    assert "7 cr requested as money" in re.sub(r"<[^>]+>", "", fleet)
    status, to = await office.does("/approve", *office.payouts, reason="checked")
    assert status == 303
    assert re.fullmatch(rf"{PATH}/batches/[0-9a-f-]{{36}}", to)
    status, page = await office.ann.get(to)
    assert "14 cr ≈ 0.98 USD" in re.sub(r"<[^>]+>", "", page)
    _, rest = await office.ann.get(PATH)
    assert ("data-all" in rest, 'aria-label="Reject' in rest) == (False, False)
    status, file = await office.ann.get(f"{to}/file?format=csv")
    assert status == 200
    assert [line.split(",")[2] for line in file.splitlines()[1:]] == [
        "otto@example.org",
        "olga@example.org",
    ]
    batch = to.removeprefix(PATH)
    assert await office.does(f"{batch}/paid", reference="wire 7", reason="sent") == (303, to)
    assert (await office.state(office.otto), await office.state(office.olga)) == ("paid", "paid")
    status, page = await office.does(f"{batch}/paid", reference="wire 8", reason="again")
    assert status == 409
    assert "wire 7" in page
    status, page = await office.ann.get(f"{PATH}?is=paid")
    assert page.count("<tr data-row") == 2


async def test_a_payout_is_rejected_before_and_after_its_approval(office: Office) -> None:
    first, second = office.payouts
    assert await office.does("/reject", which=first, reason="no account") == (303, PATH)
    assert await office.state(office.otto) == "rejected"
    _, to = await office.does("/approve", second, reason="checked")
    status, said = await office.does("/reject", which=second, reason="came back")
    assert (status, "may be on the way" in said) == (409, True)
    done = await office.does("/reject", which=second, reason="came back", not_paid="1")
    assert done == (303, to)
    assert await office.state(office.olga) == "rejected"
    status, said = await office.does(
        f"{to.removeprefix(PATH)}/paid", reference="wire", reason="sent"
    )
    assert (status, "nothing to send" in said) == (409, True)


async def test_forms_that_are_refused_say_why_and_change_nothing(office: Office) -> None:
    status, said = await office.does("/approve", reason="checked")
    assert (status, "No payout was selected" in said) == (422, True)
    status, said = await office.does("/approve", *office.payouts, str(uuid4()), reason="checked")
    assert (status, "Payout not found" in said) == (404, True)
    status, said = await office.does("/approve", *office.payouts)
    assert (status, "The reason is missing" in said) == (422, True)
    many = [str(uuid4()) for _ in range(101)]
    status, said = await office.does("/approve", *many, reason="checked")
    assert (status, "at most 100 payouts" in said) == (422, True)
    assert (await office.state(office.otto), await office.state(office.olga)) == (
        ("requested",) * 2
    )
    assert (await office.ann.get(f"{PATH}/batches/{uuid4()}"))[0] == 404


async def test_auditors_see_payouts_and_packages_and_change_nothing(
    face: Face, office: Office, database: PostgresEndpoint
) -> None:
    rita = await newcomer(face, database.owner_dsn, "auditor", "rita@example.org")
    for path in (PATH, "/console/packages"):
        status, page = await rita.get(path)
        main = page[page.index("<main") :]
        assert (status, 'action="/console/p' in main, "checkbox" in main) == (200, False, False)
    form = {"payout": office.payouts[0], "reason": "mine"}
    assert (await rita.post(f"{PATH}/approve", form)).status in (403, 404)
    jane = await newcomer(face, email="joan@example.org")
    for path in (PATH, "/console/packages"):
        assert (await jane.get(path))[0] == 403


async def test_packages_are_added_changed_and_withdrawn(
    face: Face, database: PostgresEndpoint
) -> None:
    ann = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
    terms = {"name": "small", "title": "1,000 credits", "credits": "1000", "amount": "999"}
    more = {"currency": "eur", "state": "on_sale", "reason": "launch"}
    put = "/console/packages/put"
    assert (await ann.post(put, {**terms, **more})).status == 303
    _, page = await ann.get("/console/packages")
    assert "9.99 EUR" in page
    assert "on sale" in page
    _, page = await ann.get("/console/packages?package=small")
    assert 'value="1,000 credits"' in page
    assert (await ann.post(put, {**terms, **more, "state": "withdrawn"})).status == 303
    _, page = await ann.get("/console/packages")
    assert "withdrawn" in page
    answer = await ann.post(put, {**terms, **more, "amount": "0", "credits": "-5"})
    said = await answer.text()
    assert answer.status == 422
    assert "The price must" in said
    assert "The credits must" in said
    assert 'value="1,000 credits"' in said, "the form comes back as it was filled in"


async def test_an_admin_with_a_factor_gives_it_before_approving(
    face: Face, database: PostgresEndpoint, office: Office
) -> None:
    """The selected payouts and the reason come back, and nothing is approved before."""
    person = await log_in(face, Person(face, office.ann.id, "ann@example.org", "", ""))
    assert person is not None
    secure = await with_app(face, database.owner_dsn, person)
    office = attrs.evolve(office, ann=await wholly_signed_in(secure))
    await execute(database.owner_dsn, "UPDATE refresh_families SET factor_at = NULL")
    status, text = await office.does("/approve", *office.payouts, reason="checked")
    assert (status, "given in the last ten minutes" in text) == (403, True)
    hidden = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', text)
    form = [*dict.fromkeys(hidden), ("code", await secure.fresh())]
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = await office.ann.ask(
        "POST", "/console/second-factor-again", data=form, headers=headers
    )
    text = await answer.text()
    assert (answer.status, 'value="checked"' in text) == (200, True)
    for each in office.payouts:
        assert f'value="{each}" checked' in text
    assert await office.state(office.otto) == "requested"
    status, _ = await office.does("/approve", *office.payouts, reason="checked")
    assert (status, await office.state(office.otto)) == (303, "approved")
