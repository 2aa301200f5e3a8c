"""Write the table of settings in ``docs/OPERATIONS.md`` from ``config/defaults.toml``."""

import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
DOCUMENT, DEFAULTS = CHECKOUT / "docs/OPERATIONS.md", CHECKOUT / "config/defaults.toml"
BEGIN, END = "<!-- settings: scripts/settings_table.py -->\n", "<!-- end of settings -->\n"
LINE = re.compile(r'(\w+) = ("[^"]*"|[^ #]+)\s*(?:#\s*(.*))?')
SECTION = re.compile(r"\[(\w+)\]")


def table(defaults: str) -> str:
    """Return a table of all settings with variable, default and comment."""
    rows = ["| setting | variable | default | meaning |", "| --- | --- | --- | --- |"]
    section = ""
    for line in defaults.splitlines():
        if found := SECTION.match(line):
            section = found[1]
        elif found := LINE.match(line):
            name, value, meaning = found[1], found[2], found[3] or ""
            full = f"{section}.{name}" if section else name
            variable = "RENDERTRUST_" + full.replace(".", "_").upper()
            meaning = meaning.replace("|", "\\|")
            rows.append(f"| {full} | `{variable}` | `{value}` | {meaning} |")
    return "\n".join(rows) + "\n"


def with_table(document: str, defaults: str) -> str:
    """Return the document with the current table between its marks."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table(defaults) + END + after


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(), DEFAULTS.read_text()))
