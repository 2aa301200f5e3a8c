"""Tests of ``rendertrust earnings`` and ``disputes`` in separate processes, at a whole gateway."""

import csv
import io
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from rendertrust.cli import exit_codes
from rendertrust.node.state_folder import Enrolment, StateFolder
from rendertrust.protocol import JobDispatch, JobResult
from rendertrust.testing import Behaviour, FakeNode
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.client.conftest import Program
from tests.support.api_clients import Creator
from tests.support.attempts import attempt_of
from tests.support.http_gateway import settings_for_tests
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole

PICTURE = b"a picture"
PASSWORD = "securepassword123"


async def program_of(person: Creator, home: Path) -> Program:
    """Return the program, logged in as this user."""
    program = Program(person.url, home)
    words = ("login", person.email, "--password-stdin")
    told = await program.run(*words, typed=f"{PASSWORD}\n")
    assert told.code == 0, told
    return program


async def person(http: aiohttp.ClientSession, url: str, name: str) -> Creator:
    who = Creator(http, url, f"{name}@example.org")
    await who.register()
    return who


@pytest.fixture
async def site(database: PostgresEndpoint) -> AsyncGenerator[Whole]:
    """Run a gateway at which earnings mature at once."""
    async with whole(database, settings_for_tests(earnings={"dispute_hours": 0.0})) as running:
        yield running


@pytest.fixture
async def otto(site: Whole, http: aiohttp.ClientSession) -> Creator:
    return await person(http, site.url, "otto")


@pytest.fixture
def month() -> str:
    """Return the current month."""
    return f"{datetime.now(UTC):%Y-%m}"


async def test_an_operator_sees_what_was_earned_and_is_paid(
    site: Whole, jane: Creator, otto: Creator, tmp_path: Path, month: str
) -> None:
    program = await program_of(otto, tmp_path)
    told = await program.run("earnings")
    assert (told.code, "node join" in told.err) == (0, True)
    assert "They begin with the first frame that your nodes render" in told.err
    told = await program.run("earnings", "payout")
    assert (told.code, "Nothing is payable yet" in told.err) == (exit_codes.FAILURE, True)
    assert "rendertrust earnings list" in told.err
    assert "/operators/me" not in told.err, "the command names no paths of the API"
    jobs = [await complete_job(site, jane, otto) for _ in range(2)]
    await wait_until_payable(otto, "14.0000")
    rows = [line.split("\t") for line in (await program.run("earnings")).out.splitlines()]
    assert rows[0][:6] == ["EARNED", "AMOUNT", "WORTH", "STATE", "PAYABLE", "JOB"]
    assert [row[5] for row in rows[1:]] == jobs[::-1]
    assert {tuple(row[1:4]) for row in rows[1:]} == {("7", "≈ 0.49 USD", "payable")}
    await check_sums(program)
    told = await program.run("earnings", "payout")
    assert told.out == "Added 14 credits (≈ 0.98 USD) to your balance, for 2 units.\n"
    told = await program.run("earnings", "payouts", "--json")
    assert [each["amount"] for each in told.document["payouts"]] == ["14.0000"]
    told = await program.run("earnings", "list", "--state", "paid", "--json")
    assert told.document["totals"]["paid"] == "14.0000"
    told = await program.run("earnings", "statement", month)
    assert "earned    14 (≈ 0.98 USD)\n" in told.out
    assert "closing   0\n" in told.out
    told = await program.run("earnings", "statement", month, "--csv")
    kinds = [row["kind"] for row in csv.DictReader(io.StringIO(told.out))]
    assert kinds == ["earned", "earned", "paid"]
    told = await program.run("earnings", "statement", month, "--json")
    assert len(told.document["lines"]) == 3
    told = await program.run("earnings", "statement", "2026-13")
    assert told.code == exit_codes.USAGE
    await complete_job(site, jane, otto)
    await wait_until_payable(otto, "7.0000")
    told = await program.run("earnings", "payout", "--to", "money")
    assert told.out == "Requested 7 credits (≈ 0.49 USD) as money, for 1 unit.\n"


