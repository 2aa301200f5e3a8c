"""Upper limits of this machine's PostgreSQL, compared with the Ledger.

    python -m bench.limits [--rounds 5] [--seconds 2] [--scale 10]

COPY writes the Ledger's transfers in one transaction: into a bare table, into a table with the
Ledger's checks and indexes, and into a table with foreign keys to the accounts, too. ``pgbench``, a
client in C that comes with PostgreSQL, runs its TPC-B-like transactions (five statements, four rows
of which three are updates). ``pgbench`` also runs the SQL function of
bench/baselines/double_entry.sql, which makes one transfer. pgbench runs both with 1, 4, 16 and 64
connections; the best rate counts. The Ledger posts 256 transfers at once. fsync is on, and no
checkpoint happens during a run. Contestants take turns; the table shows medians.

The rates are limits, not goals: no double-entry ledger with this table and a durable commit for
every batch can be faster than COPY.
"""

import argparse
import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import attrs

from bench.baselines import double_entry
from bench.baselines.double_entry import FIRST_PLATFORM, WORDS
from bench.books import (
    BARE,
    INDEXED,
    REFERRING,
    ROWS_OF_TRANSFER,
    Books,
    Copy,
    analyse,
    books,
    check,
)
from bench.ledger import COPIED, EARLIER, MANY, PEOPLE, SETTINGS, UNITS, Load
from bench.probe import Table, disk, fdatasync_rate, machine
from sql.migrate import migrate
from supervisors.engines.engine_account import engine_account
from supervisors.engines.engine_programs import postgres_programs
from supervisors.engines.postgres import PROGRAMS, EmbeddedPostgres
from tests.support.engines import engine_folder

CONNECTIONS: Final = (1, 4, 16, 64)
ROWS_OF_FUNCTION: Final = 3  # a transfer and two entries
ROWS_OF_TPC_B: Final = 4  # three of these rows are updates
POST: Final = f"""
\\set payer random(0, {PEOPLE - 1})
SELECT double_entry.post(:payer, {FIRST_PLATFORM}, 1, 'DEDUCTION',
                         'job:' || gen_random_uuid() || ':0', '{WORDS}');
"""
COPIES: Final = {
    "COPY, bare tables": BARE,
    "COPY, checks and indexes": INDEXED,
    "COPY, foreign keys too": REFERRING,
}
Run: TypeAlias = Callable[[], Awaitable[float]]  # returns transactions per second


@attrs.frozen
class Pgbench:
    """The pgbench of the server, run as the schema's owner."""

    dsn: str

    async def fill(self, scale: int) -> None:
        """Create pgbench's tables, with 100,000 accounts for each step of the scale."""
        await self._told("--initialize", "--quiet", f"--scale={scale}")

    async def rate(self, connections: int, what: str, seconds: float) -> float:
        """Return the transactions per second."""
        clients = (f"--client={connections}", f"--jobs={min(connections, os.cpu_count() or 1)}")
        words = ("--no-vacuum", "--protocol=prepared", f"--time={max(1, round(seconds))}")
        told = await self._told(*words, *clients, what)
        found = re.search(r"^tps = ([0-9.]+)", told, re.MULTILINE)
        return 0.0 if found is None else float(found[1])  # no transaction ended in time

    async def _told(self, *arguments: str) -> str:
        program = postgres_programs().root / PROGRAMS / "pgbench"
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **surroundings(self.dsn)},
        )
        out, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return out.decode()


def surroundings(dsn: str) -> dict[str, str]:
    """Return libpq's variables for the database, which keep its password off the command line."""
    parts = urlsplit(dsn)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return {
        "PGHOST": asked.get("host") or parts.hostname or "",
        "PGPORT": asked.get("port") or str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.lstrip("/"),
    }


