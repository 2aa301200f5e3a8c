"""Thirty and more deliberate mistakes: each turns the test that it names red."""

import subprocess
import sys
from pathlib import Path

import pytest

MUTANTS = Path(__file__).parent
AT_LEAST = 30


@pytest.mark.heavy
@pytest.mark.timeout(1_900)
def test_each_mistake_turns_its_test_red() -> None:
    patches = sorted(path.stem for path in MUTANTS.glob("*.patch"))
    assert len(patches) >= AT_LEAST
    run = subprocess.run(
        [sys.executable, str(MUTANTS / "run.py")],
        capture_output=True,
        text=True,
        timeout=1_800,
        check=False,
    )
    report = run.stdout + run.stderr
    assert run.returncode == 0, report
    assert all(f"as expected  {name}\n" in report for name in patches), report
