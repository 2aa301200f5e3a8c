"""Rules for migrations: a gateway of the version before works while one is applied, and after it.

>>> faults("CREATE INDEX jobs_by_type ON jobs (job_type);")
['CREATE INDEX jobs_by_type: make it CONCURRENTLY, in a file of its own']
"""

import re
from collections.abc import Iterator
from typing import Final

FIRST: Final = 98  # files before it were written, and applied, before there were rules
# They do not grow with work or people: to read or write all of one takes no time.
SMALL: Final = frozenset(
    {
        "epochs", "gateway_lives", "log_halt", "log_head", "log_keys", "node_connections",
        "organisations", "prices", "schema_migrations", "skus",
    }
)  # fmt: skip
# Such a file is applied while no gateway runs; those of the version before do not work with it.
STOPS: Final = re.compile(r"^-- Stop all gateways first: .", re.MULTILINE)
UNUSED: Final = re.compile(r"^-- Unused since: (\d{4})$", re.MULTILINE)
_COMMENT: Final = re.compile(r"--.*")
_QUOTED: Final = re.compile(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'", re.DOTALL)
_CREATED: Final = re.compile(r"\bCREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.IGNORECASE)
_NAMED: Final = re.compile(
    r"\b(?:(?:ALTER|DROP) TABLE(?: IF EXISTS)?(?: ONLY)?|UPDATE|DELETE FROM|LOCK TABLE"
    r"|INDEX.*? ON(?: ONLY)?) (\w+)",
    re.IGNORECASE,
)
_PAIR: Final = re.compile(r"DROP INDEX CONCURRENTLY IF EXISTS (\w+)")
_BESIDE: Final = re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY (\w+) ON ")
_ADDED_COLUMN: Final = r"\bADD COLUMN (?:IF NOT EXISTS )?\w+ [^,]*"
# Of a table that is there: what may not stand in a statement about it, and what to do instead.
_REFUSED: Final = {
    r"^CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)": "make it CONCURRENTLY, in a file of its own",
    r"\bADD (?:CONSTRAINT \w+ )?(?:CHECK|FOREIGN KEY)(?!.*NOT VALID)": (
        "add it NOT VALID, and VALIDATE it in the next file"
    ),
    r"\bADD (?:CONSTRAINT \w+ )?(?:UNIQUE|PRIMARY KEY|EXCLUDE)(?!.*USING INDEX)": (
        "make a UNIQUE index CONCURRENTLY, and add it USING that"
    ),
    rf"{_ADDED_COLUMN}\b(?:CHECK|REFERENCES|UNIQUE|PRIMARY KEY)\b": (
        "add the column alone, and its constraint NOT VALID"
    ),
    r"\bADD COLUMN (?:IF NOT EXISTS )?\w+ (?=[^,]*\bNOT NULL\b)(?![^,]*\bDEFAULT\b)": (
        "give the column a DEFAULT: older gateways do not know it"
    ),
    rf"{_ADDED_COLUMN}\bDEFAULT (?:gen_random_uuid|random|clock_timestamp|nextval)": (
        "that DEFAULT writes each row anew"
    ),
    r"\bSET NOT NULL\b": "add a CHECK NOT VALID instead",
    r"\b(?:ALTER|SET DATA)(?: COLUMN)? \w+ (?:SET DATA )?TYPE\b": (
        "add another column: this writes each row anew"
    ),
    r"^UPDATE |^DELETE FROM ": "it may be large: let the gateway write its rows, some at a time",
    r"^LOCK ": "nobody can work meanwhile",
}
_REMOVES: Final = re.compile(
    r"\bDROP (?:TABLE|COLUMN|VIEW|FUNCTION|TYPE|SCHEMA|TRIGGER)\b|\bRENAME\b|\bREVOKE\b",
    re.IGNORECASE,
)
_ALONE: Final = re.compile(r"^(?:BEGIN|START|COMMIT|ROLLBACK|VACUUM|CLUSTER|SET)\b", re.IGNORECASE)


def faults(text: str) -> list[str]:
    """Statements that break a rule, each with what to do instead."""
    code = _QUOTED.sub("''", _COMMENT.sub("", text))
    statements = [" ".join(part.split()) for part in code.split(";") if part.strip()]
    created = {name.lower() for name in _CREATED.findall(code)}
    found = list(_beside(statements)) if "CONCURRENTLY" in code else []
    for statement in statements:
        found += [f"{_brief(statement)}: {why}" for why in _wrong(statement, created, text)]
    added = set(re.findall(r"\bADD CONSTRAINT (\w+)", code))
    for name in re.findall(r"\bVALIDATE CONSTRAINT (\w+)", code):
        if name in added:
            found.append(f"VALIDATE CONSTRAINT {name}: in the next file, with no lock on the table")
    return found


def _wrong(statement: str, created: set[str], text: str) -> Iterator[str]:
    if _ALONE.search(statement):
        yield "each file is a transaction already"
    if STOPS.search(text):
        return
    if _REMOVES.search(statement) and not UNUSED.search(text):
        yield 'say by "-- Unused since: NNNN" with which migration the program left off using it'
    if re.search(r"^DROP INDEX (?!CONCURRENTLY)", statement, re.IGNORECASE):
        yield "drop it CONCURRENTLY"
    table = _NAMED.search(statement)
    if table is None or table[1].lower() in SMALL | created:
        return
    for pattern, why in _REFUSED.items():
        if re.search(pattern, statement, re.IGNORECASE):
            yield why


def _beside(statements: list[str]) -> Iterator[str]:
    """A file of indexes: each one is dropped first, as one that failed would stay, and invalid."""
    dropped: set[str] = set()
    for statement in statements:
        if drop := _PAIR.fullmatch(statement):
            dropped.add(drop[1])
        elif (made := _BESIDE.match(statement)) is None:
            yield f"{_brief(statement)}: in a file of its own, as it needs a transaction"
        elif made[1] not in dropped:
            yield f"{_brief(statement)}: DROP INDEX CONCURRENTLY IF EXISTS {made[1]} first"


def _brief(statement: str) -> str:
    return re.split(r" (?=ON|\(|SET|USING|IS|AS)\b| \(", statement, maxsplit=1)[0][:80]
