"""The commands of the database and the books, on a folder that is none."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from web.commands.database import status
from web.commands.fsck import fsck


@pytest.mark.parametrize("command", [fsck, status])
def test_a_folder_without_a_database_is_named_and_left_alone(
    command: click.Command, tmp_path: Path
) -> None:
    folder = tmp_path / "mistyped"
    ended = CliRunner().invoke(command, ["--data", str(folder)])
    assert ended.exit_code == 2
    assert f"{folder} is no gateway's data folder" in ended.output
    assert not folder.exists()
