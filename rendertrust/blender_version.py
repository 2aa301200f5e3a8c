"""Versions of Blender, as (major, minor): files of one version look the same in all its patches."""

from collections.abc import Iterable
from typing import Final, TypeAlias

BlenderVersion: TypeAlias = tuple[int, int]
UNKNOWN: Final[BlenderVersion] = (0, 0)
DIGITS_MAX: Final = 4


def parse(text: str) -> BlenderVersion:
    """Return the version in a text: (5, 2) for ``5.2.0 LTS``; UNKNOWN for a text without one."""
    major, _, rest = text.strip().partition(".")
    minor = rest.split(".")[0].split(" ")[0]
    if not (major.isdecimal() and minor.isdecimal()):
        return UNKNOWN
    return int(major[:DIGITS_MAX]), int(minor[:DIGITS_MAX])


def text_of(version: BlenderVersion) -> str:
    """Return a version as jobs name it, like ``5.2``."""
    return f"{version[0]}.{version[1]}"


def name_of(version: Iterable[int]) -> str | None:
    """Return the name for a job's ``needs`` of the version that a file or a node reports.

    None for a version that no job can name, such as UNKNOWN. Further numbers are ignored.
    """
    major, minor, *_ = version
    return text_of((major, minor)) if 2 <= major <= 9 and 0 <= minor <= 99 else None


def list_text(versions: Iterable[BlenderVersion]) -> str:
    """Return a list of versions in a sentence, like ``4.5, 5.1 and 5.2``."""
    *others, last = [text_of(version) for version in sorted(set(versions))]
    return f"{', '.join(others)} and {last}" if others else last
