"""Command lines that are answered without importing other modules."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rendertrust.cli import argv, catalogue, exit_codes
from rendertrust.cli.argv import Arguments

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    "typed",
    [
        ["--url", "http://x", "--json", "jobs", "list"],
        ["jobs", "--json", "list", "--url=http://x"],
        ["jobs", "list", "--url", "http://x", "--json"],
    ],
)
def test_the_options_of_every_command_stand_anywhere(typed: list[str]) -> None:
    assert argv.split(typed) == Arguments(("jobs", "list"), "http://x", True)


def test_what_stands_after_two_dashes_is_left_alone() -> None:
    assert argv.split(["submit", "--", "--json"]) == Arguments(
        ("submit", "--", "--json"), None, False
    )


def test_a_url_option_without_a_url_is_told() -> None:
    with pytest.raises(argv.UrlMissing):
        argv.split(["jobs", "--url"])


def test_the_command_is_the_first_word_that_is_no_option() -> None:
    assert argv.split(["--json", "--data", "d", "serve"]).command == "d"
    assert argv.split(["--json", "serve", "--data", "d"]).command == "serve"
    assert argv.split([]).command is None


def test_every_command_is_in_the_overview() -> None:
    for name in catalogue.COMMANDS:
        assert f"\n  {name} " in catalogue.overview()
    assert max(len(line) for line in catalogue.overview().splitlines()) <= 80


def test_exit_codes_as_json() -> None:
    answer = argv.quick(Arguments(("help", "exit-codes"), None, True))
    assert answer is not None
    assert json.loads(answer)[str(exit_codes.UNAVAILABLE)].startswith("temporarily")


@pytest.mark.parametrize("words", [("--help",), ("version",), ("help", "exit-codes")])
def test_quick_answers_import_nothing_heavy(words: tuple[str, ...]) -> None:
    """Quick answers must import no heavy module; bench/startup.py measures how long they take."""
    code = (
        f"import sys; sys.argv[1:] = {list(words)!r}\n"
        "from rendertrust.__main__ import main\n"
        "assert main() == 0\n"
        "heavy = {'click', 'rich', 'aiohttp', 'asyncio', 'attrs', 'orjson', 'cryptography'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=ROOT, stderr=subprocess.PIPE
    )
    assert done.returncode == 0, done.stderr


def test_wrong_use_does_not_import_the_client() -> None:
    code = (
        "import sys; sys.argv[1:] = ['jobs', 'lst']\n"
        "from rendertrust.__main__ import main\n"
        "assert main() == 2\n"
        "assert 'aiohttp' not in sys.modules and 'rich' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=ROOT, stderr=subprocess.PIPE
    )
    assert done.returncode == 0, done.stderr
