"""Proofs and receipts that a party of a transfer can get contain nothing private of the other."""

import json
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import attrs
import pytest

from actors.ledger.effects import Transfer, UnitComplete
from actors.ledger.messages import Commit, Posted
from rendertrust import money
from rendertrust.leaf import salt_of, side_of
from rendertrust.proof_check import verify
from rendertrust.receipt import IssuedReceipt
from sql.account_names import operator_account, user_account
from sql.books import TransferRow
from sql.log import private_text
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import dispatch, grant
from tests.integration.console.work import joined
from tests.support.databases import connected
from tests.support.proof_readers import Person
from tests.support.whole_gateway import Whole
from web.money.ledger_client import commit

PRICE = 123_457
# Amounts that make every balance a number of its own.
FIRST, SECOND, THIRD, MOVED = 98_765_431, 76_543_217, 55_443_311, 11_223_344


@attrs.frozen
class Party:
    """A user, what they can get, and what only they may know."""

    person: Person
    id: UUID

    @property
    def accounts(self) -> set[str]:
        return {user_account(self.id), operator_account(self.id)}


@attrs.frozen
class Books:
    """Two users after a transfer between them, and a job of the one that the other rendered."""

    jane: Party
    otto: Party
    job: UUID
    transfers: list[tuple[TransferRow, bytes]]  # with their salts
    tiles: str  # the hashes of all leaves, which log tiles consist of

    def secrets(self, *, of: set[str]) -> set[str]:
        """Return the names, salts, private parts and balances of these accounts."""
        found = set(of)
        for row, salts in self.transfers:
            for side, account in (("debit", row.debit), ("credit", row.credit)):
                if account in of:
                    found |= secrets_of_side(row, salts, side)
        return found | {name.partition(":")[2] for name in of if ":" in name}


def secrets_of_side(row: TransferRow, salts: bytes, side: Any) -> set[str]:
    text = private_text(row, side).decode()
    lines: dict[str, str] = dict(line.split(" ", 1) for line in text.splitlines())
    balances = {lines["before"], lines["after"]} - {"0"}
    shown = {money.render(int(units)) for units in balances if int(units) > 0}
    return {salt_of(salts, side).hex(), text, json.dumps(text)[1:-1], *balances, *shown}


@pytest.fixture
async def books(
    gateway: Whole, http: aiohttp.ClientSession, database: PostgresEndpoint
) -> AsyncGenerator[Books]:
    async with connected(database.owner_dsn) as owner:
        parties = []
        for _ in range(2):
            person = Person(http, gateway.url)
            await person.register()
            found = await owner.fetchval("SELECT id FROM users WHERE email = $1", person.email)
            parties.append(Party(person, found))
        jane, otto = parties
        payer, payee = user_account(jane.id), user_account(otto.id)
        gift = Transfer("payouts", "revenue", "payouts", THIRD, "ADJUSTMENT", "c")
        gifts = (grant(jane.id, FIRST, "a"), grant(otto.id, SECOND, "b"), gift)
        await post(gateway, Commit(gifts))
        moved = Transfer(payer, payee, payer, MOVED, "REFUND", "between", "from one to the other")
        await post(gateway, Commit((moved,)))
        job, node = uuid4(), await joined(database.owner_dsn, ", owner_id", f", '{otto.id}'")
        await post(gateway, dispatch(jane.id, job, PRICE, 1, node))
        receipt = IssuedReceipt(json.dumps({"verdict": "exact"}), b"g" * 64, PRICE)
        done = UnitComplete(job, 0, 1, node, "x", verified=True, receipt=receipt)
        done = attrs.evolve(done, operator=operator_account(otto.id))
        await post(gateway, Commit((), (done,)))
        # A proof of the newest entry covers all.
        status, _ = await jane.person.answered("GET", f"/jobs/{job}/receipt")
        assert status == 200
        rows = await owner.fetch(
            "SELECT t.*, l.salts, l.hash FROM named_transfers t JOIN leaves l ON l.transfer = t.id"
        )
        transfers = [(TransferRow(*row[:-2]), row["salts"]) for row in rows]
        yield Books(jane, otto, job, transfers, "".join(row["hash"].hex() for row in rows))