async def test_an_operator_sets_sees_and_stops_the_payout_account(
    site: Whole, otto: Creator, tmp_path: Path
) -> None:
    program = await program_of(otto, tmp_path)
    told = await program.run("earnings", "account")
    assert (told.code, "earnings account set" in told.err) == (exit_codes.NOT_FOUND, True)
    iban = "DE02 1203 0000 0000 2020 51"
    named = ("--method", "SEPA", "--account", iban, "--currency", "EUR")
    words = ("earnings", "account", "set", *named)
    told = await program.run(*words[:-2])
    assert (told.code, "Currency" in told.err) == (exit_codes.USAGE, True)
    told = await program.run(*words)
    assert (told.code, "No password" in told.err) == (exit_codes.USAGE, True)
    told = await program.run(*words, "--password-stdin", typed="another password\n")
    assert (told.code, "incorrect" in told.err) == (exit_codes.FAILURE, True), told
    told = await program.run(*words, "--password-stdin", typed=f"{PASSWORD}\n")
    assert (told.code, "…2051" in told.out, "1203" in told.out) == (0, True, False), told
    assert "until then  payouts of money wait" in told.out
    assert "earnings account stop" in told.err
    shown = (await program.run("earnings", "account", "--json")).document
    assert (shown["account"], shown["currency"], shown["until_then"]) == ("…2051", "eur", None)
    assert (await program.run("earnings", "account", "stop")).out == "The change is stopped.\n"
    told = await program.run("earnings", "account", "stop")
    assert told.code == exit_codes.NOT_FOUND
    assert (await program.run(*words, RENDERTRUST_PASSWORD=PASSWORD)).code == 0
    assert (await program.run("earnings", "account", "remove")).code == exit_codes.USAGE
    assert (await program.run("earnings", "account", "remove", "--yes")).code == 0
    assert (await program.run("earnings", "account", "show")).code == exit_codes.NOT_FOUND


async def check_sums(program: Program) -> None:
    """Check the sums by day and by node of two units that earned 7 credits each."""
    told = await program.run("earnings", "--by", "node")
    head, *rows = (line.split("\t") for line in told.out.splitlines())
    assert head == ["NODE", "EARNED", "WORTH", "LOST", "UNITS", "FRAMES", "WORKED", "PER HOUR"]
    assert [row[1:5] for row in rows] == [["7", "≈ 0.49 USD", "0", "1"]] * 2, (
        "each job has a node of its own"
    )
    assert "earned 14, worth ≈ 0.98 USD, lost 0" in told.err
    found = (await program.run("earnings", "--by", "day", "--json")).document
    assert (found["by"], found["total"]["earned"]) == ("day", "14.0000")
    assert [each["earned"] for each in found["sums"] if each["units"]] == ["14.0000"]
    told = await program.run("earnings", "--by", "device")
    assert (told.out, "No checked results" in told.err) == ("", True)
    told = await program.run("earnings", "--from", "2026-01-01", "--to", "2026-01-31")
    assert (told.out, "Choose another one" in told.err) == ("", True)
    told = await program.run(
        "earnings", "--by", "day", "--from", "2026-02-01", "--to", "2026-01-31"
    )
    assert told.code != 0
    told = await program.run("earnings", "--by", "day", "payouts")
    assert told.code == exit_codes.USAGE


async def test_the_node_of_a_machine_tells_what_it_earned_and_what_shows_it(
    site: Whole, jane: Creator, otto: Creator, tmp_path: Path, month: str
) -> None:
    program = await program_of(otto, tmp_path)
    job = await complete_job(site, jane, otto)
    await wait_until_payable(otto, "7.0000")
    [share] = (await program.run("earnings", "--json")).document["earnings"]
    state = tmp_path / "state"
    node = Enrolment(url=site.url, node_id=share["node_id"], name="box", token="t")
    StateFolder(state).enrol(node)
    words = ("node", "earnings", "--state", str(state))
    told = (await program.run(*words, "--json")).document
    assert (told["units"], told["totals"]) == (1, {"payable": "7.0000"})
    assert told["months"] == {month: {"payable": "7.0000"}}
    [shown] = told["earnings"]
    path, proof = share["receipt_path"], site.url + share["proof_path"]
    receipt = None if path is None else site.url + path
    assert shown == {**share, "receipt_url": receipt, "proof_url": proof}
    said = await program.run(*words)
    assert job in said.out, said
    assert f"{month}  7 (≈ 0.49 USD) payable" in said.out
    for period in (("--until", month), ("--since", "2999-01-01")):
        told = (await program.run(*words, *period, "--json")).document
        assert (told["units"], told["totals"], told["earnings"]) == (0, {}, [])
    told = (await program.run(*words, "--since", month, "--json")).document
    assert told["units"] == 1


