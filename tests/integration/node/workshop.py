"""A Blender process that makes all scenes of a test run, because a start takes far longer than a
scene.
"""

import atexit
import functools
import json
import subprocess
import sys
import threading
from typing import IO

# Blender prints to stdout, so answers use another descriptor. Each scene starts from factory
# settings.
_PROGRAM = """
import json, os, sys, traceback
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import bpy
for line in sys.stdin:
    program, sys.argv = json.loads(line)
    said = ""
    try:
        bpy.ops.wm.read_factory_settings(use_empty=False)
        exec(compile(program, "scene", "exec"), {"__name__": "__main__"})
    except BaseException:
        said = traceback.format_exc()
    print(json.dumps(said), file=answers, flush=True)
os._exit(0)
"""
DIED = "Blender has died"


class Workshop:
    """A Blender outside the sandbox and without the node's worker; it makes one scene at a time."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process = _blender()

    def make(self, program: str, *arguments: str) -> None:
        """Run a program with ``bpy`` imported; raise AssertionError with its output if it fails."""
        with self._turn:
            orders, answers = self._process.stdin, self._process.stdout
            assert orders is not None
            assert answers is not None
            said = _asked(orders, answers, [program, ["scene", *arguments]])
            if said == DIED:  # so that the next call gets a new process
                self.close()
                self._process = _blender()
        assert not said, said[-2000:]

    def close(self) -> None:
        """Stop Blender."""
        self._process.communicate(timeout=30)


def _blender() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _asked(orders: IO[str], answers: IO[str], order: object) -> str:
    orders.write(json.dumps(order) + "\n")
    orders.flush()
    line = answers.readline()
    return str(json.loads(line)) if line else DIED


@functools.cache
def workshop() -> Workshop:
    """Return the workshop of this process."""
    made = Workshop()
    atexit.register(made.close)
    return made
