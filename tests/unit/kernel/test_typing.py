"""Both strict type checkers accept correct use of the kernel and refuse nine mistakes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.examples import series

ROOT = Path(__file__).parents[3]
SAMPLES = Path(__file__).with_name("typing")
CHECKERS = {
    "mypy": ["--config-file", "pyproject.toml", "--no-error-summary"],
    "pyright": ["--pythonpath", sys.executable],
}


@pytest.mark.parametrize("checker", series(CHECKERS, ["mypy"]))
def test_type_checker(checker: str, tmp_path: Path) -> None:
    """mypy and pyright refuse a wrong addressee, reply, field or handler, or a missing deadline."""
    # In the repository the sample has another suffix, so that type checks of it find no mistakes.
    refused = tmp_path / "refused.py"
    refused.write_text((SAMPLES / "refused.py.sample").read_text())
    command = [sys.executable, "-m", checker, *CHECKERS[checker]]
    run = subprocess.run(
        [*command, str(SAMPLES / "accepted.py"), str(refused)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    errors = re.findall(r"(\w+)\.py:(\d+):.* error", run.stdout)
    lines = enumerate(refused.read_text().splitlines(), start=1)
    mistakes = [("refused", str(n)) for n, line in lines if re.search(r"# \d: ", line)]
    assert len(mistakes) == 9
    assert sorted(errors) == sorted(mistakes), run.stdout + run.stderr