async def post(gateway: Whole, order: Commit) -> None:
    outcome = await commit(gateway.gateway, order)
    assert isinstance(outcome, Posted), outcome


async def entries_of(party: Party) -> list[tuple[int, str]]:
    """Return number and id of each entry that a user finds; an earning has no id there."""
    _, history = await party.person.answered("GET", "/credits/history")
    _, earned = await party.person.answered("GET", "/operators/me/earnings")
    found = [(entry["entry_id"], entry["id"]) for entry in history["entries"]]
    return found + [(share["entry_id"], "") for share in earned["earnings"]]


async def documents_of(party: Party, books: Books, http: aiohttp.ClientSession, url: str) -> str:
    """Return everything about the log that a user can get, in one text."""
    entries, got = await entries_of(party), [books.tiles]
    for number, id_ in entries:
        for key in filter(None, (str(number), id_)):
            status, proof = await party.person.answered("GET", f"/ledger/{key}/proof?opening=true")
            assert status == 200, proof
            assert verify(proof).holds
            assert proof["side"] == side_of(number)[1]
            got += [json.dumps(proof), json.dumps(await asked(party, f"/ledger/{key}/verify"))]
    for path in (
        *(f"/jobs/{books.job}/units/0/receipt", f"/jobs/{books.job}/receipt"),
        *("/ledger/checkpoint", "/ledger/consistency?from=1", "/ledger/epochs", "/ledger/anchors"),
    ):
        got.append(json.dumps(await asked(party, path)))
    async with http.get(f"{url}/console/receipts/{books.job}/0/page") as page:
        assert page.status == 200
        got.append(await page.text())
    return "\n".join(got)


async def asked(party: Party, path: str) -> Any:
    return (await party.person.answered("GET", path))[1]


async def test_what_a_party_gets_has_nothing_of_the_other(
    gateway: Whole, http: aiohttp.ClientSession, books: Books
) -> None:
    """The search finds what is a party's own, and nothing of any other account."""
    salts = [salt_of(both, side) for _, both in books.transfers for side in ("debit", "credit")]
    assert len(set(salts)) == len(salts) == 2 * len(books.transfers)
    everybody = {name for row, _ in books.transfers for name in (row.debit, row.credit)}
    for party in (books.jane, books.otto):
        text = await documents_of(party, books, http, gateway.url)
        own = books.secrets(of=party.accounts & everybody)
        assert {secret for secret in own if secret in text} >= {str(party.id)}
        salts_of_own = {secret for secret in own if len(secret) == 64}
        assert salts_of_own
        assert all(salt in text for salt in salts_of_own)
        foreign = books.secrets(of=everybody - party.accounts) - own
        assert [secret for secret in foreign if secret in text] == []


async def test_neither_number_nor_id_nor_role_opens_the_other_side(books: Books) -> None:
    """The other entry of a transfer is as absent as one that does not exist."""
    for party, others in ((books.jane, books.otto), (books.otto, books.jane)):
        own = {number for number, _ in await entries_of(party)}
        assert own.isdisjoint(number for number, _ in await entries_of(others))
        for row, _ in books.transfers:
            keys = {2 * row.id - 1: row.key, 2 * row.id: UUID(int=row.key.int ^ 1)}
            for number, id_ in keys.items():
                for key in (number, id_):
                    status, found = await party.person.answered(
                        "GET", f"/ledger/{key}/proof?opening=true"
                    )
                    assert status == (200 if number in own else 404), (number, found)


async def test_both_parties_prove_the_same_leaf(books: Books) -> None:
    [(row, _)] = [one for one in books.transfers if one[0].reference == "between"]
    by_jane = await asked(books.jane, f"/ledger/{2 * row.id - 1}/proof?opening=true")
    by_otto = await asked(books.otto, f"/ledger/{2 * row.id}/proof?opening=true")
    assert by_jane["leaf"] == by_otto["leaf"]
    assert (by_jane["side"], by_otto["side"]) == ("debit", "credit")
    assert verify(by_jane).holds
    assert verify(by_otto).holds
    swapped = {**by_jane, "opening": by_otto["opening"]}
    assert [step.name for step in verify(swapped).steps if not step.holds] == ["opening"]
