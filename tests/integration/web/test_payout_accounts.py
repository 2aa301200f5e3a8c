"""Accounts to which operators have their money sent."""

import csv
import io
import re
from typing import Any
from uuid import UUID

import attrs
import pytest

from rendertrust.api.earnings import PayoutAccount
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import newcomer, nobody
from tests.integration.web.accounts import PASSWORD, Person, log_in, register, with_role
from tests.integration.web.earners import SEPA, Earner, earner, verified_node
from tests.integration.web.factors import with_app
from tests.integration.web.mailing import MAIL, known, mailing, nothing_waits
from tests.support.databases import execute, fetch, fetchval
from tests.support.http_gateway import Face, face_over, face_with, with_ledger
from tests.support.until import until
from tests.twins.mail import TwinMail
from tests.twins.signer import TwinSigner
from web.money.payout_accounts import WAIT, accounts_of, masked, read_accounts, usable

MINE = "/api/v1/auth/payout-account"
OWN_PAGE = "/console/account/payout-account"
PAYOUTS = "/api/v1/operators/me/payouts"
ADMIN, BATCHES = "/api/v1/admin/payouts", "/api/v1/admin/batches"
STOP_PAGE = "/console/stop-payout-change"
STOP_LINK = re.compile(rf"https://farm\.example{STOP_PAGE}#token=(rtp_[0-9a-f]{{32}})")

face = face_with(with_ledger, audited=True)


@pytest.fixture
def dsn(database: PostgresEndpoint) -> str:
    return database.owner_dsn


async def requested(face: Face, otto: Earner) -> str:
    """Let the operator earn money and ask for it; return the payout's id."""
    await otto.ripen(await register(face))
    status, payout = await otto.person.ask("POST", PAYOUTS, {"to": "money"})
    assert status == 202, payout
    return str(payout["id"])


async def ripe(dsn: str) -> None:
    """Let 72 hours go by for the accounts that wait."""
    await execute(dsn, "UPDATE payout_accounts SET usable_at = usable_at - interval '72 hours'")


async def test_an_account_is_set_seen_by_admins_and_exported(face: Face, dsn: str) -> None:
    otto, ann = await earner(face), await with_role(face, dsn, "admin")
    assert (await otto.person.ask("GET", MINE))[0] == 404
    payout = await requested(face, otto)
    _, listed = await ann.ask("GET", ADMIN)
    assert listed["payouts"][0]["account"] is None
    evil = {**SEPA, "method": "=cmd|' /C calc'!A0", "account": "@SUM(1+1)*2"}
    status, kept = await otto.person.ask("PUT", MINE, evil)
    assert status == 200, kept
    status, kept = await otto.person.ask("PUT", MINE, evil)
    assert kept["account"] == "…)*2", "its owner sees only its end"
    assert await otto.person.ask("GET", MINE) == (200, kept)
    assert (await ann.ask("GET", ADMIN))[1]["payouts"][0]["account"] is None, "it waits"
    await ripe(dsn)
    stored = str(await fetch(dsn, "SELECT * FROM payout_accounts"))
    assert "SUM" not in stored
    assert "calc" not in stored
    body = {"payouts": [payout], "reason": "checked"}
    _, batch = await ann.ask("POST", ADMIN + "/approve", body)
    assert batch["payouts"][0]["account"]["account"] == evil["account"]
    headers = {"Authorization": f"Bearer {ann.access}", "Accept": "text/csv"}
    async with face.client.get(f"{BATCHES}/{batch['batch_id']}", headers=headers) as answer:
        [row] = csv.DictReader(io.StringIO(await answer.text()))
    assert row["method"] == "'=cmd|' /C calc'!A0"
    assert row["account"] == "'@SUM(1+1)*2"
    assert row["currency"] == "EUR"
    assert row["account_changed_at"] == kept["changed_at"]
    assert "SUM" not in str(await fetch(dsn, "SELECT * FROM audit"))


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            {"currency": "zzz"},
            {"currency": "EURO"},
            {"currency": "EUR"},
            {"account": ""},
            {"account": " "},
        ),
        *({"account": "x\ny"}, {"method": "x" * 61}, {"account": "x" * 201}, {"method": "\x00"}),
    ],
)
async def test_what_is_no_account_is_refused(face: Face, dsn: str, wrong: dict[str, str]) -> None:
    otto = await earner(face)
    assert (await otto.person.ask("PUT", MINE, {**SEPA, **wrong}))[0] == 422
    assert await fetchval(dsn, "SELECT count(*) FROM payout_accounts") == 0


