"""Tests of ``rendertrust chain`` over a real node as an external chain: deploy, status, reopen and
errors.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner
from eth_account import Account

from actors.anchor.actor import AnchorActor
from actors.anchor.policy import AnchorSettings
from actors.ports import Anchored
from rendertrust.cli.command_exit import CommandExit
from sql.anchors import Anchors
from sql.audit_log import AuditLog
from sql.database import Database
from sql.database_swap import connected
from sql.fsck import run_fsck
from sql.halts import SeenHead
from sql.proofs import Proofs
from supervisors.engines.anvil import ChainEndpoint
from supervisors.engines.chain_web3 import Web3Chain
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.test_log import ask_for_checkpoint, post_transfers, sequencing
from tests.integration.engines.test_chain_conformance import EMPTY, done
from tests.support.databases import execute
from tests.support.engines import LoopThread
from tests.support.examples import series
from tests.support.until import until
from tests.twins.signer import TwinSigner
from web.commands.chain import chain as command
from web.commands.fsck import fsck
from web.log.newest_checkpoint import FileMemory, memory_file

ROOT = b"r" * 32


class Place:
    """A database with a log, an external chain, and a file with the key for it."""

    def __init__(
        self, loop: LoopThread, database: PostgresEndpoint, node: ChainEndpoint, folder: Path
    ) -> None:
        self.loop, self.database, self.node = loop, database, node
        self.account: Any = Account.create()
        self.key = folder / "key"
        self.key.write_text(self.account.key.hex() + "\n")

    def settings(self) -> dict[str, str]:
        return {
            "RENDERTRUST_DATABASE_URL": self.database.app_dsn,
            "RENDERTRUST_CHAIN_URL": self.node.url,
            "RENDERTRUST_CHAIN_CHAIN_ID": str(self.node.chain_id),
            "RENDERTRUST_CHAIN_KEY_FILE": str(self.key),
            "RENDERTRUST_CHAIN_CONFIRMATIONS": "1",
        }

    async def fund(self) -> None:
        call = {"jsonrpc": "2.0", "id": 1, "method": "anvil_setBalance"}
        call |= {"params": [self.account.address, hex(10**20)]}
        async with aiohttp.ClientSession() as http, http.post(self.node.url, json=call) as answer:
            assert "error" not in await answer.json()

    async def log(self, transfers: int) -> None:
        """Add this many transfers to the log, and a checkpoint that covers them."""
        pool = Database(lambda: self.database.app_dsn)
        stage = sql_stage(pool)
        async with sequencing(stage) as ref:
            await post_transfers(stage, transfers)
            await ask_for_checkpoint(ref)
        await pool.close()

    async def origin(self) -> str:
        """Return the log's name."""
        async with connected(self.database.app_dsn) as connection:
            return str(await connection.fetchval("SELECT origin FROM log_head"))

    async def root(self, size: int) -> bytes:
        """Return the root of the log's first ``size`` leaves."""
        pool = Database(lambda: self.database.app_dsn)
        root = await Proofs(pool).root(size)
        await pool.close()
        return root

    async def contract(self) -> str:
        """Deploy another contract of the same sender, which the database does not know."""
        endpoint = ChainEndpoint(self.node.url, self.node.chain_id, self.account.key.hex())
        chain = Web3Chain(CurrentEndpoint(endpoint), fee_cap_gwei=100)
        signed = await chain.sign_deploy((await chain.state()).nonce, await chain.bid())
        await chain.send(signed.raw)
        await done(chain, signed.hash)
        await chain.close()
        return str(signed.contract)

    async def anchor(self, contract: str, size: int, root: bytes, previous: bytes = EMPTY) -> str:
        """Anchor a root that is not recorded in the database; return the transaction's hash."""
        chain = Web3Chain(
            CurrentEndpoint(
                ChainEndpoint(self.node.url, self.node.chain_id, self.account.key.hex())
            ),
            fee_cap_gwei=100,
        )
        bid, nonce = await chain.bid(), (await chain.state()).nonce
        signed = await chain.sign_anchor(contract, Anchored(size, root), previous, nonce, bid)
        await chain.send(signed.raw)
        await done(chain, signed.hash)
        await chain.close()
        return signed.hash

    async def anchored(self) -> None:
        """Anchor the newest checkpoint as a gateway does, after deploying a contract if there is
        none.
        """
        endpoint = ChainEndpoint(self.node.url, self.node.chain_id, self.account.key.hex())
        chain = Web3Chain(CurrentEndpoint(endpoint), fee_cap_gwei=100)
        pool = Database(lambda: self.database.app_dsn)
        anchors = Anchors(pool)
        settings = AnchorSettings(anchor_seconds=0.0)
        signer = TwinSigner()
        anchor = AnchorActor(chain, anchors, SystemClock(), settings=settings, signer=signer)

        async def done() -> bool:
            await anchor.run_once()
            due = await anchors.due()
            confirmed = await anchors.confirmed(1)
            return due is not None and [(row.size, row.root) for row in confirmed] == [due]

        await until(done)
        await chain.close()
        await pool.close()

    async def owner(self, statement: str) -> None:
        """Run a statement as the owner of the database."""
        await execute(self.database.owner_dsn, statement)

    async def acts(self) -> list[tuple[str, str, Any]]:
        pool = Database(lambda: self.database.app_dsn)
        rows = await AuditLog(pool).page(None, None, 10)
        await pool.close()
        return [(row.act, row.reason, row.details) for row in rows]

    async def findings(self) -> list[str]:
        async with connected(self.database.app_dsn) as connection:
            return [found.invariant for found in await run_fsck(connection)]


