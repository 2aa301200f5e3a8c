"""States in which effects find rows: exactly those that the database accepts."""

import re
from pathlib import Path

from actors.ledger.messages import RowState

MIGRATIONS = Path(__file__).resolve().parents[3] / "sql/migrations"
GUARDED = {"jobs", "units", "checks", "purchases", "payouts", "earnings", "disputes"}


def test_a_guard_may_find_each_state_that_the_database_accepts() -> None:
    text = "".join(path.read_text() for path in sorted(MIGRATIONS.glob("*.sql")))
    tables = dict(re.findall(r"CREATE TABLE (\w+) \((.*?)\n\);", text, re.DOTALL))
    lists = {
        name: re.search(r"CHECK \((?:state|status) IN \((.*?)\)\)", tables[name], re.DOTALL)
        for name in GUARDED
    }
    found = {name: set(re.findall(r"'([A-Z]+)'", one[1])) for name, one in lists.items() if one}
    assert set(found) == GUARDED
    assert set().union(*found.values()) == {*RowState}
