"""List queries that scan a large table, with a database as it is after a year.

    python -m bench.plans [--entries 1000000] [--open 10000] [--ended 100000] [--verbose]

Each named query is planned as the gateway runs it: one plan for all arguments. Only queries that
are meant to read all rows (fsck) should be listed. ``--verbose`` prints every plan.
"""

import argparse
import asyncio
from collections.abc import Iterator
from typing import Any

import asyncpg
import orjson

from bench.probe import Table
from bench.volume import fill
from sql.query_loader import QUERIES
from supervisors.engines.offline_postgres import kept_endpoint
from tests.support.gateway_process import running_gateway

LARGE = {"transfers", "jobs", "units", "holds", "accounts", "users"}
EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


def scanned(plan: dict[str, Any]) -> Iterator[str]:
    """Yield the large tables that a plan scans completely."""
    if plan["Node Type"] == "Seq Scan" and plan["Relation Name"] in LARGE:
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from scanned(part)


async def explain(connection: Any, *, verbose: bool) -> Table:
    table = Table("query", "cost", "reads whole")
    for name, text in QUERIES.items():
        words = [line for line in text.splitlines() if not line.startswith("--")]
        if not words[0].startswith(EXPLAINED):
            continue
        width = len((await connection.prepare(text)).get_parameters())
        await connection.execute(f"PREPARE {name} AS {text}")
        query = f"EXECUTE {name}" + (f"({', '.join(['NULL'] * width)})" if width else "")
        found = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {query}")
        plan = orjson.loads(found)[0]["Plan"]
        table.add(name, f"{plan['Total Cost']:,.0f}", ", ".join(sorted(set(scanned(plan)))))
        if verbose:
            lines = await connection.fetch(f"EXPLAIN {query}")
            print(name, *(line[0] for line in lines), "", sep="\n  ")
    return table


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--open", type=int, default=10_000)
    parser.add_argument("--ended", type=int, default=100_000)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    async with running_gateway() as gateway:
        endpoint = kept_endpoint(gateway.data)
        assert endpoint is not None
        sizes = {"entries": options.entries, "open_jobs": options.open}
        await fill(endpoint.owner_dsn, **sizes, ended_jobs=options.ended)
        mode = {"plan_cache_mode": "force_generic_plan"}  # as sql/database.py connects
        connection = await asyncpg.connect(endpoint.app_dsn, server_settings=mode)
        table = await explain(connection, verbose=options.verbose)
        await connection.close()
    table.print()


if __name__ == "__main__":
    asyncio.run(main())
