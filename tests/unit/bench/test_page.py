"""Tests of the page of goals: its rows, records, and programs that fail. No time is measured."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from bench import __main__ as bench_page
from bench.goals import Goal

RATE = Goal("transfers ÷ function", 3, "transfers/s")
TIME = Goal("p50 to the socket", 5, "ms", at_most=True, is_ratio=False)
MACHINE = {
    "date": "2026-12-01 03:00 UTC",
    "commit": "",
    "cores": 2,
    "processor": "a processor",
    "python": "CPython 3.13.5",
    "postgresql": "PostgreSQL 18",
    "load": "load average 0.1",
}


def test_the_median_of_the_rounds_ratios_counts() -> None:
    goal = RATE.measured([10.0, 40.0, 20.0], [10.0, 10.0, 5.0])
    assert goal.values == (1.0, 4.0, 4.0)
    assert goal.value == 4.0
    assert goal.is_met
    assert not RATE.measured([10.0], [5.0]).is_met


def test_a_bound_can_be_the_greatest_value() -> None:
    assert TIME.measured([4.0, 5.0, 60.0]).is_met
    assert not TIME.measured([5.1]).is_met


def test_a_goal_is_the_same_after_json() -> None:
    for goal in (RATE.measured([3.0], [1.5]), TIME.measured([1.0, 2.0]), TIME.failed("no disk")):
        assert Goal.of(json.loads(json.dumps(goal.record))) == goal


def test_the_page_has_the_machine_and_a_row_for_each_goal() -> None:
    goals = [
        RATE.measured([12_000.0, 10_000.0, 14_000.0], [4_000.0, 4_000.0, 2_000.0]),
        TIME.measured([6.0]),
        TIME.failed("AssertionError: no disk"),
    ]
    page = bench_page.page(goals, MACHINE, 1200.0)
    rows = {" ".join(line.split()) for line in page.splitlines()}
    assert "2 cores, a processor" in rows
    assert "medians of 3 rounds; 20 minutes" in rows
    assert "transfers ÷ function 12,000 transfers/s 4,000 transfers/s 3 2.5 to 7 ≥ 3 met" in rows
    assert "p50 to the socket 6 ms 6 to 6 ≤ 5 ms MISSED by 20%" in rows
    assert "p50 to the socket ≤ 5 ms FAILED: AssertionError: no disk" in rows
    assert "1 of 3 goals met" in rows


def test_every_program_of_the_page_names_its_goals() -> None:
    goals: list[Goal] = []
    for name in bench_page.PROGRAMS:
        goals += importlib.import_module(f"bench.{name}").GOALS
    assert all(goal.bound > 0 and goal.unit and not goal.figures for goal in goals)
    assert len({goal.name for goal in goals}) == len(goals)


def test_a_program_that_fails_leaves_its_reason_in_its_rows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    goals = [RATE.measured([9.0], [3.0])]

    def command(name: str, _options: object, file: Path) -> list[str]:
        if name == "deduct":
            return [sys.executable, "-c", "raise OSError('no disk')"]
        records = json.dumps({"goals": [goal.record for goal in goals]})
        return [sys.executable, "-c", f"open({str(file)!r}, 'w').write({records!r})"]

    kept = tmp_path / "page.json"
    words = ["bench", "--only", "deduct", "http", "--json", str(kept)]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(bench_page, "command", command)
    assert bench_page.main() == 1
    page = capsys.readouterr().out
    assert "FAILED: exit code 1: OSError: no disk" in page
    assert "1 of 2 goals met" in page
    found = [Goal.of(record) for record in json.loads(kept.read_text())["goals"]]
    assert [goal.failure != "" for goal in found] == [True, False]