async def test_a_creator_disputes_a_unit(
    database: PostgresEndpoint, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with whole(database, settings_for_tests()) as site:
        jane, otto = [await person(http, site.url, name) for name in ("jane", "otto")]
        program = await program_of(jane, tmp_path)
        told = await program.run("disputes", "list")
        assert (told.code, told.err) == (0, "No disputes.\n")
        job = await complete_job(site, jane, otto)
        told = await program.run("disputes", "open", job, "--reason", "it is black")
        assert told.out == f"Disputed: unit 0 of {job}, charged 10.\n"
        rows = (await program.run("disputes", "list")).out.splitlines()
        mine = ["open", "10", job, "0", "it is black", "-", "-"]
        assert rows[1].split("\t")[3:] == mine
        told = await program.run("disputes", "open", job, "--reason", "and white")
        assert (told.code, "already disputed" in told.err) == (exit_codes.FAILURE, True)
        told = await program.run("disputes", "open", job, "--unit", "1", "--reason", "x")
        assert told.code == exit_codes.NOT_FOUND
        told = await program.run("disputes", "open", job)
        assert told.code == exit_codes.USAGE
        compared = tmp_path / "compared.json"
        compared.write_text('{"rerendered": true, "verdict": "different", "reason": "darker"}')
        other = await complete_job(site, jane, otto)
        told = await program.run("disputes", "open", other, "--comparison", str(compared))
        assert (told.code, told.out) == (0, f"Disputed: unit 0 of {other}, charged 10.\n")
        for of in ((other,), (job, "--unit", "0")):
            told = await program.run("disputes", "picture", *of)
            assert (told.code, "has no picture" in told.err) == (exit_codes.NOT_FOUND, True)
        [row, _] = (await program.run("disputes", "list")).out.splitlines()[1:]
        assert "My own render of the frame differs." in row


async def test_the_list_has_disputes_of_own_jobs_and_about_own_nodes(
    database: PostgresEndpoint, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with whole(database, settings_for_tests()) as site:
        jane, otto = [await person(http, site.url, name) for name in ("jane", "otto")]
        program = await program_of(otto, tmp_path)
        jobs = [await complete_job(site, jane, otto), await complete_job(site, otto, jane)]
        body = {"reason": "too dark", "problem": "black"}
        for who, job in zip((jane, otto), jobs, strict=True):
            assert (await who.call("POST", f"/jobs/{job}/units/0/dispute", body))[0] == 201
        told = await program.run("disputes", "list")
        head, *rows = (line.split("\t") for line in told.out.splitlines())
        assert head[:5] == ["ID", "ABOUT", "OPENED", "STATE", "CREDITS"]
        shown = [(row[1], row[4], row[5], row[7]) for row in rows]
        assert shown == [("my job", "10", jobs[1], "too dark"), ("my node", "7", jobs[0], "black")]
        assert "disputes answer ID" in told.err
        said = ("disputes", "answer", rows[1][0][:8], "--text", "The lamp is hidden.")
        assert (await program.run(*said)).code == 0
        told = await program.run("disputes", "list", "--limit", "1", "--offset", "1")
        assert told.out.splitlines()[1].split("\t")[8] == "The lamp is hidden."
        assert "answer ID" not in told.err
        for only, about in (("--about-my-jobs", "job"), ("--about-my-nodes", "node")):
            found = (await program.run("disputes", "list", only, "--json")).document
            assert (found["count"], [one["about"] for one in found["disputes"]]) == (1, [about])
        found = (await program.run("disputes", "list", "--state", "upheld", "--json")).document
        assert found == {"disputes": [], "count": 0}


def renders(site: Whole) -> Behaviour:
    """Return a node's behaviour that stores a picture and reports the unit as completed."""

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        assert dispatch.output is not None
        await site.gateway.ports.objects.put(dispatch.output.key, PICTURE)
        done = JobResult(
            **attempt_of(dispatch),
            status="completed",
            result_ref=dispatch.output.key,
            size=len(PICTURE),
        )
        await node.send(done)

    return behave


async def complete_job(site: Whole, creator: Creator, owner: Creator) -> str:
    """Let a node of the owner complete a job, and return its id."""
    async with FakeNode(owner.url, user_token=owner.token, behave=renders(site)):
        status, placed = await creator.dispatch("render", queue=True)
        assert status in (200, 202), placed
        await creator.job_within(placed["job_id"], "COMPLETED")
    return str(placed["job_id"])


async def wait_until_payable(owner: Creator, amount: str) -> None:
    """Wait until this amount has matured."""

    async def is_payable() -> bool:
        _, found = await owner.call("GET", "/operators/me/earnings")
        return bool(found["totals"]["payable"] == amount)

    await until(is_payable)