@pytest.fixture
def place(
    engine_loop: LoopThread,
    database: PostgresEndpoint,
    anvil: ChainEndpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    place = Place(engine_loop, database, anvil, tmp_path)
    for name, value in place.settings().items():
        monkeypatch.setenv(name, value)
    engine_loop.run(place.fund())
    engine_loop.run(place.log(4))
    return place


def call(*words: str, code: int = 0) -> Any:
    ended = CliRunner().invoke(command, [*words, "--json"], standalone_mode=False)
    assert ended.exception is None, (ended.exception, ended.output)
    assert (ended.return_value or 0) == code, ended.output
    return json.loads(ended.stdout)


def error_of(*words: str) -> str:
    """Run a command that fails, and return its error message."""
    ended = CliRunner().invoke(command, list(words), standalone_mode=False)
    assert ended.exception is not None, ended.output
    return getattr(ended.exception, "message", None) or str(ended.exception)


def test_a_contract_is_made_once_and_shown(place: Place) -> None:
    before = call("status")
    assert (before["contract"], before["anchored"], before["agrees"]) == (None, None, True)
    assert (before["anchorer"], before["private"]) == (place.account.address, False)
    made = call("deploy")
    assert (made["made"], made["chain_id"]) == (True, place.node.chain_id)
    again = call("deploy")
    assert (again["made"], again["contract"]) == (False, made["contract"])
    after = call("status")
    assert (after["contract"], after["anchored"], after["pending"]) == (made["contract"], 0, [])
    assert after["leaves"] == 4
    told = CliRunner().invoke(command, ["status"], standalone_mode=False).output
    assert f"contract   {made['contract']}" in told
    assert "the chain agrees with the database" in told
    assert "nothing to reopen" in error_of("reopen", "--reason", "x", "--yes")


def test_a_log_that_the_chain_has_more_of_is_reopened_by_a_word(place: Place) -> None:
    contract = call("deploy")["contract"]
    place.loop.run(place.anchor(contract, 50, ROOT))
    found = call("status", code=1)
    assert (found["agrees"], found["anchored"]) == (False, 50)
    assert "an older backup was restored" in found["difference"]
    assert found["missing"] == [1]
    ended = CliRunner().invoke(fsck, ["--json"])
    assert ended.exit_code == 1
    assert {one["invariant"] for one in json.loads(ended.stdout)["findings"]} == {"I12"}
    assert "reason" in error_of("reopen")
    assert "Not confirmed" in error_of("reopen", "--reason", "the disk died")
    reopened = call("reopen", "--reason", "the disk died", "--yes")
    assert (reopened["epoch"], reopened["leaves"], reopened["lost"]) == (2, 4, 46)
    assert (reopened["contract"], reopened["size"], reopened["root"]) == (contract, 50, ROOT.hex())
    assert reopened["origin"].partition("/epoch/")[2].startswith("2-")
    act, reason, details = place.loop.run(place.acts())[0]
    assert (act, reason, details["lost"]) == ("chain.reopen", "the disk died", 46)
    after = call("status")
    assert (after["agrees"], after["contract"], after["leaves"]) == (True, None, 5)
    fresh = call("deploy")
    assert (fresh["made"], fresh["contract"] != contract) == (True, True)
    place.loop.run(place.log(4))
    assert place.loop.run(place.findings()) == []
    ended = CliRunner().invoke(fsck, [])
    assert (ended.exit_code, ended.stdout) == (0, "the books are in order\n")
    assert ended.stderr.startswith(
        "known: leaves 4 to 49 of the log, given up at the reopening of "
    )
    told = json.loads(CliRunner().invoke(fsck, ["--json"]).stdout)
    assert told["findings"] == []
    assert [(one["number"], one["first"], one["last"]) for one in told["given_up"]] == [(2, 4, 49)]


def test_a_database_that_went_its_own_way_is_reopened(place: Place) -> None:
    """The chain has another root at a size that the database has as well."""
    contract, ours = call("deploy")["contract"], place.loop.run(place.root(2))
    place.loop.run(place.anchor(contract, 2, ours))
    place.loop.run(place.anchor(contract, 4, ROOT, ours))
    assert "another root at 4 leaves" in call("status", code=1)["difference"]
    found = call("reopen", "--reason", "two gateways", "--yes")
    assert (found["leaves"], found["size"], found["lost"]) == (4, 4, 0)
    _, _, details = place.loop.run(place.acts())[0]
    assert {**found, **details} == found
    assert call("status")["agrees"]


def test_what_is_left_behind_is_shown_before_and_after(place: Place) -> None:
    """The backup is from before an earlier reopening, so two contracts have leaves that the
    database lacks.
    """
    first, ours = call("deploy")["contract"], place.loop.run(place.root(2))
    place.loop.run(place.anchor(first, 2, ours))
    place.loop.run(place.anchor(first, 30, ROOT, ours))
    second = place.loop.run(place.contract())
    place.loop.run(place.anchor(second, 50, b"s" * 32))
    left = call("status", code=1)["left_behind"]
    assert (left["contract"], left["size"], left["leaves"], left["lost"]) == (second, 50, 4, 46)
    assert left["others"] == [{"contract": first, "size": 30, "root": ROOT.hex()}]
    told = CliRunner().invoke(command, ["status"], standalone_mode=False).output
    lines = (
        "Here: 4 leaves of the log. Lost: at least 46.",
        f"Given up: contract {second}, with 50 leaves.",
        f"Given up: contract {first}, with 30 leaves.",
    )
    assert all(line in told for line in lines), told
    asked = CliRunner().invoke(command, ["reopen", "--reason", "x"], standalone_mode=False)
    assert all(line in asked.stderr for line in lines)  # shown before the operator confirms
    ended = CliRunner().invoke(fsck, ["--json"])
    found = [one["found"] for one in json.loads(ended.stdout)["findings"]]
    assert all(any(contract in one for one in found) for contract in (first, second))
    assert call("reopen", "--reason", "the disk died", "--yes")["others"] == left["others"]
    after = call("status")
    assert (after["agrees"], after["left_behind"]) == (True, None)
    (epoch,) = after["epochs"]
    assert (epoch["number"], epoch["leaves"], epoch["size"]) == (2, 4, 50)
    told = CliRunner().invoke(command, ["status"], standalone_mode=False).output
    assert f"after 4 leaves; given up: contract {second}, with 50 leaves" in told


@pytest.mark.parametrize(
    "removed",
    series(["size = 4", "size = 6", "size IS NULL", "true"], ["size = 4", "size IS NULL"]),
)
def test_a_row_that_was_removed_is_a_difference(place: Place, removed: str) -> None:
    """Removed are the newest transaction, a middle one, the contract's deployment, or all rows."""
    for _ in range(2):
        place.loop.run(place.anchored())
        place.loop.run(place.log(2))
    assert call("status")["agrees"]
    place.loop.run(place.owner(f"DELETE FROM chain_transactions WHERE {removed}"))
    found = call("status", code=1)
    assert not found["agrees"]
    assert found["missing"] or found["unmade"] or found["strays"], found
    told = CliRunner().invoke(command, ["status"], standalone_mode=False).output
    assert "the database lacks transactions: `rendertrust chain reopen`" in told
    assert call("reopen", "--reason", "a row was removed", "--yes")["lost"] == 0
    assert call("status")["agrees"]


def test_a_database_that_was_put_back_is_reopened_though_the_chain_agrees(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was anchored yet, but a gateway kept a checkpoint of nine leaves."""
    monkeypatch.setenv("RENDERTRUST_DATA", str(tmp_path))
    origin, at = place.loop.run(place.origin()), datetime.now(UTC) + timedelta(seconds=90)
    memory = FileMemory(memory_file(tmp_path))
    memory_file(tmp_path).parent.mkdir()
    asyncio.run(memory.note(SeenHead(origin, 9, ROOT, at)))  # noted with a clock that is fast
    found = call("status", code=1)
    assert (found["agrees"], found["contract"]) == (True, None)
    assert "a checkpoint of 9 leaves" in found["halted"]
    reopened = call("reopen", "--reason", "put back", "--yes")
    assert (reopened["epoch"], reopened["leaves"], reopened["size"]) == (2, 4, 0)
    assert reopened["contract"] == "0x" + "0" * 40
    assert reopened["kept"] == {"origin": origin, "size": 9, "root": ROOT.hex()}
    assert reopened["lost"] == 5
    after = call("status")
    assert (after["agrees"], after["halted"], after["leaves"]) == (True, None, 5)
    assert "nothing to reopen" in error_of("reopen", "--reason", "x", "--yes")
    place.loop.run(place.log(4))
    assert place.loop.run(place.findings()) == []
    assert call("deploy")["made"]


def test_without_a_chain_the_epoch_names_what_the_gateway_kept(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RENDERTRUST_CHAIN_URL")
    monkeypatch.setenv("RENDERTRUST_DATA", str(tmp_path))
    assert "nothing to reopen" in error_of("reopen", "--reason", "x", "--yes")
    origin, at = place.loop.run(place.origin()), datetime.now(UTC)
    memory = FileMemory(memory_file(tmp_path))
    memory_file(tmp_path).parent.mkdir()
    asyncio.run(memory.note(SeenHead(origin, 9, ROOT, at)))
    reopened = CliRunner().invoke(
        command, ["reopen", "--reason", "put back", "--yes"], standalone_mode=False
    )
    assert reopened.output.splitlines()[1:3] == [
        "Here: 4 leaves of the log. Lost: at least 5.",
        "Given up: a checkpoint of 9 leaves that a gateway kept.",
    ]
    assert "nothing to reopen" in error_of("reopen", "--reason", "x", "--yes")
    place.loop.run(place.log(4))
    assert place.loop.run(place.findings()) == []
    ((act, reason, details),) = place.loop.run(place.acts())
    assert (act, reason, details["chain_id"]) == ("chain.reopen", "put back", 0)
    for name, value in place.settings().items():
        monkeypatch.setenv(name, value)
    shown = CliRunner().invoke(command, ["status"], standalone_mode=False).output
    assert "after 4 leaves; given up: a checkpoint of 9 leaves" in shown


def test_a_chain_that_is_away_or_another_is_said_to_be(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("RENDERTRUST_CHAIN_CHAIN_ID", "7")
        ended = CliRunner().invoke(command, ["status"], standalone_mode=False)
        assert isinstance(ended.exception, CommandExit)
        assert ended.exception.ending.code == 75
        assert f"it is chain {place.node.chain_id}, not 7" in ended.exception.ending.detail
    with monkeypatch.context() as changed:
        changed.setenv("RENDERTRUST_CHAIN_URL", "http://127.0.0.1:9")
        ended = CliRunner().invoke(command, ["status"], standalone_mode=False)
        assert isinstance(ended.exception, CommandExit)
        assert "does not answer" in ended.exception.ending.detail
        unasked = CliRunner().invoke(fsck, [])
        assert unasked.exit_code == 75
        assert "I12 was not checked against the chain" in unasked.output


def test_what_is_set_wrongly_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("RENDERTRUST_CHAIN_URL", "")
        assert "No chain is configured" in error_of("status")
    place.key.write_text("not a key")
    assert "64 hexadecimal digits" in error_of("status")
    place.key.unlink()
    assert "chain.key_file cannot be read" in error_of("deploy")


def test_without_money_a_contract_is_refused_and_why(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.key.write_text("11" * 32)
    assert "The chain refuses the transaction" in error_of("deploy")
    assert call("status")["balance_wei"] == "0"