class Limits:
    """All contestants over one PostgreSQL, which take turns."""

    def __init__(self, stack: AsyncExitStack, options: argparse.Namespace) -> None:
        self._stack = stack
        self._options = options
        self._runs: dict[str, Run] = {}
        self._rows: dict[str, int] = {}
        self.rates: dict[str, list[float]] = {}
        self.probes: list[float] = []

    async def run(self) -> None:
        folder = self._stack.enter_context(engine_folder())
        engine = EmbeddedPostgres(folder / "data", account=engine_account(), settings=SETTINGS)
        endpoint = await engine.start()
        self._stack.push_async_callback(engine.stop)
        await migrate(endpoint.owner_dsn)
        await double_entry.prepare(endpoint.owner_dsn, PEOPLE, UNITS, EARLIER)
        print(await disk(folder, endpoint.owner_dsn))
        ours = await self._stack.enter_async_context(books(endpoint, PEOPLE, UNITS))
        written = 0
        while written < COPIED:
            latencies, _ = await Load().put_on(ours, 1.0)
            written += len(latencies)
        await analyse(endpoint)
        self._add_ledger(ours)
        self._add_copies(await self._stack.enter_async_context(Copy.of(endpoint, COPIED)))
        await self._add_pgbench(endpoint.owner_dsn, folder)
        for _ in range(self._options.rounds):
            self.probes.append(fdatasync_rate(folder))
            for name, run in self._runs.items():
                self.rates.setdefault(name, []).append(await run())
        await check(endpoint)

    def _add_ledger(self, ours: Books) -> None:
        async def run() -> float:
            latencies, passed = await Load().put_on(ours, self._options.seconds)
            return len(latencies) / passed

        self._add(f"Ledger, {MANY} at once", ROWS_OF_TRANSFER, run)

    def _add_copies(self, copy: Copy) -> None:
        def runs(tables: str) -> Run:
            async def run() -> float:
                return COPIED / await copy.write(tables)

            return run

        for name, tables in COPIES.items():
            self._add(name, ROWS_OF_TRANSFER, runs(tables))

    async def _add_pgbench(self, dsn: str, folder: Path) -> None:
        script = folder / "post.sql"
        script.write_text(POST)
        program = Pgbench(dsn)
        await program.fill(self._options.scale)
        programs = {
            "pgbench, a transfer by one function": (ROWS_OF_FUNCTION, f"--file={script}"),
            "pgbench, TPC-B-like": (ROWS_OF_TPC_B, "--builtin=tpcb-like"),
        }
        for name, (rows, what) in programs.items():
            rates = {n: await program.rate(n, what, 2.0) for n in CONNECTIONS}
            best = max(rates, key=lambda number: rates[number])
            print(f"{name}: best with {best} of {CONNECTIONS} connections")
            self._add(name, rows, partial(program.rate, best, what, self._options.seconds))

    def _add(self, name: str, rows: int, run: Run) -> None:
        self._runs[name], self._rows[name] = run, rows

    def table(self) -> Table:
        """Return the table; its rows per second are inserts and updates, without balances."""
        table = Table("", "transactions per second", "rows per second", "Ledger's rows by these")
        ours = next(iter(self.rates))
        for name, rates in self.rates.items():
            pairs = zip(self.rates[ours], rates, strict=True)
            ratio = median(one / other for one, other in pairs)
            ratio *= ROWS_OF_TRANSFER / self._rows[name]
            rows = median(rates) * self._rows[name]
            table.add(name, f"{median(rates):,.0f}", f"{rows:,.0f}", f"{ratio:.2f}")
        return table


async def main(options: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        limits = Limits(stack, options)
        await limits.run()
    probes = f"fdatasync in the rounds: {median(limits.probes):,.0f}/s (median)"
    print(f"median of {options.rounds} rounds of {options.seconds} s; {probes}; {machine()}")
    limits.table().print()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--scale", type=int, default=10, help="of pgbench's own tables")
    asyncio.run(main(parser.parse_args()))
