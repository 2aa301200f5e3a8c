"""Sections of pages that other pages show.

A line with a link to a section, and ``<!-- section -->`` at its end, is replaced by the section's
text without its heading. Who reads the file itself follows the link. Links of the section still
lead to where they led.
"""

import posixpath
import re
from pathlib import Path

_MARK = re.compile(r"^.*\]\((\S+\.md)#([^)\s]+)\).*<!-- section -->$", re.MULTILINE)
_HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)
_LINK = re.compile(r"(\]\()([^)\s:]+)(\))")


def filled(markdown: str, place: str, docs: Path) -> str:
    """Return the page at ``place`` with its sections filled in."""
    return _MARK.sub(lambda mark: _section(mark.group(1), mark.group(2), place, docs), markdown)


def slug(heading: str) -> str:
    """Return the anchor of a heading."""
    words = re.sub(r"[^\w\s-]", "", heading.lower()).strip()
    return re.sub(r"[\s-]+", "-", words)


def section(text: str, anchor: str) -> str:
    """Return the text below the heading, up to the next heading that is not below it."""
    headings = list(_HEADING.finditer(text))
    for number, heading in enumerate(headings):
        if slug(heading.group(2)) == anchor:
            level = len(heading.group(1))
            after = [one for one in headings[number + 1 :] if len(one.group(1)) <= level]
            return text[heading.end() : after[0].start() if after else len(text)].strip("\n")
    raise LookupError(f"There is no heading #{anchor}")


def _section(target: str, anchor: str, place: str, docs: Path) -> str:
    source = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
    text = section((docs / source).read_text(), anchor)
    return _LINK.sub(lambda link: _relative(link, source, place), text)


def _relative(link: re.Match[str], source: str, place: str) -> str:
    target, hash_mark, anchor = link.group(2).partition("#")
    whole = posixpath.join(posixpath.dirname(source), target) if target else source
    relative = posixpath.relpath(whole, posixpath.dirname(place) or ".")
    return f"{link.group(1)}{relative}{hash_mark}{anchor}{link.group(3)}"