async def test_the_page_promises_a_mail_only_to_a_verified_address(
    database: PostgresEndpoint, dsn: str
) -> None:
    promise, denial = "you get a mail at once", "No mail tells you of a change, because "
    async with face_over(database, mail=MAIL) as face:
        otto = await newcomer(face)
        _, text = await otto.get(OWN_PAGE)
        assert (promise in text, f"{denial}your address" in text) == (False, True)
        assert "cannot buy credits or invite people" in text
        await verified_node(face, UUID(otto.id))
        _, text = await otto.get(OWN_PAGE)
        assert "cannot buy credits, be paid in money or invite people" in text
        await execute(dsn, "UPDATE users SET verified_at = now()")
        _, text = await otto.get(OWN_PAGE)
        assert (promise in text, denial in text) == (True, False)
    async with face_over(database) as face:
        _, text = await (await newcomer(face, email="olga@example.org")).get(OWN_PAGE)
        assert (promise in text, f"{denial}this farm" in text) == (False, True)


async def test_a_change_needs_a_recent_factor_and_is_mailed(
    database: PostgresEndpoint, dsn: str
) -> None:
    async with face_over(database, mail=MAIL) as face:
        otto = await known(face, dsn, "otto@example.org")
        transport = TwinMail()
        async with mailing(face, transport):
            await until(lambda: nothing_waits(face))
            assert (await otto.ask("PUT", MINE, SEPA))[0] == 200
            await until(lambda: nothing_waits(face))
        [mail] = transport.accepted
        assert "payout account" in mail.subject
        assert "2020" not in mail.text
        assert "72 hours" in mail.text
        assert STOP_LINK.search(mail.text) is not None
        secured = await with_app(face, dsn, otto)
        for method, body in (("PUT", {**SEPA, "account": "a thief's"}), ("DELETE", None)):
            status, refused = await otto.ask(method, MINE, body)
            assert (status, refused["code"]) == (403, "recent_factor_needed")
        assert (await otto.ask("GET", MINE))[1]["account"] == "…2051"
        otp = {"otp": await secured.fresh()}
        assert (await otto.ask("POST", "/api/v1/auth/second-factor", otp))[0] == 200
        assert (await otto.ask("DELETE", MINE))[0] == 200
        assert (await otto.ask("DELETE", MINE))[0] == 404


async def test_an_api_key_does_not_see_the_account(face: Face) -> None:
    otto = await earner(face)
    assert (await otto.person.ask("PUT", MINE, SEPA))[0] == 200
    new = {"name": "x", "scopes": ["credits:read", "credits:write"]}
    _, key = await otto.person.ask("POST", "/api/v1/auth/keys", new)
    for method, body in (("GET", None), ("PUT", SEPA), ("DELETE", None)):
        assert (await otto.person.ask(method, MINE, body, key["key"]))[0] == 403


async def test_the_account_is_in_the_users_export_and_goes_with_the_account(
    face: Face, dsn: str
) -> None:
    jane = await register(face)
    assert (await jane.ask("PUT", MINE, SEPA))[0] == 200
    _, export = await jane.ask("GET", "/api/v1/auth/account/export")
    assert export["payout_account"]["account"] == "…2051"
    path, body = "/api/v1/auth/account/delete", {"password": PASSWORD}
    assert (await jane.ask("POST", path, body))[0] == 200
    assert await fetchval(dsn, "SELECT count(*) FROM payout_accounts") == 0


