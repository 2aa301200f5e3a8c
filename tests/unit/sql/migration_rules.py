"""Rules for migrations, so that gateways of the previous version work during and after a migration.

>>> faults("CREATE INDEX jobs_by_type ON jobs (job_type);")
['CREATE INDEX jobs_by_type: make it CONCURRENTLY, in a file of its own']
"""

import re
from collections.abc import Iterator
from typing import Final

from sql.migrate import Migration

# Number of the first migration that the rules apply to: earlier files make the schema of an empty
# database, which no gateway uses yet.
FIRST: Final = 9
# Tables that stay small, so that reading or writing all rows takes no time.
SMALL: Final = frozenset(
    {
        "epochs", "gateway_lives", "log_halt", "log_head", "log_keys", "node_connections",
        "organisations", "prices", "schema_migrations", "skus",
    }
)  # fmt: skip
# Marks a migration that is applied while no gateway runs, as older gateways do not work with it.
STOPS: Final = re.compile(r"^-- Stop all gateways first: .", re.MULTILINE)
UNUSED: Final = re.compile(r"^-- Unused since: (\d{4})$", re.MULTILINE)
_COMMENT: Final = re.compile(r"--.*")
_QUOTED: Final = re.compile(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'", re.DOTALL)
_DO: Final = re.compile(r"\bDO (?:LANGUAGE \w+ )?\$(\w*)\$(.*?)\$\1\$", re.DOTALL | re.IGNORECASE)
_OF_A_BLOCK: Final = re.compile(r"\b(?:DECLARE|BEGIN|THEN|ELSE|LOOP|END(?: IF| LOOP)?)\b")
_CREATED: Final = re.compile(r"\bCREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.IGNORECASE)
_NAMED: Final = re.compile(
    r"\b(?:(?:ALTER|DROP) TABLE(?: IF EXISTS)?(?: ONLY)?|LOCK TABLE|TRUNCATE(?: TABLE)?(?: ONLY)?"
    r"|INDEX.*? ON(?: ONLY)?) (\w+)",
    re.IGNORECASE,
)
# Statements that change rows, also inside or after a WITH, but not SELECT … FOR UPDATE.
_CHANGES: Final = re.compile(r"^(?:WITH|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)
_CHANGED: Final = re.compile(
    r"(?<!FOR )(?<!KEY )(?<!DO )\b(?:UPDATE|DELETE FROM|MERGE INTO)(?: ONLY)? (\w+)", re.IGNORECASE
)
_PAIR: Final = re.compile(r"DROP INDEX CONCURRENTLY IF EXISTS (\w+)")
_REINDEX: Final = re.compile(r"REINDEX\b.*\bCONCURRENTLY\b")
_BESIDE: Final = re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY (\w+) ON ")
_ADDED: Final = (
    r"\bADD (?:COLUMN )?(?:IF NOT EXISTS )?"
    r"(?!CONSTRAINT\b|CHECK\b|FOREIGN\b|UNIQUE\b|PRIMARY\b|EXCLUDE\b|COLUMN\b|IF\b)\w+ "
)
# Names that may stand before a bracket in a DEFAULT. The functions among them give one value for
# all rows of a statement, so PostgreSQL does not rewrite the table; CHECK is no function.
_STEADY: Final = r"now|transaction_timestamp|make_interval|jsonb_build_object|CHECK"
_TOO_MANY: Final = "it may be large: let the gateway write its rows, some at a time"
# What a statement about an existing table may not contain, and what to do instead.
_REFUSED: Final = {
    r"^CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)": "make it CONCURRENTLY, in a file of its own",
    r"\bADD (?:CONSTRAINT \w+ )?(?:CHECK|FOREIGN KEY)(?!.*NOT VALID)": (
        "add it NOT VALID, and VALIDATE it in the next file"
    ),
    r"\bADD (?:CONSTRAINT \w+ )?(?:UNIQUE|PRIMARY KEY|EXCLUDE)(?!.*USING INDEX)": (
        "make a UNIQUE index CONCURRENTLY, and add it USING that"
    ),
    rf"{_ADDED}[^,]*\b(?:CHECK|REFERENCES|UNIQUE|PRIMARY KEY)\b": (
        "add the column alone, and its constraint NOT VALID"
    ),
    rf"{_ADDED}(?=[^,]*\bNOT NULL\b)(?![^,]*\bDEFAULT\b)": (
        "give the column a DEFAULT: older gateways do not know it"
    ),
    rf"{_ADDED}[^,]*\bDEFAULT\b[^,]*?(?<!::)\b(?!(?:{_STEADY})\b)\w+ ?\(": (
        "that DEFAULT may write each row anew: give a constant"
    ),
    rf"{_ADDED}(?:(?:small|big)?serial\d?\b|[^,]*\bGENERATED\b)": (
        "that writes each row anew: add a plain column, and let the gateway fill it"
    ),
    r"\bSET (?:(?:UN)?LOGGED|TABLESPACE|ACCESS METHOD)\b": "that writes each row anew",
    r"\bSET NOT NULL\b": "add a CHECK NOT VALID instead",
    r"\b(?:ALTER|SET DATA)(?: COLUMN)? \w+ (?:SET DATA )?TYPE\b": (
        "add another column: this writes each row anew"
    ),
    r"^TRUNCATE\b": _TOO_MANY,
    r"^LOCK ": "nobody can work meanwhile",
}
_REMOVES: Final = re.compile(
    r"^DROP (?!INDEX\b)|\bRENAME\b|^REVOKE\b"
    # DROP [COLUMN] name, but neither DROP CONSTRAINT nor ALTER COLUMN … DROP NOT NULL and the like.
    r"|^ALTER TABLE\b.*\bDROP (?!(?:CONSTRAINT|NOT NULL|DEFAULT|EXPRESSION|IDENTITY)\b)",
    re.IGNORECASE,
)
_ALONE: Final = re.compile(r"^(?:BEGIN|START|COMMIT|ROLLBACK|VACUUM|CLUSTER|SET)\b", re.IGNORECASE)


def compatibility_fault(migration: Migration) -> str | None:
    """Return what is wrong with a file that does not say which programs it is compatible with."""
    if migration.compatible_from is not None or STOPS.search(migration.text):
        return None
    return (
        f'{migration.name} lacks the line "-- Compatible from: NNNN", the newest migration of the'
        " oldest program that works with it: without the line all older programs refuse to start"
        ' on it. If none works with it, write "-- Stop all gateways first: WHY"'
    )


def faults(text: str) -> list[str]:
    """Return the statements that break a rule, each with what to do instead."""
    plain = _COMMENT.sub("", text)
    code = _QUOTED.sub("''", plain)
    statements = [*_statements(code), *_of_blocks(plain)]
    created = {name.lower() for name in _CREATED.findall(code)}
    found = list(_beside(statements)) if "CONCURRENTLY" in code else []
    for statement in statements:
        found += [f"{_brief(statement)}: {why}" for why in _wrong(statement, created, text)]
    added = set(re.findall(r"\bADD CONSTRAINT (\w+)", code))
    for name in re.findall(r"\bVALIDATE CONSTRAINT (\w+)", code):
        if name in added:
            found.append(f"VALIDATE CONSTRAINT {name}: in the next file, with no lock on the table")
    return found


def _statements(code: str) -> list[str]:
    return [" ".join(part.split()) for part in code.split(";") if part.strip()]


def _of_blocks(code: str) -> list[str]:
    """Return the statements in DO blocks, which run at once, unlike statements in functions."""
    bodies = (_QUOTED.sub("''", body) for _, body in _DO.findall(code))
    return [one for body in bodies for one in _statements(_OF_A_BLOCK.sub(";", body))]


def _wrong(statement: str, created: set[str], text: str) -> Iterator[str]:
    if _ALONE.search(statement):
        yield "each file is a transaction already"
    if STOPS.search(text):
        return
    if _REMOVES.search(statement) and not UNUSED.search(text):
        yield 'say by "-- Unused since: NNNN" with which migration the program left off using it'
    if re.search(r"^DROP INDEX (?!CONCURRENTLY)", statement, re.IGNORECASE):
        yield "drop it CONCURRENTLY"
    if re.search(r"^REINDEX\b(?!.*\bCONCURRENTLY\b)", statement, re.IGNORECASE):
        yield "do it CONCURRENTLY, in a file of its own"
    free = SMALL | created
    if _CHANGES.search(statement) and set(map(str.lower, _CHANGED.findall(statement))) - free:
        yield _TOO_MANY
    table = _NAMED.search(statement)
    if table is None or table[1].lower() in free:
        return
    for pattern, why in _REFUSED.items():
        if re.search(pattern, statement, re.IGNORECASE):
            yield why


def _beside(statements: list[str]) -> Iterator[str]:
    """Yield faults of a file of indexes; an earlier failed index must be dropped first."""
    dropped: set[str] = set()
    for statement in statements:
        if drop := _PAIR.fullmatch(statement):
            dropped.add(drop[1])
        elif _REINDEX.match(statement):
            continue
        elif (made := _BESIDE.match(statement)) is None:
            yield f"{_brief(statement)}: in a file of its own, as it needs a transaction"
        elif made[1] not in dropped:
            yield f"{_brief(statement)}: DROP INDEX CONCURRENTLY IF EXISTS {made[1]} first"


def _brief(statement: str) -> str:
    return re.split(r" (?=ON|\(|SET|USING|IS|AS)\b| \(", statement, maxsplit=1)[0][:80]
