"""The systemd unit that ``node install`` writes."""

import configparser
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from rendertrust.cli.node import run
from rendertrust.cli.node_options import settings_of, words_of
from rendertrust.node import service
from rendertrust.node.working_hours import WorkingHours

GIVEN = {
    "slots": 2,
    "threads": None,
    "cores": 4,
    "ram": 8 << 30,
    "device": "cpu",
    "vram": None,
    "renderers": None,
    "blenders": (),
    "any_user": False,
    "cache": 20 << 30,
    "hours": WorkingHours(20 * 60, 8 * 60),
    "nice": 3,
    "idle_only": False,
    "finish": 600,
    "health_port": -1,
    "update": False,
}


def text(state: Path) -> str:
    settings = settings_of(GIVEN)
    words = words_of(settings, state)
    return service.unit(words, finish_seconds=600, memory=settings.ram_bytes)


def test_the_unit_runs_the_node_with_what_was_said(tmp_path: Path) -> None:
    read = configparser.RawConfigParser(strict=False)
    read.optionxform = str  # type: ignore[method-assign,assignment]
    read.read_string(text(tmp_path / "state"))
    assert shlex.split(read["Service"]["ExecStart"]) == [
        *(sys.executable, "-m", "rendertrust", "node", "run"),
        *("--slots=2", "--cores=4", f"--ram={8 << 30}", f"--cache={20 << 30}"),
        *("--hours=20:00-08:00", "--nice=3", "--finish=600", "--health-port=-1"),
        f"--state={tmp_path / 'state'}",
    ]
    assert int(read["Service"]["TimeoutStopSec"]) > 600
    assert int(read["Service"]["MemoryMax"]) == 8 << 30
    assert read["Service"]["Restart"] == "on-failure"
    assert read["Install"]["WantedBy"] == "default.target"


def test_what_the_unit_says_is_understood(tmp_path: Path) -> None:
    words = words_of(settings_of(GIVEN | {"ram": 6 << 30, "update": True}), tmp_path)
    made = run.make_context("run", words)
    given = {name: value for name, value in made.params.items() if name in GIVEN}
    assert given == GIVEN | {"ram": 6 << 30, "update": True}


def test_a_node_that_does_not_stand_back_cannot_wait_for_an_idle_machine() -> None:
    with pytest.raises(click.UsageError, match="--nice 1"):
        settings_of(GIVEN | {"idle_only": True, "nice": 0})
    assert settings_of(GIVEN | {"idle_only": True, "nice": None}).nice == 10


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not here; the test above reads the unit")
    path = service.write(text(tmp_path / 'a "state" of 100% $HOME'), tmp_path / "units")
    command = [program, "verify", "--man=no", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    ours = [line for line in ran.stderr.splitlines() if service.NAME in line]
    assert (ran.returncode, ours) == (0, []), ran.stderr


def test_a_word_that_no_unit_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot contain"):
        service.unit(["--state=a\nExecStart=/bin/evil"])


def test_the_unit_lies_among_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert service.folder() == tmp_path / "systemd" / "user"
    path = service.write("[Unit]\n", service.folder())
    assert path.read_text() == "[Unit]\n"
    assert [each.name for each in path.parent.iterdir()] == [service.NAME]
