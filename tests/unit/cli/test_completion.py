"""Shell completion, in the shells themselves."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from rendertrust.cli import catalogue
from rendertrust.cli.completion import SHELLS, completions

ROOT = Path(__file__).resolve().parents[3]
WITHIN = 30.0  # seconds that a shell may take
# Prints what completes a line in bash, as its line editor would ask for it.
ASKED = """
eval "$(rendertrust completion bash)"
compopt() { echo "compopt $2"; }
COMP_LINE=$1 COMP_POINT=${#1}
_rendertrust_completion ./rendertrust
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    """Return an environment in which ``rendertrust`` is a program of this checkout."""
    program = tmp_path / "rendertrust"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rendertrust "$@"\n')
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    return {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "TERM": "dumb"}


def nothing() -> None:
    """Stand for an installation without the commands of a gateway."""


def found(line: str) -> list[str]:
    *typed, incomplete = line.split(" ")[1:]
    return [item.value for item in completions(typed, incomplete, nothing)]


def test_all_commands_are_offered_without_importing_them() -> None:
    assert found("rendertrust ") == list(catalogue.COMMANDS)
    assert found("rendertrust no") == ["node", "nodes"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rendertrust share ", ["create", "list", "revoke"]),
        ("rendertrust --json --url http://farm.example share cr", ["create"]),
        ("rendertrust share create 7c9e --da", ["--days"]),
        ("rendertrust share list --u", ["--url"]),
        ("rendertrust --url ", []),
        ("rendertrust nothing ", list(catalogue.COMMANDS)),
        ("rendertrust jobs list --status r", ["running"]),
        ("rendertrust admin ", []),
    ],
)
def test_what_fits_is_offered(line: str, expected: list[str]) -> None:
    assert found(line) == expected


def test_each_shell_has_a_script(environment: Mapping[str, str]) -> None:
    for shell in SHELLS:
        told = ran(environment, "rendertrust", "completion", shell)
        assert "_RENDERTRUST_COMPLETE" in told


def ran(environment: Mapping[str, str], *words: str) -> str:
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, check=True, timeout=WITHIN
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rendertrust jo", ["jobs"]),
        ("rendertrust --url http://localhost:8000 share ", ["create", "list", "revoke"]),
        ("rendertrust keys create x --scope jobs:", ["read", "write"]),
        ("rendertrust keys create x --scope=j", ["jobs:read", "jobs:write"]),
        ("rendertrust admin ro", ["role"]),
        ("rendertrust submit sce", ["compopt default", ""]),
        ("rendertrust share 'unfinished", [""]),
    ],
)
def test_bash_gets_what_fits(
    environment: Mapping[str, str], line: str, expected: list[str]
) -> None:
    told = ran(environment, "bash", "--norc", "--noprofile", "-c", ASKED, "bash", line)
    assert told.splitlines() == expected


@contextmanager
def shell(environment: Mapping[str, str], *words: str) -> Generator[int]:
    """Run a shell on a terminal of its own, and yield the terminal's file."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        words, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        yield ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def heard(terminal: int, expected: str) -> str:
    """Read from the terminal until the text is there."""
    told, ends = "", time.monotonic() + WITHIN
    while expected not in told:
        left = ends - time.monotonic()
        assert left > 0, told
        if select.select([terminal], [], [], left)[0]:
            told += os.read(terminal, 4096).decode(errors="replace")
    return told


@pytest.mark.parametrize(
    ("words", "load"),
    [
        (("bash", "--norc", "--noprofile", "-i"), 'eval "$(rendertrust completion bash)"'),
        (
            ("zsh", "-f", "-i"),
            'autoload -U compinit; compinit -u; eval "$(rendertrust completion zsh)"',
        ),
        (("fish", "--no-config", "-i"), "rendertrust completion fish | source"),
    ],
    ids=SHELLS,
)
def test_a_key_completes_a_command(
    environment: Mapping[str, str], words: tuple[str, ...], load: str
) -> None:
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    with shell(environment, *words) as terminal:
        os.write(terminal, f"{load}; echo rea''dy\n".encode())
        heard(terminal, "ready")
        os.write(terminal, b"rendertrust share revo\t")
        heard(terminal, "rendertrust share revoke ")
