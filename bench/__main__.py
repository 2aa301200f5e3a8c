"""All goals of the benchmarks on one page, each beside its baseline in the same run.

    python -m bench [--rounds 5] [--quick] [--only NAME …] [--json FILE]

Each program runs in a separate process, one after the other, and takes some minutes; a machine with
two cores that does nothing else needs about 20 for all. Within a program the contestants take
turns, round after round; the page shows medians over the rounds, and the lowest and highest round.
``--quick`` is a test of the programs whose figures mean nothing. The exit code is 1 if a program
failed, also if every other goal is met, and 0 if goals are missed.
"""

import argparse
import importlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.goals import ROUNDS, Goal, table_of, write
from bench.probe import machine
from supervisors.engines.engine_programs import postgres_programs
from tests.support.gateway_process import ROOT, descendants

# Programs with goals, and their options on the page; without these they measure more.
PROGRAMS: Final[Mapping[str, Sequence[str]]] = {
    "ledger": (),
    "dispatch": ("--many", "0"),
    "deduct": (),
    "http": ("--no-fastapi",),
    "sessions": (),
    "life": ("--no-http",),
}
MOST_SECONDS: Final = 900.0  # of a program
STOP_SECONDS: Final = 60.0
WORDS_MOST: Final = 100


def command(name: str, options: argparse.Namespace, file: Path) -> list[str]:
    """Return the command of a program, which writes its goals to ``file``."""
    words = [sys.executable, "-m", f"bench.{name}", *PROGRAMS[name], "--json", str(file)]
    return [*words, "--quick"] if options.quick else [*words, "--rounds", str(options.rounds)]


def measured(name: str, options: argparse.Namespace) -> list[Goal]:
    """Run a program and return its goals; if it fails, each goal has the reason."""
    print(f"\n== bench.{name}", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-page-") as folder:
        file, errors = Path(folder) / "goals.json", Path(folder) / "errors"
        with errors.open("wb") as err:
            process = subprocess.Popen(
                command(name, options, file), cwd=ROOT, stderr=err, start_new_session=True
            )
            try:
                code = process.wait(MOST_SECONDS)
                why = f"exit code {code}"
            except subprocess.TimeoutExpired:
                why = f"it took more than {MOST_SECONDS:.0f} s"
            finally:
                end(process)
        if file.exists():
            return [Goal.of(record) for record in json.loads(file.read_text())["goals"]]
        said = errors.read_text(errors="replace").strip()
        print(said, file=sys.stderr, flush=True)
    return failed(name, f"{why}: {said.splitlines()[-1]}" if said else why)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs, with the gateways and engines that it has started."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)  # asyncio then cancels the run, which stops its gateways
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        for pid in (process.pid, *descendants(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def failed(name: str, why: str) -> list[Goal]:
    """Return the goals of a program that failed; one for all if it cannot even be imported."""
    why = " ".join(why.split())[:WORDS_MOST]
    try:
        goals: Sequence[Goal] = importlib.import_module(f"bench.{name}").GOALS
    except Exception:  # whatever a module raises
        goals = [Goal(f"all of bench.{name}", 0, "")]
    return [goal.failed(why) for goal in goals]


def environment() -> dict[str, Any]:
    """Return what the figures depend on: the machine, the versions and the time."""
    cpu = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    programs = postgres_programs()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": said("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "cores": os.cpu_count(),
        "processor": cpu[0] if cpu else platform.machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "postgresql": said(str(programs.root / programs.program), "--version"),
        "load": machine(),
    }


def said(*words: str) -> str:
    """Return what a command prints, or "" if it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def page(goals: Sequence[Goal], around: Mapping[str, Any], seconds: float) -> str:
    """Return the page: the machine, and one row for each goal, the minor ones below the others."""
    met = sum(goal.is_met for goal in goals)
    ordered = sorted(goals, key=lambda goal: goal.is_minor)
    heading, *rows = table_of(ordered).lines()
    major = sum(not goal.is_minor for goal in goals)
    rounds = max((len(goal.figures) for goal in goals), default=0)
    return "\n".join(
        (
            "RenderTrust benchmarks",
            f"{around['date']}, commit {around['commit'] or 'unknown'}",
            f"{around['cores']} cores, {around['processor']}",
            f"{around['python']}, {around['postgresql']}; {around['load']}",
            f"medians of {rounds} rounds; {seconds / 60:.0f} minutes",
            "",
            heading,
            *rows[:major],
            "",
            *rows[major:],
            "",
            f"{met} of {len(goals)} goals met",
        )
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="smallest sizes: a test, no figures")
    parser.add_argument("--only", nargs="+", choices=tuple(PROGRAMS), metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the page there, too")
    options = parser.parse_args()
    around, begun = environment(), time.perf_counter()
    names = [name for name in PROGRAMS if name in (options.only or PROGRAMS)]
    goals = [goal for name in names for goal in measured(name, options)]
    seconds = time.perf_counter() - begun
    print(f"\n{page(goals, around, seconds)}")
    if options.json is not None:
        records = [goal.record for goal in goals]
        write(options.json, {"machine": around, "seconds": seconds, "goals": records})
    return int(any(goal.failure for goal in goals))


if __name__ == "__main__":
    raise SystemExit(main())
