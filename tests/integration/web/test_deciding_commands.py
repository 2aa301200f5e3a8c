"""Tests of ``rendertrust admin payouts`` and ``disputes`` on a database, without a running
gateway.
"""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import attrs
import orjson
import pytest

from config.settings import Proof
from sql.database import Database
from sql.disputes import Disputes
from sql.payout_accounts import PayoutAccounts, SealedAccount
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.earnings import Work, dispute, ripened, take, worked
from tests.integration.conformance.stage import Stage
from tests.integration.web.test_admin_commands import call, parsed
from tests.support.engines import LoopThread
from web.log.log_keys import given

KEY = "5e" * 32


@attrs.frozen
class Books:
    """Earnings, payouts and disputes in the database that the commands use."""

    loop: LoopThread
    stage: Stage
    pool: Database

    def requested(self, *, with_account: bool = True) -> str:
        """Create a new operator's request for a payout in money, and return its id."""

        async def make() -> str:
            operator = await self.stage.user()
            await ripened(self.stage, operator)
            if with_account:
                await self._set_account(operator)
            return str(await take(self.stage, operator, "MONEY"))

        return self.loop.run(make())

    async def _set_account(self, operator: UUID) -> None:
        text = orjson.dumps({"user": str(operator), "method": "SEPA", "account": "DE02"})
        sealed, now = given(Proof(key=KEY)).seal(text, bytes(12)), datetime.now(UTC)
        row = SealedAccount(operator, sealed, "eur", now, now)
        assert await PayoutAccounts(self.pool).set(row)

    def disputed(self, *, by_gateway: bool = False) -> tuple[Work, str]:
        """Create a disputed unit; return its ``Work`` and the dispute's id."""

        async def make() -> tuple[Work, str]:
            work = await worked(self.stage, await self.stage.user())
            await dispute(self.stage, work, by_gateway=by_gateway)
            row = await Disputes(self.pool).of_unit(work.job, 0)
            assert row is not None
            return work, str(row.id)

        return self.loop.run(make())

    def audit(self) -> list[tuple[str, str, str]]:
        async def read() -> list[tuple[str, str, str]]:
            async with self.pool.connection() as connection:
                rows = await connection.fetch(
                    "SELECT act, target, reason FROM audit ORDER BY number"
                )
            return [tuple(row) for row in rows]

        return self.loop.run(read())

    def findings(self) -> Any:
        return self.loop.run(self.stage.store.audit())


@pytest.fixture(autouse=True)
def _settings(database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENDERTRUST_DATABASE_URL", database.app_dsn)
    monkeypatch.setenv("RENDERTRUST_PROOF_KEY", KEY)


@pytest.fixture
def books(database: PostgresEndpoint, engine_loop: LoopThread) -> Iterator[Books]:
    pool = Database(lambda: database.app_dsn)
    made = Books(engine_loop, sql_stage(pool), pool)
    yield made
    assert made.findings() == []
    engine_loop.run(pool.close())


def batch_of(payout: str) -> str:
    [row] = [row for row in parsed("payouts", "list")["payouts"] if row["id"] == payout]
    return str(row["batch_id"])


def test_payouts_are_approved_exported_and_noted(books: Books) -> None:
    first, second = books.requested(), books.requested()
    listed = call("payouts", "list", "--state", "requested").output.splitlines()
    assert [line.split("\t")[:3] for line in listed] == [
        [second, "requested", "money"],
        [first, "requested", "money"],
    ]
    ended = call("payouts", "approve", first, second, "--reason", "checked", typed="y\n")
    assert ended.exit_code == 0, ended.output
    assert "Approve 2 payouts, 0.014 credits in total? [y/N]" in ended.output
    batch = batch_of(first)
    assert batch == batch_of(second)
    text = call("payouts", "export", batch).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["payout_id"] for row in rows} == {first, second}
    assert {(row["amount"], row["state"]) for row in rows} == {("0.0070", "approved")}
    words = ("payouts", "paid", batch, "--reference", "wire 1", "--reason", "sent")
    ended = call(*words, "--yes")
    assert ended.exit_code == 0, ended.output
    assert "2 payouts marked as paid." in ended.output
    assert "0 payouts marked as paid." in call(*words, "--yes").output
    other = ("payouts", "paid", batch, "--reference", "wire 2", "--reason", "sent", "--yes")
    assert (call(*other).exit_code, "under 'wire 1'" in call(*other).output) == (1, True)
    assert {p["state"] for p in parsed("payouts", "list")["payouts"]} == {"paid"}
    acts = books.audit()
    assert acts[0] == ("payout.approve", f"batch:{batch}", "checked")
    assert {act[1] for act in acts[1:]} == {f"payout:{first}", f"payout:{second}"}
    assert len(acts) == 3


def test_a_payout_without_an_account_is_not_approved(books: Books) -> None:
    first, second = books.requested(), books.requested(with_account=False)
    ended = call("payouts", "approve", first, second, "--reason", "checked", "--yes")
    assert (ended.exit_code, "no payout account that can be used now" in ended.output) == (1, True)
    assert {row["state"] for row in parsed("payouts", "list")["payouts"]} == {"requested"}
    assert books.audit() == []


