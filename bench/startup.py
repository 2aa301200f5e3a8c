"""Start-up time of ``rendertrust`` commands without a gateway: wall time, median of fresh runs.

    python bench/startup.py [RUNS]

Goal C1: ``rendertrust --help`` below 150 ms. The bare interpreter and the commands run in turns, so
that other load on the machine affects all of them.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS_LEAST = 9
GOAL_MS = 150.0
PROGRAM = ["-m", "rendertrust"]
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "rendertrust --help": [*PROGRAM, "--help"],
    "rendertrust version": [*PROGRAM, "version"],
    "rendertrust help exit-codes": [*PROGRAM, "help", "exit-codes"],
    "rendertrust jobs --help": [*PROGRAM, "jobs", "--help"],
}


def milliseconds(words: list[str]) -> float:
    """Return the milliseconds of a new process, from its start to its end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000


def main() -> int:
    """Print the table; return 1 if the goal is missed."""
    runs = max(RUNS_LEAST, int(sys.argv[1]) if len(sys.argv) > 1 else RUNS_LEAST)
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for words in COMMANDS.values():
        milliseconds(words)  # fills the caches of byte code and pages
    for _ in range(runs):
        for name, words in COMMANDS.items():
            taken[name].append(milliseconds(words))
    print(f"{'command':<30}{'median':>10}{'least':>10}{'most':>10}   ({runs} runs, ms)")
    for name, times in taken.items():
        print(f"{name:<30}{statistics.median(times):>10.1f}{min(times):>10.1f}{max(times):>10.1f}")
    met = statistics.median(taken["rendertrust --help"]) < GOAL_MS
    print(f"C1: rendertrust --help below {GOAL_MS:.0f} ms: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