async def test_a_rotation_of_the_logs_key_loses_no_account(face: Face, dsn: str) -> None:
    jane = await register(face)
    user = UUID(jane.id)
    assert (await jane.ask("PUT", MINE, SEPA))[0] == 200
    gateway = face.gateway
    table, random = gateway.tables.payout_accounts, gateway.ports.random

    async def read(*numbers: int) -> dict[UUID, PayoutAccount]:
        now = gateway.ports.clock.now() + WAIT
        found = await read_accounts(table, [user], TwinSigner(*numbers), random, now)
        return dict(usable(found))

    async def sealed() -> Any:
        return await fetchval(dsn, "SELECT sealed FROM payout_accounts")

    before = await sealed()
    assert (await read(1))[user].account == SEPA["account"]
    assert await sealed() == before, "the current key has sealed it"
    assert (await read(2, 1))[user].account == SEPA["account"]
    assert await sealed() != before, "it is sealed again with the new key"
    assert (await read(3, 2))[user].account == SEPA["account"]
    assert await read(5, 4) == {}, "both keys are gone"


async def test_a_sealed_text_of_another_user_is_not_shown(face: Face, dsn: str) -> None:
    jane, mallory = await register(face), await register(face, "mallory@example.org")
    for person in (jane, mallory):
        assert (await person.ask("PUT", MINE, SEPA))[0] == 200
    other = f"SELECT sealed FROM payout_accounts WHERE user_id = '{mallory.id}'"
    await execute(dsn, f"UPDATE payout_accounts SET sealed = ({other}) WHERE user_id = '{jane.id}'")
    await ripe(dsn)
    found = await accounts_of(face.gateway, [UUID(jane.id), UUID(mallory.id)])
    assert set(found) == {UUID(mallory.id)}


def test_an_account_is_not_in_texts_for_logs() -> None:
    shown = repr(attrs.evolve(PayoutAccount("SEPA", "DE02", "eur", None)))  # type: ignore[arg-type]
    assert "DE02" not in shown


async def test_a_change_needs_the_password_without_a_factor(face: Face, dsn: str) -> None:
    jane = await newcomer(face)
    person = await log_in(face, Person(face, jane.id, jane.email, "", ""))
    assert person is not None
    for wrong in ({}, {"password": "a wrong password"}):
        body = {name: text for name, text in SEPA.items() if name != "password"} | wrong
        status, refused = await person.ask("PUT", MINE, body)
        assert (status, refused["code"]) == (403, "password_incorrect")
    form = {"method": "SEPA", "account": "DE02", "currency": "eur"}
    for more in ({}, {"confirmation": "a wrong password"}):
        answer = await jane.post(OWN_PAGE, {**form, **more})
        assert "The password is incorrect." in await answer.text()
    assert await fetchval(dsn, "SELECT count(*) FROM payout_accounts") == 0
    answer = await jane.post(OWN_PAGE, {**form, "confirmation": PASSWORD})
    assert answer.status == 303
    assert (await person.ask("GET", MINE))[1]["account"] == "…2"


