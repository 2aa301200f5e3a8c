"""``--help`` of the scripts answers before any setup, with the same text as the command."""

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


def test_the_builder_of_the_extension_tells_its_options_before_anything_is_set_up(
    tmp_path: Path,
) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for name in ("extension", "python", "blender_extension.py"):
        (scripts / name).write_bytes((SCRIPTS / name).read_bytes())
        (scripts / name).chmod(0o755)
    told = subprocess.run(
        ["bash", scripts / "extension", "--help"], capture_output=True, text=True, check=False
    )
    assert "--platform" in told.stdout, told.stderr
