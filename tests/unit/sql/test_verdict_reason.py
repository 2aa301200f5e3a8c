"""Reasons and methods of verdicts: the database accepts exactly these codes, the document of
receipts lists the reasons, and each code has a sentence.
"""

import re
from pathlib import Path
from typing import get_args

import pytest

from rendertrust import comparison_method
from rendertrust.comparison_method import ComparisonMethod
from rendertrust.verdict_reason import IS_PAID, SENTENCES, VerdictReason, explain

ROOT = Path(__file__).resolve().parents[3]
CODES = set(get_args(VerdictReason))


def listed(head: str) -> dict[str, str]:
    """Return the last cell of each row of a table of codes in the document, by code."""
    text = (ROOT / "docs/PROOF-FORMATS.md").read_text()
    table = text.partition(head)[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `([a-z-]+)` \|(?:.*\|)? ([^|]+) \|$", table, re.MULTILINE))


@pytest.mark.parametrize(("column", "codes"), [("reason", CODES), ("method", {*ComparisonMethod})])
def test_the_database_takes_exactly_these(column: str, codes: set[str]) -> None:
    text = (ROOT / "sql/migrations/0006_checks.sql").read_text()
    check = text.partition(f"CHECK ({column} IN (")[2].partition(")")[0]
    assert set(re.findall(r"'([a-z-]+)'", check)) == codes


def test_the_document_lists_each_and_who_is_paid() -> None:
    unverified = listed("The reasons for `unverified`:\n\n")
    unverifiable = listed("The reasons for `unverifiable`:\n\n")
    assert not {*unverified} & {*unverifiable}
    assert {*unverified, *unverifiable} == CODES
    assert {code: is_paid == "yes" for code, is_paid in unverifiable.items()} == IS_PAID


def test_each_method_has_a_sentence_that_a_detail_may_follow() -> None:
    assert set(comparison_method.SENTENCES) == {*ComparisonMethod}
    found = comparison_method.describe(ComparisonMethod.SAME_DRIVER, "not-equal")
    assert found == f"{comparison_method.describe(ComparisonMethod.SAME_DRIVER)}: not-equal"


def test_each_has_a_sentence_that_a_detail_may_follow() -> None:
    assert set(SENTENCES) == CODES
    assert explain("scene-fails") == SENTENCES["scene-fails"]
    assert explain("format", "DDS") == f"{SENTENCES['format']}: DDS"
    assert explain("of-a-later-version") == "of-a-later-version"
