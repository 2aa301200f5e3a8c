"""Tests that each deliberate mistake in the product turns the test that it names red."""

import subprocess
import sys
from pathlib import Path

import pytest

MUTANTS = Path(__file__).parent
AT_LEAST = 70
ELSEWHERE = """
import sys
from pathlib import Path
from tests.mutants import run

run.PATCHES = Path(sys.argv[1])
sys.exit(run.main([]))
"""


def run(*command: str) -> tuple[int, str]:
    """Return the exit status and the report."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=MUTANTS.parents[1],
        capture_output=True,
        text=True,
        timeout=1_800,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.heavy
@pytest.mark.timeout(1_900)
def test_each_mistake_turns_its_test_red() -> None:
    patches = sorted(path.stem for path in MUTANTS.glob("*.patch"))
    assert len(patches) >= AT_LEAST
    status, report = run(str(MUTANTS / "run.py"))
    assert status == 0, report
    assert all(f"as expected  {name}\n" in report for name in patches), report


def test_a_mistake_that_is_not_noticed_and_a_patch_that_does_not_apply_fail(tmp_path: Path) -> None:
    (noticed,) = MUTANTS.glob("*one-good-signature-excuses-a-bad-one.patch")
    _, _, change = noticed.read_text().partition("\n")
    another = "tests/unit/proof/test_merkle.py::test_a_proof_of_a_larger_tree_has_more_hashes"
    (tmp_path / "1-not-noticed.patch").write_text(f"test: {another}\n{change}")
    stale = change.replace("not all(", "not every(")
    (tmp_path / "2-stale.patch").write_text(f"test: {another}\n{stale}")
    status, report = run("-c", ELSEWHERE, str(tmp_path))
    assert status == 1, report
    assert f"1-not-noticed: {another} stayed green" in report
    assert "2-stale: no longer applies" in report
    assert "2 mistakes, 2 problems" in report