async def test_an_auditor_sees_only_the_end_and_a_file_needs_the_factor(
    face: Face, dsn: str
) -> None:
    otto, ann = await earner(face), await with_role(face, dsn, "admin")
    payout = await requested(face, otto)
    assert (await otto.person.ask("PUT", MINE, SEPA))[0] == 200
    await ripe(dsn)
    body = {"payouts": [payout], "reason": "checked"}
    _, batch = await ann.ask("POST", ADMIN + "/approve", body)
    assert batch["payouts"][0]["account"]["account"] == SEPA["account"]
    rita = await newcomer(face, dsn, "auditor", "rita@example.org")
    auditor = await log_in(face, Person(face, rita.id, rita.email, "", ""))
    assert auditor is not None
    one = f"{BATCHES}/{batch['batch_id']}"
    for path in (ADMIN, one):
        _, listed = await auditor.ask("GET", path)
        assert listed["payouts"][0]["account"]["account"] == "…2051"
    page = f"/console/payouts/batches/{batch['batch_id']}"
    for path in (page, f"{page}/file?format=csv"):
        status, text = await rita.get(path)
        assert (status, "2051" in text, "1203" in text) == (200, True, False)
    assert (await rita.post(f"{page}/export", {})).status == 403
    secured = await with_app(face, dsn, ann)
    status, refused = await ann.ask("GET", f"{one}?format=csv")
    assert (status, refused["code"]) == (403, "recent_factor_needed")
    browser = nobody(face)
    await browser.post("/console/sign-in", {"email": ann.email, "password": PASSWORD})
    await browser.post("/console/second-step", {"code": await secured.fresh()})
    there = (await browser.post(f"{page}/export", {})).headers["Location"]
    assert SEPA["account"] in (await browser.get(there))[1]
    old = "UPDATE refresh_families SET factor_at = factor_at - interval '11 minutes'"
    await execute(dsn, old)
    assert (await browser.post(f"{page}/export", {})).status != 303
    assert (await browser.get(there))[0] == 403


THIEFS = {**SEPA, "account": "GB33 BUKB 2020 1555 5555 55"}


async def test_a_thief_cannot_redirect_payouts_for_72_hours(face: Face, dsn: str) -> None:
    otto, ann = await earner(face), await with_role(face, dsn, "admin")
    await requested(face, otto)

    async def sent_to() -> Any:
        account = (await ann.ask("GET", ADMIN))[1]["payouts"][0]["account"]
        return account and account["account"]

    assert (await otto.person.ask("PUT", MINE, SEPA))[0] == 200
    assert await sent_to() is None, "the first account waits as well"
    await ripe(dsn)
    assert await sent_to() == SEPA["account"]
    status, kept = await otto.person.ask("PUT", MINE, THIEFS)
    assert (status, kept["account"], kept["until_then"]["account"]) == (200, "…5555", "…2051")
    assert await sent_to() == SEPA["account"]
    assert (await otto.person.ask("PUT", MINE, THIEFS))[0] == 200
    assert await fetchval(dsn, "SELECT count(*) FROM payout_accounts") == 2, "one change waits"
    assert (await otto.person.ask("DELETE", f"{MINE}/change"))[0] == 200
    status, refused = await otto.person.ask("DELETE", f"{MINE}/change")
    assert (status, refused["code"]) == (404, "payout_change_not_found")
    assert (await otto.person.ask("GET", MINE))[1]["account"] == "…2051"
    assert (await otto.person.ask("DELETE", MINE))[0] == 200
    assert (await otto.person.ask("PUT", MINE, THIEFS))[0] == 200
    assert await sent_to() is None, "removing the account first does not help"
    await ripe(dsn)
    assert await sent_to() == THIEFS["account"]


async def test_a_change_is_stopped_on_its_page(face: Face, dsn: str) -> None:
    jane = await newcomer(face)
    form = {"method": "SEPA", "currency": "eur", "confirmation": PASSWORD}
    for account in (SEPA["account"], THIEFS["account"]):
        assert (await jane.post(OWN_PAGE, {**form, "account": account})).status == 303
        _, text = await jane.get(OWN_PAGE)
        assert "A change waits" in text
        if account == SEPA["account"]:
            assert "payouts of money wait" in text
            await ripe(dsn)
    _, text = await jane.get(OWN_PAGE)
    assert ("…5555" in text, "…2051" in text, "2020" in text) == (True, True, False)
    assert (await jane.post(f"{OWN_PAGE}/stop", {})).status == 303
    _, text = await jane.get(OWN_PAGE)
    assert ("A change waits" in text, "…5555" in text, "…2051" in text) == (False, False, True)
    assert (await jane.post(f"{OWN_PAGE}/stop", {})).status == 404


