"""The filter language for jobs: ``status:failed node:studio user:ann``.

A job must match all terms. A term is ``word:value``; a value with a space is put in double quotes.
A value without a word is a part of the job's name, or the beginning of its id.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from rendertrust.job_status import AT_WORK, ENDED, OPEN, STATUSES
from sql.job_filters import JobFilter

CHARACTERS_MAX: Final = 500
WORDS: Final = ("name", "status", "type", "node", "user", "error", "since", "until", "id")
PARTS_MAX: Final = 8  # parts of a name in a filter
WHAT: Final = {
    "name": "a part of the job's name",
    "status": "the job's status, or several separated by commas",
    "type": "the job's type, like render",
    "node": "a part of the node's name, or the beginning of its id",
    "user": "a part of the owner's e-mail, or the beginning of their id",
    "error": "a part of the error message",
    "since": "submitted after this time: 30m, 2h, 7d (ago), 2026-03-01",
    "until": "submitted before this time",
    "id": "the beginning of the job's id",
}
# Values of ``status:`` that each stand for several statuses.
GROUPS: Final = {
    "open": OPEN,
    "active": tuple(sorted(AT_WORK)),
    "waiting": ("QUEUED",),
    "ended": ENDED,
}
_TERM: Final = re.compile(r'\s*([A-Za-z]+:)?("[^"]*"|[^\s"]+)', re.ASCII)
_BEGUN: Final = re.compile(r"\s*([A-Za-z]+):(?=\s|$)", re.ASCII)
_AGE: Final = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNTYPED: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd]")
_ID: Final = re.compile(r"[0-9a-fA-F-]{1,36}", re.ASCII)


@attrs.frozen
class Term:
    """A term of a filter, as written; ``word`` is '' if only a value is given."""

    word: str
    value: str

    def __str__(self) -> str:
        value = f'"{self.value}"' if " " in self.value else self.value
        return f"{self.word}:{value}" if self.word else value


@attrs.frozen
class Misread:
    """Error of an invalid filter; ``said`` explains the error, and what to write instead."""

    said: str


class _Wrong(ValueError):
    pass


def terms_of(text: str) -> list[Term] | Misread:
    """Return the terms of a filter, or why it is invalid."""
    if len(text) > CHARACTERS_MAX:
        return Misread(f"A filter has at most {CHARACTERS_MAX} characters")
    if _UNTYPED.search(text):
        return Misread("It has a character that cannot be typed (�); write the filter again")
    found: list[Term] = []
    place = 0
    text = text.rstrip()
    while place < len(text):
        if (begun := _BEGUN.match(text, place)) is not None:
            return Misread(_nothing_after(begun[1].lower()))
        term = _TERM.match(text, place)
        if term is None:
            return Misread("A quotation mark is not closed")
        found.append(Term((term[1] or "").rstrip(":").lower(), term[2].strip('"')))
        place = term.end()
    return found


def filter_of(text: str, now: datetime, *, of_everybody: bool = True) -> JobFilter | Misread:
    """Parse a filter. ``of_everybody``: the filter may contain ``user:``, for other users' jobs."""
    terms = terms_of(text)
    if isinstance(terms, Misread):
        return terms
    kept: dict[str, Any] = {}
    try:
        named = [_part(term) for term in terms if term.word in ("", "name")]
        if parts := tuple(filter(None, named)):
            kept["words"] = parts
        if len(parts) > PARTS_MAX:
            raise _Wrong(f"A filter has at most {PARTS_MAX} parts of a name")
        for term in (each for each in terms if each.word not in ("", "name")):
            name, value = _read(term, now, of_everybody=of_everybody)
            if name in kept:
                raise _Wrong(f"“{term.word}:” occurs twice; all terms must hold at once")
            kept[name] = value
    except _Wrong as wrong:
        return Misread(str(wrong))
    return JobFilter(**kept)


def without(text: str, word: str) -> str:
    """Return the filter without the terms of this ``word``; '' if the filter is invalid."""
    terms = terms_of(text)
    if isinstance(terms, Misread):
        return ""
    return " ".join(str(term) for term in terms if term.word != word)


def with_status(text: str, status: str) -> str:
    """Return the filter with its status replaced; without a status if ``status`` is ''."""
    rest = without(text, "status")
    return f"status:{status} {rest}".strip() if status else rest


def _part(term: Term) -> str:
    if not term.value and term.word:
        raise _Wrong(_nothing_after(term.word))
    return term.value


def _read(term: Term, now: datetime, *, of_everybody: bool) -> tuple[str, object]:
    word, value = term.word, term.value
    if not value and word:
        raise _Wrong(_nothing_after(word))
    if word == "id":
        return "id", _id_of(term)
    if word == "status":
        return "statuses", tuple(_statuses(value))
    if word == "type":
        return "types", tuple(each for each in value.split(",") if each)
    if word in ("since", "until"):
        return word, _moment(word, value, now)
    if word == "user" and not of_everybody:
        raise _Wrong("“user:” is for admins; this list has only your own jobs")
    if word in WORDS:
        return word, value
    raise _Wrong(f"There is no “{word}:”; {_instead(word, WORDS)}")


def _id_of(term: Term) -> str:
    if not _ID.fullmatch(term.value):
        text = f"“{term.value}” is not the beginning of a job's id"
        raise _Wrong(f"{text}; write for example name:{term.value} or error:{term.value}")
    return term.value


def _statuses(value: str) -> Iterator[str]:
    known = [*(status.lower() for status in STATUSES), *GROUPS]
    for each in value.lower().split(","):
        if each in GROUPS:
            yield from GROUPS[each]
        elif each.upper() in STATUSES:
            yield each.upper()
        else:
            raise _Wrong(f"“{each}” is no status; {_instead(each, known)}")


def _moment(word: str, value: str, now: datetime) -> datetime:
    age = _AGE.fullmatch(value)
    try:
        if age is not None:
            return now - timedelta(seconds=int(age[1]) * _SECONDS[age[2]])
        found = datetime.fromisoformat(value)
    except (ValueError, OverflowError):
        raise _Wrong(
            f"“{value}” is no time; write {word}:2h, {word}:7d or {word}:2026-03-01"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _nothing_after(word: str) -> str:
    if word in WORDS:
        return f"“{word}:” has no value; write after it {WHAT[word]}"
    return f"There is no “{word}:”; {_instead(word, WORDS)}"


def _instead(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    listed = ", ".join(known)
    return f"did you mean “{close[0]}”? There are {listed}" if close else f"there are {listed}"
