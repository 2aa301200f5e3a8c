"""Tests of commands on a folder that is no data folder, and on a database without a schema."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import execute, with_database
from tests.support.engines import LoopThread
from web.commands.database import status
from web.commands.fsck import fsck


@pytest.mark.parametrize("command", [fsck, status])
def test_a_folder_without_a_database_is_named_and_left_alone(
    command: click.Command, tmp_path: Path
) -> None:
    folder = tmp_path / "mistyped"
    ended = CliRunner().invoke(command, ["--data", str(folder)])
    assert ended.exit_code == 2
    assert f"{folder} is not a gateway's data folder" in ended.output
    assert not folder.exists()


def test_books_without_a_schema_are_told_how_to_get_one(
    engine_loop: LoopThread, postgres_endpoint: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_loop.run(execute(postgres_endpoint.owner_dsn, "CREATE DATABASE bare"))
    bare = with_database(postgres_endpoint.owner_dsn, "bare")
    monkeypatch.setenv("RENDERTRUST_DATABASE_URL", bare)
    ended = CliRunner().invoke(fsck)
    assert ended.exit_code == 1
    assert "run `rendertrust db migrate`" in ended.output
