"""``python -m tests.kills``: kill a gateway under load, and check what it had acknowledged.

In each round, client processes register, buy, spend, submit, cancel, work, pay out and decide. The
clients write every acknowledged answer to disk before it counts. Then SIGKILL hits the gateway with
all its engines, the gateway alone, or one engine. When all is ready again, everything that was ever
acknowledged must be there exactly once, and ``fsck`` must find the books in order. The same seed
kills the same victims at the same times. Exit code 1: a check failed, or the checks found nothing
wrong with a gateway with a mistake.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from uuid import uuid4

from tests.kills.checks import verdicts
from tests.kills.mistake import MISTAKES, gateway_with, is_found_by
from tests.kills.plan import ROUND, VICTIMS
from tests.kills.run import SETTINGS, VERIFIED, Order, Round, run_rounds, stop_and_check
from tests.support.gateway_process import Gateway

SHOWN_MAX = 20
CHARACTERS_MAX = 600


def main() -> int:
    given = arguments()
    victims = (given.victim,) if given.victim else ROUND
    order = Order(given.seed, given.kills, given.acknowledged, victims, given.clients)
    say(f"seed {order.seed}: {order.kills} kills, {order.acknowledged} answers before each")
    return asyncio.run(run(order, given.mistake, VERIFIED if given.verified else SETTINGS))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", default=uuid4().hex[:8], help="default: a new one")
    parser.add_argument(
        "--acknowledged", type=int, default=1000, help="answers before each kill, at least"
    )
    parser.add_argument("--clients", type=int, default=2, choices=range(1, 9))
    parser.add_argument("--victim", choices=VICTIMS, help="always this one")
    parser.add_argument(
        "--verified", action="store_true", help="frames wait for a verdict; checks are under way"
    )
    parser.add_argument(
        "--mistake", choices=MISTAKES, help="run a gateway with this mistake until a check finds it"
    )
    return parser.parse_args()


async def run(order: Order, mistake: str | None, settings: Mapping[str, str]) -> int:
    done: list[Round] = []
    async with gateway_with(mistake, **settings) as gateway:
        async with aclosing(run_rounds(gateway, order)) as going:
            async for each in going:
                done.append(each)
                show(each)
                if settings is VERIFIED:
                    say(f"    verdicts: {counted(await verdicts(gateway))}")
                if mistake is not None and is_found_by(mistake, each):
                    say(f"{mistake} was found by kill {len(done)}")
                    return 0
        last = await stop_and_check(gateway)
        faults = sum(len(each.faults) for each in done) + len(last)
        if faults:
            tell(last)
            say(f"what was said and written meanwhile is in {evidence(gateway)}")
    summary(order, done)
    say(f"{faults} faults" + (f", and {mistake} was not found" if mistake else ""))
    return 1 if faults or mistake else 0


def evidence(gateway: Gateway) -> str:
    """Copy the clients' journals and the gateway's log to a folder and return it."""
    folder = tempfile.mkdtemp(prefix="kills-")
    for pattern in ("*.jsonl", "*.log"):
        for path in gateway.data.parent.glob(pattern):
            shutil.copy(path, folder)
    return folder


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def show(done: Round) -> None:
    times = f"ready after {done.back_seconds:.1f} s, in all {done.seconds:.1f} s"
    outcome = f"{len(done.faults)} FAULTS" if done.faults else "all there"
    so_far = f"{done.acknowledged} answers ({done.in_all.total()} so far)"
    say(f"{done.kill}: {so_far}, {times}: {outcome}")
    tell(done.faults)


def tell(faults: Sequence[str]) -> None:
    for fault in faults[:SHOWN_MAX]:
        say(f"    {fault[:CHARACTERS_MAX]}")


def summary(order: Order, done: Sequence[Round]) -> None:
    victims = Counter(each.kill.victim for each in done)
    again = sum(each.kill.again is not None for each in done)
    say(f"seed {order.seed}: {len(done)} kills ({counted(victims)}), {again} more at a start")
    answers = done[-1].in_all
    say(f"{answers.total()} acknowledged answers ({counted(answers)})")
    least = min(each.acknowledged for each in done)
    slowest = max(each.back_seconds for each in done)
    say(f"at least {least} before each kill, ready again after {slowest:.1f} s at most")


def counted(things: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in things.most_common())


if __name__ == "__main__":
    sys.exit(main())
