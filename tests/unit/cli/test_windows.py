"""Client, command line and extension without the modules that Windows lacks.

A process that believes to be on Windows imports our modules; other packages were imported before,
as they would look for Windows itself.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# A machine whose own encoding is not UTF-8, and lacks most characters.
CODE_PAGE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ROOT = Path(__file__).parents[3]
WINDOWS = """
import asyncio, json, multiprocessing, os, pkgutil, signal, ssl, subprocess, sys
import importlib, tempfile, unittest.mock
import aiohttp, attrs, click, click.shell_completion, cryptography, orjson, platformdirs, rich
import rich.console, rich.live, rich.progress, rich.table, rich.text

MISSING = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}

class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Lacking())
for name in MISSING:
    sys.modules.pop(name, None)
sys.platform = "win32"
for name in ("fork", "getuid", "geteuid", "killpg", "setsid", "fchmod", "chown", "O_NOFOLLOW"):
    delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "SIGUSR1", "SIGPROF"):
    delattr(signal, name)
"""
IMPORTS = """
import rendertrust.cli, rendertrust.client
names = []
for package in (rendertrust.client, rendertrust.cli):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(found.name)
        names.append(found.name)
print(json.dumps(names))
"""
NAMED = """
for name in sys.argv[1:]:
    importlib.import_module(name)
"""
PROGRAM = """
from rendertrust.__main__ import main
sys.exit(main())
"""


def on_windows(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WINDOWS + code, *words]
    env = os.environ | CODE_PAGE
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, encoding="utf-8", check=False
    )


def test_client_and_command_line_are_imported() -> None:
    done = on_windows(IMPORTS)
    assert done.returncode == 0, done.stderr
    assert {"rendertrust.cli.submit", "rendertrust.client.downloads"} <= {*json.loads(done.stdout)}


def test_what_the_extension_imports_is_imported() -> None:
    """Its functions import when they run, so their imports are read from its sources."""
    trees = [ast.parse(path.read_bytes()) for path in (ROOT / "extension").glob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
    names |= {
        node.module
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }
    names -= {"bpy", "bpy.utils.previews"}
    assert {"queue", "rendertrust.node.worker.scene.inspector"} < names
    done = on_windows(NAMED, *sorted(names))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("jobs", "--help")])
def test_commands_without_blender_run(words: tuple[str, ...]) -> None:
    done = on_windows(PROGRAM, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "rendertrust" in done.stdout


@pytest.mark.parametrize("words", ["join", "run", "doctor", "status", "install"])
def test_a_node_names_the_system_that_it_needs(words: str) -> None:
    done = on_windows(PROGRAM, "node", words)
    assert done.returncode == 1
    assert "Nodes run on Linux and macOS, and on Windows in WSL2" in done.stderr
    assert "wsl --install" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_gateway_names_the_system_that_it_needs() -> None:
    done = on_windows(PROGRAM, "serve")
    assert (done.returncode, done.stderr.count("\n")) == (2, 2)
    assert "The gateway runs on Linux, and on Windows in WSL2" in done.stderr