async def test_a_change_is_stopped_once_by_the_link_of_its_mail_without_signing_in(
    database: PostgresEndpoint, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with face_over(database, mail=MAIL) as face:
        otto, transport = await known(face, dsn, "otto@example.org"), TwinMail()
        async with mailing(face, transport):
            await until(lambda: nothing_waits(face))
            for account in (SEPA, THIEFS):
                assert (await otto.ask("PUT", MINE, account))[0] == 200
                await until(lambda: nothing_waits(face))
                if account is SEPA:
                    await ripe(dsn)
            first, second = (link_in(mail.text) for mail in transport.accepted)
            stranger = nobody(face)
            status, text = await stranger.get(STOP_PAGE)
            assert (status, "Stop the change" in text, 'name="token"' in text) == (200, True, True)
            assert await waits(otto), "opening the page stops nothing"
            wrong = await stranger.post(STOP_PAGE, {"token": "rtp_" + "0" * 32})
            assert (wrong.status, "The code is not valid" in await wrong.text()) == (403, True)
            assert first not in str(await fetch(dsn, "SELECT sha256 FROM mailed_tokens"))
            done = await stranger.post(STOP_PAGE, {"token": second})
            assert (done.status, done.headers["Location"]) == (303, "/console/sign-in")
            assert not await waits(otto)
            await until(lambda: nothing_waits(face))
            assert (await otto.ask("GET", MINE))[1]["account"] == "…2051"
            assert (await otto.ask("PUT", MINE, THIEFS))[0] == 200
            for used in (first, second):
                assert (await stranger.post(STOP_PAGE, {"token": used})).status == 403
            assert await waits(otto)
            await until(lambda: nothing_waits(face))
        stopped, changed = transport.accepted[2:]
        assert (STOP_LINK.search(stopped.text), "No change waits" in stopped.text) == (None, True)
        await execute(dsn, "UPDATE mailed_tokens SET expires_at = now()")
        late = await stranger.post(STOP_PAGE, {"token": link_in(changed.text)})
        assert (late.status, await waits(otto)) == (403, True)
    assert "rtp_" not in caplog.text


async def test_no_change_is_stored_without_a_mail(database: PostgresEndpoint, dsn: str) -> None:
    async with face_over(database, mail=MAIL) as face:
        otto, transport = await known(face, dsn, "otto@example.org"), TwinMail()
        async with mailing(face, transport):
            await until(lambda: nothing_waits(face))
            for _ in range(10):
                assert (await otto.ask("PUT", MINE, SEPA))[0] == 200
            status, problem = await otto.ask("PUT", MINE, THIEFS)
            assert (status, "try again in an hour" in problem["detail"]) == (429, True)
            assert (await otto.ask("GET", MINE))[1]["account"] == "…2051"
            await until(lambda: nothing_waits(face))
            assert len(transport.accepted) == 10
            await execute(dsn, "UPDATE mails SET created_at = created_at - interval '1 hour'")
            assert (await otto.ask("PUT", MINE, THIEFS))[0] == 200
            await until(lambda: nothing_waits(face))
            assert len(transport.accepted) == 11


def link_in(text: str) -> str:
    """Return the token of the link in a mail, which has it as a code, too."""
    found = STOP_LINK.search(text)
    assert found is not None, text
    assert text.count(found[1]) == 2
    return found[1]


async def waits(person: Person) -> bool:
    """Return True if a change of the account waits."""
    return (await person.ask("GET", MINE))[1]["until_then"] is not None


@pytest.mark.parametrize(
    ("text", "shown"),
    [("DE02 1203 0000 0000 2020 51", "…2051"), ("jo@x.org", "…rg"), ("ab", "…")],
    ids=["long", "short", "tiny"],
)
def test_the_end_of_an_account_is_at_most_a_third_of_it(text: str, shown: str) -> None:
    account = PayoutAccount("SEPA", text, "eur", None)  # type: ignore[arg-type]
    assert masked(account).account == shown
