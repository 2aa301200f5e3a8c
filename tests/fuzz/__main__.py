"""``python -m tests.fuzz URL``: send 5,000 generated requests and check every answer.

The gateway needs high rate limits, as otherwise most answers are 429. The gateway also needs a very
short dispute window (``RENDERTRUST_EARNINGS_DISPUTE_HOURS=0.005``), as otherwise no earning becomes
payable. With an admin it needs the gateway's database, to let the 72 hours of a payout account go
by. Exit code 0: no answer was wrong, every operation succeeded at least once, and three in
five requests passed authentication.
"""

import argparse
import sys
from collections.abc import Iterable

from tests.fuzz.recipes import UNMET
from tests.fuzz.run import Run, Tally
from tests.fuzz.stage import Stage
from tests.fuzz.worker import working_node

ADMITTED_LEAST = 0.6
SHOWN_MAX = 5
AUDIENCES = ("public", "user", "node", "admin")


def main() -> int:
    given = arguments()
    say(f"seed {given.seed}, {given.cases} cases, {given.url}")
    with working_node(given.url) as operator:
        admin = (given.admin, given.admin_password) if given.admin else None
        stage = Stage(given.url, admin, operator, given.database)
        tallies: list[Tally] = []
        for tally in Run(given.url, stage, cases=given.cases, seed=given.seed).all():
            tallies.append(tally)
            show(tally)
    return verdict(tallies)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--admin", help="an admin's e-mail, for the operations of admins")
    parser.add_argument("--admin-password", default="")
    parser.add_argument(
        "--database", default="", help="the owner's DSN; with --admin, payouts need it"
    )
    return parser.parse_args()


def show(tally: Tally) -> None:
    statuses = " ".join(f"{status}:{count}" for status, count in sorted(tally.statuses.items()))
    say(f"{tally.audience:<8}{tally.label:<48}{tally.cases:>6}  {statuses}")
    for failure in tally.failures[:SHOWN_MAX]:
        say(f"    {failure}")


def verdict(tallies: Iterable[Tally]) -> int:
    """Print the results; return 1 if an answer was wrong or too few requests succeeded."""
    tallies = list(tallies)
    wrong = [f"{len(tally.failures)} wrong: {tally.label}" for tally in tallies if tally.failures]
    idle = [t for t in tallies if not t.successes and t.label not in UNMET]
    wrong += [f"never succeeded: {tally.label}" for tally in idle]
    for audience in AUDIENCES:
        mine = [tally for tally in tallies if tally.audience == audience]
        cases, admitted = sum(t.cases for t in mine), sum(t.admitted for t in mine)
        if cases:
            say(f"{audience:<8}{cases:>6} cases, {admitted / cases:.0%} past authentication")
    cases, admitted = sum(t.cases for t in tallies), sum(t.admitted for t in tallies)
    if admitted < ADMITTED_LEAST * cases:
        wrong.append(f"only {admitted} of {cases} came past authentication")
    failed = {t.label for t in [*idle, *(t for t in tallies if t.failures)]}
    say("\n".join(wrong))
    say(f"{len(tallies) - len(failed)} operations passed, {len(failed)} failed, {cases} cases")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
