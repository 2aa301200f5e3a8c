"""Apply each deliberate mistake to a copy of the kernel, the supervisors and the proofs'
verifiers, and run its test.

    python tests/mutants/run.py [WORD ...]     only patches whose names contain one of the words

A patch begins with a line ``test: NODE`` that names the test which must turn red. First the named
tests run on a copy without a mistake, where all must be green. Each run is a fork of this process,
which has imported pytest and what it needs already; two run at a time. Exit status 1 if a patch
does not apply, or its test does not turn red.
"""

import gc
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).resolve().parents[2]
PATCHES = Path(__file__).resolve().parent
COPIED = (
    "pyproject.toml",
    "actors/__init__.py",
    "actors/kernel/*.py",
    "supervisors/*.py",
    "rendertrust/*.py",
    "web/__init__.py",
    "web/openapi/examples/reference.py",
    "web/openapi/examples/log.py",
    "tests/__init__.py",
    "tests/support/__init__.py",
    "tests/support/examples.py",
    "tests/support/until.py",
    "tests/unit/*.py",
    "tests/unit/kernel/*.py",
    "tests/unit/proof/*.py",
    "tests/unit/supervisors/*.py",
)
PARALLEL = 2
SECONDS = 600  # per run: for what hangs
GREEN, RED = 0, 1  # pytest's exit codes; others mean that nothing was tested
CONFUSED = 99
# Imported once, for all runs; nothing else that is installed is loaded as a plugin.
PLUGINS = ("_hypothesis_pytestplugin", "pytest_asyncio.plugin", "pytest_timeout")
IMPORTED = ("hypothesis", *PLUGINS)


@attrs.frozen
class Run:
    """Tests on one copy; ``expected`` is pytest's exit code when all is well."""

    name: str
    tests: tuple[str, ...]
    expected: int
    folder: Path

    def output(self) -> str:
        path = self.folder / "output.txt"
        return path.read_text() if path.exists() else ""


def copy_to(folder: Path) -> None:
    for pattern in COPIED:
        for source in ROOT.glob(pattern):
            target = folder / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def test_of(patch: Path) -> str:
    head, _, node = patch.read_text().partition("\n")[0].partition(": ")
    assert head == "test", f"{patch.name}: the first line is to be 'test: NODE'"
    return node


def prepare(folder: Path, patches: list[Path]) -> tuple[list[Run], list[str]]:
    """Make the copies; the runs, and what is wrong with the patches that do not apply."""
    tests = tuple(dict.fromkeys(map(test_of, patches)))
    runs, problems = [Run("no mistake", tests, GREEN, folder / "none")], list[str]()
    copy_to(folder / "none")
    for patch in patches:
        copy = folder / patch.stem
        copy_to(copy)
        applied = subprocess.run(
            ["git", "apply", "--recount", str(patch)],
            cwd=copy,
            # Or git takes the copy for a part of a repository around it, and does nothing.
            env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        if applied.returncode:
            problems.append(f"{patch.stem}: no longer applies: {applied.stderr.strip()}")
        else:
            runs.append(Run(patch.stem, (test_of(patch),), RED, copy))
    return runs, problems


def start(run: Run) -> int:
    """Fork; the child runs the tests and leaves with pytest's exit code."""
    sys.stdout.flush()
    process = os.fork()
    if not process:
        try:
            os._exit(work(run))
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(CONFUSED)  # the child never gets out of here
    return process


def work(run: Run) -> int:
    """In the child: run the tests; pytest's exit code."""
    signal.alarm(SECONDS)
    os.chdir(run.folder)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    options = [
        *(word for plugin in PLUGINS for word in ("-p", plugin)),
        "-q",
        "-x",
        "--tb=short",
        "--assert=plain",
        "-p",
        "no:cacheprovider",
        "-c",
        "pyproject.toml",
    ]
    code = pytest.main([*options, *run.tests])
    sys.stdout.flush()
    return code


def judge(run: Run, status: int) -> str | None:
    """What is wrong with the outcome, if anything."""
    code = os.waitstatus_to_exitcode(status)
    if code == run.expected:
        return None
    wish = "stayed green" if code == GREEN else f"ended with {code}"
    return f"{run.name}: {' '.join(run.tests)} {wish}\n{run.output()}"


def execute(runs: list[Run]) -> list[str]:
    """Run all, two at a time; the problems."""
    waiting, running, problems = list(runs), dict[int, Run](), list[str]()
    while waiting or running:
        while waiting and len(running) < PARALLEL:
            run = waiting.pop(0)
            running[start(run)] = run
        process, status = os.wait()
        run = running.pop(process)
        problem = judge(run, status)
        sys.stdout.write(f"{'as expected' if problem is None else 'PROBLEM':12} {run.name}\n")
        sys.stdout.flush()
        if problem is not None:
            problems.append(problem)
    return problems


def main(words: list[str]) -> int:
    for module in IMPORTED:
        importlib.import_module(module)
    gc.freeze()  # pytest collects garbage at the end of each run
    patches = sorted(PATCHES.glob("*.patch"))
    chosen = [p for p in patches if not words or any(word in p.stem for word in words)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        runs, problems = prepare(Path(folder), chosen)
        problems += execute(runs)
    for problem in problems:
        sys.stdout.write(f"\n{problem}\n")
    sys.stdout.write(f"{len(chosen)} mistakes, {len(problems)} problems\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