def test_a_payout_is_rejected(books: Books) -> None:
    payout = books.requested()
    ended = call("payouts", "reject", payout, "--reason", "no account", "--yes")
    assert ended.exit_code == 0, ended.output
    assert ended.output.split("\t")[1] == "rejected"
    ended = call("payouts", "approve", payout, "--reason", "checked", "--yes")
    assert (ended.exit_code, "It is rejected already: nothing was done" in ended.output) == (
        1,
        True,
    )


def test_a_payout_that_may_be_on_the_way_is_rejected_by_saying_that_it_is_not(
    books: Books,
) -> None:
    payout = books.requested()
    assert call("payouts", "approve", payout, "--reason", "checked", "--yes").exit_code == 0
    words = ("payouts", "reject", payout, "--reason", "it came back", "--yes")
    ended = call(*words)
    assert (ended.exit_code, "--not-paid" in ended.output) == (1, True)
    [found] = parsed(*words, "--not-paid")["payouts"]
    assert found["state"] == "rejected"
    assert [act[0] for act in books.audit()] == ["payout.approve", "payout.reject"]


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("\n", 1), ("", 2)])
def test_without_a_yes_nothing_is_done(books: Books, typed: str, code: int) -> None:
    payout = books.requested()
    ended = call("payouts", "approve", payout, "--reason", "checked", typed=typed)
    assert ended.exit_code == code
    assert parsed("payouts", "list")["payouts"][0]["state"] == "requested"
    assert books.audit() == []


def test_a_dispute_is_upheld(books: Books) -> None:
    work, id_ = books.disputed()
    listed = call("disputes", "list", "--state", "open").output
    assert listed == f"{id_}\topen\t0.0100\t{work.job}\t0\tall black\n"
    ended = call("disputes", "uphold", id_, "--reason", "it is", typed="y\n")
    assert ended.exit_code == 0, ended.output
    assert f"Uphold this: unit 0 of {work.job}, 0.01: all black? [y/N]" in ended.output
    assert books.loop.run(books.stage.of_user(work.creator)) == (100, 0)
    again = call("disputes", "uphold", id_, "--reason", "it is", "--yes")
    assert again.exit_code == 0  # the dispute is upheld already
    other = call("disputes", "reject", id_, "--reason", "it is not", "--yes")
    assert (other.exit_code, "It is upheld already" in other.output) == (1, True)
    assert books.audit() == [("dispute.uphold", f"dispute:{id_}", "it is")]


def test_disputes_of_the_gateways_are_listed_alone(books: Books) -> None:
    books.disputed()
    assert call("disputes", "list", "--withheld").output == ""
    _, id_ = books.disputed(by_gateway=True)
    [found] = parsed("disputes", "list", "--withheld")["disputes"]
    assert (found["id"], found["by_gateway"]) == (id_, True)


def test_a_dispute_is_rejected(books: Books) -> None:
    _, id_ = books.disputed()
    [found] = parsed("disputes", "reject", id_, "--reason", "it is fine", "--yes")["disputes"]
    assert (found["state"], found["decision"]) == ("rejected", "it is fine")


def test_the_beginning_of_an_id_suffices(books: Books) -> None:
    work, id_ = books.disputed()
    refused = call("disputes", "reject", "ffff0000", "--reason", "it is fine", "--yes")
    assert (refused.exit_code, "No id begins with ffff0000" in refused.output) == (1, True)
    wrong = call("disputes", "reject", "no-id", "--reason", "it is fine", "--yes")
    assert (wrong.exit_code, "nor the first 4" in wrong.output) == (2, True)
    [found] = parsed("disputes", "reject", id_[:13], "--reason", "fine", "--yes")["disputes"]
    assert (found["id"], found["state"], found["job_id"]) == (id_, "rejected", str(work.job))
    payout = books.requested()
    assert call("payouts", "approve", payout[:23], "--reason", "checked", "--yes").exit_code == 0
    batch = batch_of(payout)
    assert payout in call("payouts", "export", batch[:8]).stdout


@pytest.mark.parametrize(
    "words",
    [
        ("payouts", "export"),
        ("payouts", "paid", "--reference", "w", "--reason", "r", "--yes"),
        ("payouts", "reject", "--reason", "r", "--yes"),
        ("payouts", "approve", "--reason", "r", "--yes"),
        ("disputes", "uphold", "--reason", "r", "--yes"),
    ],
)
def test_what_is_not_there_is_told(words: tuple[str, ...]) -> None:
    ended = call(*words, str(uuid4()))
    assert ended.exit_code == 1
    assert ended.output.startswith("Error: The")


def test_a_reason_is_a_reason(books: Books) -> None:
    for reason in ("", "x" * 501):
        ended = call("disputes", "uphold", str(uuid4()), "--reason", reason, "--yes")
        assert (ended.exit_code, "1 to 500 characters" in ended.output) == (2, True)
