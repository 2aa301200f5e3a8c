"""Names of jobs, and of the files that are downloaded from them.

File names are valid on Linux, macOS and Windows: a name may come from anybody.
"""

import re
import unicodedata
from pathlib import PurePosixPath
from typing import Annotated, Final, TypeAlias

from rendertrust.value_types import Limits

NAME_MAX: Final = 100  # characters
STEM_BYTES_MAX: Final = 120  # of the name's part of a file name, in UTF-8
_INVISIBLE: Final = r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
_INNER: Final = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]"

# Spaces around a name are removed. What remains begins and ends with a visible character.
_PATTERN: Final = rf"^\s*[^{_INVISIBLE}]({_INNER}{{0,{NAME_MAX - 2}}}[^{_INVISIBLE}])?\s*$"
JobName: TypeAlias = Annotated[
    str,
    Limits(
        pattern=_PATTERN,
        description=f"1 to {NAME_MAX} characters on one line",
    ),
]

_EDGES: Final = re.compile(f"^[{_INVISIBLE}]+|[{_INVISIBLE}]+$")
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_REFUSED: Final = frozenset('<>:"/\\|?*#')  # in file names; ``#`` stands for digits in Blender
_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])", re.ASCII)


def is_job_name(text: str) -> bool:
    """Return True if the gateway takes the text as a job's name."""
    return re.fullmatch(_PATTERN, text, re.ASCII) is not None


def job_name(text: str) -> str:
    """Return any text as the name of a job; '' if nothing of it is visible."""
    line = "".join(" " if _steers(each) else each for each in text)
    return trimmed(trimmed(" ".join(line.split()))[:NAME_MAX])


def trimmed(name: str) -> str:
    """Return the name without what is invisible at its ends."""
    return _EDGES.sub("", name)


def default_name(path: str, job_type: str) -> str:
    """Return the name of a job that its creator did not name: that of its scene's file.

    A job without a file, or with a file that is named by its content only, is named by its type.
    """
    stem = PurePosixPath(path).stem
    return ("" if _HASH.fullmatch(stem) else job_name(stem)) or job_type


def name_of_part(name: str, part: str) -> str:
    """Return the name of a job that belongs to another job: ``cathedral film``."""
    return f"{trimmed(name[: NAME_MAX - len(part) - 1])} {part}"


def file_stem(name: str) -> str:
    """Return a job's name as the beginning of file names."""
    told = "".join("_" if each in _REFUSED or _steers(each) else each for each in name)
    stem = _cut(" ".join(told.split()).lstrip(" .-~")).rstrip(" .") or "job"
    base = stem.partition(".")[0].rstrip(" ").lower()
    return f"_{stem}" if _RESERVED.fullmatch(base) else stem


def padded(frame: int) -> str:
    """Return a frame number as in Blender's file names: ``0001``, ``-0003``."""
    return ("-" if frame < 0 else "") + f"{abs(frame):04}"


def _steers(character: str) -> bool:
    """Return True for characters that control terminals or the direction of text."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def _cut(text: str) -> str:
    return text.encode("utf-8", "replace")[:STEM_BYTES_MAX].decode("utf-8", "ignore")
