"""Error codes of units: the database accepts exactly these codes, and the API's document lists
them.
"""

import re
from pathlib import Path
from typing import get_args

from rendertrust.unit_error_code import ErrorCode

ROOT = Path(__file__).resolve().parents[3]
CODES = set(get_args(ErrorCode))


def test_the_database_takes_exactly_these() -> None:
    text = (ROOT / "sql/migrations/0003_jobs.sql").read_text()
    check = text.partition("CHECK (error_code IN (")[2].partition(")")[0]
    assert set(re.findall(r"'([a-z_]+)'", check)) == CODES


def test_the_document_lists_each() -> None:
    text = (ROOT / "docs/API.md").read_text()
    table = text.partition("| `error_code` | |\n")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE)) == CODES
