"""``scripts/demo --help`` answers before anything is set up, and as the command itself does."""

import subprocess
from pathlib import Path

from click.testing import CliRunner

from web.commands.demo import demo

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


def test_the_script_tells_the_commands_options_before_anything_is_set_up(tmp_path: Path) -> None:
    for name in ("demo", "demo_help.txt"):
        (tmp_path / name).write_bytes((SCRIPTS / name).read_bytes())
    told = subprocess.run(
        ["bash", tmp_path / "demo", "--help"], capture_output=True, text=True, check=True
    )
    _, _, options = CliRunner().invoke(demo, ["--help"]).output.partition("Options:\n")
    assert options in told.stdout
