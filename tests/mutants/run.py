"""Make each deliberate mistake ("mutant") in the product, and check that its test turns red.

    python tests/mutants/run.py [WORD ...]     only patches whose names contain one of the words

A patch begins with a line ``test: NODE`` that names the test which must turn red. First all named
tests run without a mistake and must be green. Then each patch is applied to a copy of the files
that it changes; its test runs in this checkout, but imports the patched copies in their place.
Each run is a fork of this process, which has imported pytest and other packages already; two run
at a time. The exit status is 1 if a patch does not apply or its test does not turn red.
"""

import gc
import importlib
import importlib.abc
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import attrs
import pytest
from hypothesis import Phase, settings

ROOT = Path(__file__).resolve().parents[2]
PATCHES = Path(__file__).resolve().parent
PARALLEL = 2
SECONDS = 600  # per run, so that a hang ends
GREEN, RED = 0, 1  # pytest's exit codes; with any other code nothing was tested
CONFUSED = 99
# No other installed package is loaded as a plugin.
PLUGINS = ("_hypothesis_pytestplugin", "pytest_asyncio.plugin", "pytest_timeout")
# Packages that are imported once, for all runs. None of them may be part of the product.
IMPORTED = (
    *PLUGINS,
    *("aiohttp_jwt", "asyncpg", "cattrs", "email_validator", "jinja2", "limits.aio.strategies"),
    *("prometheus_client", "redis.asyncio", "structlog", "typed_settings"),
)
OPTIONS = (
    *(word for plugin in PLUGINS for word in ("-p", plugin)),
    *("-q", "-x", "--tb=short", "--assert=plain", "-p", "no:cacheprovider", "-c", "pyproject.toml"),
    # Skip the main conftest.py, which imports every engine.
    "--confcutdir=tests/integration/conformance",
)


@attrs.frozen
class Run:
    """A run of pytest; ``expected`` is its exit code if all is well.

    Modules with a file in ``folder`` are imported from there.
    """

    name: str
    tests: tuple[str, ...]
    expected: int
    folder: Path

    def output(self) -> str:
        path = self.folder / "output.txt"
        return path.read_text() if path.exists() else ""


@attrs.frozen
class PatchedFirst(importlib.abc.MetaPathFinder):
    """An import finder for modules in a folder of patched files; others are found as usual."""

    folder: Path

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self.folder / f"{name.replace('.', '/')}.py"
        return importlib.util.spec_from_file_location(name, file) if file.exists() else None


def test_of(patch: Path) -> str:
    head, _, node = patch.read_text().partition("\n")[0].partition(": ")
    assert head == "test", f"{patch.name}: the first line is to be 'test: NODE'"
    return node


def prepare(folder: Path, patches: list[Path]) -> tuple[list[Run], list[str]]:
    """Return the runs, and a problem for each patch that does not apply."""
    tests = tuple(dict.fromkeys(map(test_of, patches)))
    runs, problems = [Run("no mistake", tests, GREEN, folder / "none")], list[str]()
    runs[0].folder.mkdir()
    for patch in patches:
        run = Run(patch.stem, (test_of(patch),), RED, folder / patch.stem)
        refusal = apply(patch, run.folder)
        if refusal:
            problems.append(f"{patch.stem}: no longer applies: {refusal}")
        else:
            runs.append(run)
    return runs, problems


def apply(patch: Path, folder: Path) -> str:
    """Copy the files that the patch changes and apply it to the copies; return git's complaint."""
    folder.mkdir()
    for name in re.findall(r"^--- a/(.+)$", patch.read_text(), re.MULTILINE):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    applied = subprocess.run(
        ["git", "apply", "--recount", str(patch)],
        cwd=folder,
        # Without this, git would treat the folder as part of a repository around it and do nothing.
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    return applied.stderr.strip() if applied.returncode else ""


def start(run: Run) -> int:
    """Fork a child that runs the tests and exits with pytest's exit code; return its process id."""
    sys.stdout.flush()
    process = os.fork()
    if not process:
        try:
            os._exit(work(run))
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(CONFUSED)  # ends the child in any case
    return process


def work(run: Run) -> int:
    """Run the tests in the child; return pytest's exit code."""
    signal.alarm(SECONDS)
    os.chdir(ROOT)
    output = os.open(run.folder / "output.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # Use the same examples each time, and do not shrink the one that turns the test red.
    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("mutants", deadline=None, derandomize=True, phases=phases)
    settings.load_profile("mutants")
    sys.meta_path.insert(0, PatchedFirst(run.folder))
    code = pytest.main([*OPTIONS, *run.tests])
    sys.stdout.flush()
    return code


def judge(run: Run, status: int) -> str | None:
    """Return what is wrong with the outcome, or None."""
    code = os.waitstatus_to_exitcode(status)
    if code == run.expected:
        return None
    wish = "stayed green" if code == GREEN else f"ended with {code}"
    return f"{run.name}: {' '.join(run.tests)} {wish}\n{run.output()}"


def execute(runs: list[Run]) -> list[str]:
    """Run all, two at a time; return the problems."""
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
