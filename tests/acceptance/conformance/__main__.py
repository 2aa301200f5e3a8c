"""Command ``python -m tests.acceptance.conformance URL``: print the table; exit with 0 if no check
failed.
"""

import argparse
import asyncio
import sys

import aiohttp

from tests.acceptance.conformance.asker import ABSENT, OK, WRONG, Asker
from tests.acceptance.conformance.suite import LATER, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.conformance")
    parser.add_argument("url", help="where the gateway is: http://localhost:8000")
    parser.add_argument("--slow", action="store_true", help="also wait 90 s for close code 4002")
    parser.add_argument("--limits", action="store_true", help="also log in until it is refused")
    given = parser.parse_args()
    asker = asyncio.run(asked(given.url.rstrip("/"), slow=given.slow, limits=given.limits))
    sys.stdout.write(table(asker))
    return 1 if any(line.verdict == WRONG for line in asker.lines) else 0


async def asked(url: str, *, slow: bool, limits: bool) -> Asker:
    async with aiohttp.ClientSession() as http:
        asker = Asker(http, url, LATER)
        await run(asker, slow=slow, limits=limits)
    return asker


def table(asker: Asker) -> str:
    """Return a line for each check, and the totals."""
    width = max(len(line.name) for line in asker.lines)
    lines = [f"{line.verdict:<14}{line.name:<{width}}  {line.why}".rstrip() for line in asker.lines]
    counts = [sum(line.verdict == v for line in asker.lines) for v in (OK, WRONG, ABSENT)]
    lines.append("{} passed, {} failed, {} skipped".format(*counts).replace("skipped", ABSENT))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
