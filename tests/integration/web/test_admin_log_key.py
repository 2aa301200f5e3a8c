"""Tests of ``rendertrust admin keys log`` on a database in which a gateway has begun a log."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rendertrust.merkle import Frontier
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemRandom
from tests.support.databases import execute
from tests.support.engines import LoopThread
from web.commands.admin import admin
from web.log.log_keys import fresh, key_file, keys_of

ORIGIN = "farm.example/log"


@pytest.fixture
def data(tmp_path: Path, database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a data folder with a log key, whose settings name the database of the test."""
    monkeypatch.setenv("RENDERTRUST_DATABASE_URL", database.app_dsn)
    path = key_file(tmp_path)
    path.parent.mkdir()
    path.write_text(fresh(SystemRandom()) + "\n")
    return tmp_path


def call(data: Path, *words: str) -> Any:
    ended = CliRunner().invoke(admin, ["keys", "log", "--json", "--data", str(data), *words])
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def begin(loop: LoopThread, database: PostgresEndpoint, data: Path) -> str:
    """Begin a log with the folder's key, and return the public key in the form of a signed note."""
    verifier = str(keys_of(key_file(data).read_text().split()).verifiers(ORIGIN)[0])
    root = Frontier().root().hex()
    for statement in (
        f"INSERT INTO log_head VALUES (true, '{ORIGIN}', 0, '\\x{root}', 0)",
        f"INSERT INTO log_keys VALUES ('{verifier}', now())",
    ):
        loop.run(execute(database.owner_dsn, statement))
    return verifier


def test_before_a_log_has_begun_there_is_nothing_to_show(data: Path) -> None:
    ended = CliRunner().invoke(admin, ["keys", "log", "--data", str(data)])
    assert ended.exit_code == 1
    assert "The log begins when a gateway first runs" in ended.output


def test_the_key_is_shown_rotated_and_adopted(
    data: Path, database: PostgresEndpoint, engine_loop: LoopThread
) -> None:
    first = begin(engine_loop, database, data)
    assert call(data) == {"origin": ORIGIN, "verifier": first, "counts": True, "known": [first]}
    rotated = call(data, "--rotate")
    assert rotated["verifier"] != first
    assert not rotated["counts"]  # the new key counts once a gateway has signed with both
    assert len(key_file(data).read_text().split()) == 2
    adopted = call(data, "--adopt", "--reason", "the disk burnt")
    assert adopted["counts"]
    assert call(data)["known"] == sorted([first, rotated["verifier"]])
    again = call(data, "--adopt")
    assert again["counts"]


def test_without_a_key_it_says_who_makes_one(
    data: Path, database: PostgresEndpoint, engine_loop: LoopThread
) -> None:
    begin(engine_loop, database, data)
    key_file(data).unlink()
    for words in ((), ("--rotate",)):
        ended = CliRunner().invoke(admin, ["keys", "log", "--data", str(data), *words])
        assert ended.exit_code == 2
        assert "a gateway creates one when it starts" in ended.output


def test_a_key_of_the_settings_is_rotated_there(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDERTRUST_PROOF_KEY", "01" * 32)
    ended = CliRunner().invoke(admin, ["keys", "log", "--rotate", "--data", str(data)])
    assert ended.exit_code == 1
    assert "proof.previous_key" in ended.output
