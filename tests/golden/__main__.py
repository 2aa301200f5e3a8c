"""``python -m tests.golden``: show or accept what differs from the golden files.

python -m tests.golden                     # a diff of every file that changed
python -m tests.golden --accept relay api  # write the files of these families anew
python -m tests.golden --accept            # write those of all families
"""

import difflib
import sys
from collections.abc import Iterator

import click

from tests.golden.files import ACCEPT, FAMILIES, accept, kept


def differences(family: str) -> Iterator[str]:
    """Yield unified diffs between the family's golden files and what is made now."""
    made, before = FAMILIES[family](), kept(family)
    for name in sorted({*made, *before}):
        old, new = before.get(name, b""), made.get(name, b"")
        if old != new:
            was, now = (text.decode(errors="replace").splitlines() for text in (old, new))
            yield from difflib.unified_diff(was, now, f"{family}/{name}", "now", lineterm="", n=1)


def main(words: list[str]) -> int:
    """Return 1 if something differs and was not accepted, 2 if an argument is unknown."""
    families = [word for word in words if word != "--accept"] or list(FAMILIES)
    unknown = [family for family in families if family not in FAMILIES]
    if unknown:
        click.echo(f"unknown: {', '.join(unknown)}. Families: {', '.join(FAMILIES)}")
        return 2
    if "--accept" in words:
        click.echo("\n".join(name for family in families for name in accept(family)))
        return 0
    found = [line for family in families for line in differences(family)]
    click.echo("\n".join(found) if found else "All files are as they were.")
    if found:
        click.echo(f"\nIf a change is intended, accept it by name of the family: {ACCEPT} FAMILY …")
        click.echo(
            "Say in the commit's message which format changed and why. Signed bytes never change."
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
