"""Write the table of settings, made from their declarations, into ``docs/OPERATIONS.md``."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from config.declaration import Setting
from config.settings import SETTINGS

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/OPERATIONS.md"
LARGEST = 2**63 - 1  # of PostgreSQL's bigint
BEGIN, END = "<!-- settings: scripts/settings_table.py -->\n", "<!-- end of settings -->\n"


def table(settings: Iterable[Setting] = SETTINGS) -> str:
    """Return a table of the settings with their defaults, bounds and meanings."""
    rows = ["| setting | default | bounds | meaning |", "| --- | --- | --- | --- |"]
    for one in settings:
        defaults = [f"`{_toml(one.default)}`"]
        for environment, default in one.declared.by_environment.items():
            defaults.append(f"{environment}: `{_toml(default)}`")
        limits = "" if one.declared.bounds is None else _bounds(*one.declared.bounds)
        meaning = one.declared.meaning.replace("|", "\\|")
        rows.append(f"| {one.name} | {', '.join(defaults)} | {limits} | {meaning} |")
    return "\n".join(rows) + "\n"


def with_table(document: str) -> str:
    """Return the document with the current table between its marks."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


def _bounds(least: float, most: float) -> str:
    return f"{least:,} or more" if most == LARGEST else f"{least:,} to {most:,}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:_}"
    if isinstance(value, tuple):
        return "[]"
    return f'"{value}"' if isinstance(value, str) else str(value)


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text()))
