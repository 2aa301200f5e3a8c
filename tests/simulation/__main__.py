"""``python -m tests.simulation --seed N --seeds K``: simulate K worlds and print their violations.

With ``--gateways 2 3`` the worlds have two and three gateways in turn.
"""

import argparse
import logging
import sys
import time

from tests.simulation.world import Plan, run_seed


def main() -> int:
    """Simulate the worlds; return 0 if no world violated an invariant, otherwise 1."""
    options = arguments()
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.CRITICAL)
    bad = 0
    for seed in range(options.seed, options.seed + options.seeds):
        plan = Plan(
            nodes=options.nodes,
            customers=options.customers,
            hours=options.hours,
            trouble=options.trouble,
            gateways=options.gateways[seed % len(options.gateways)],
        )
        began = time.monotonic()
        report = run_seed(seed, plan)
        took = time.monotonic() - began
        ends = (report.completed, report.failed, report.cancelled)
        print(  # noqa: T201
            f"seed {seed}, gateways {plan.gateways}: {report.jobs} jobs"
            f" (completed, failed, cancelled: {ends})"
            f" in {report.attempts} attempts,"
            f" {report.events} faults, {report.starts} starts, {report.trace}, {took:.2f} s",
            *(f"  {line}" for line in report.wrong),
            sep="\n",
        )
        bad += bool(report.wrong)
    return 1 if bad else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    default = Plan()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=default.nodes)
    parser.add_argument("--customers", type=int, default=default.customers)
    parser.add_argument("--hours", type=float, default=default.hours)
    parser.add_argument("--trouble", type=float, default=default.trouble)
    parser.add_argument("--gateways", type=int, nargs="+", default=[default.gateways])
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
