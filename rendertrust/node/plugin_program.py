"""Program in the sandbox that loads a plugin and calls its ``check`` or ``run``.

The order on standard input names the plugin and, unless it is only a trial, the task. With the path
of a delivered file, the plugin checks it. The last message has the verdict or the result.
"""

import asyncio
import os
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final

from rendertrust.node.plugin import (
    CheckVerdict,
    Completed,
    InvalidResult,
    Result,
    Task,
    UnverifiableResult,
    ValidResult,
)
from rendertrust.node.worker.ipc import Say, speaker, take_standard_output
from rendertrust.node.worker.resource_limits import come_last, limit

NAMES: Final = {ValidResult: "valid", InvalidResult: "invalid", UnverifiableResult: "unverifiable"}
REASON_CHARACTERS_MAX: Final = 300
NO_VERDICT: Final = "its check must return ValidResult, InvalidResult or UnverifiableResult"
NO_FILE: Final = "it returned no file in its folder"


def main(order: Mapping[str, Any]) -> None:
    """Run the order, and end the process without Python's clean-up."""
    say, code = speaker(take_standard_output()), 1
    os.nice(order["nice"])
    come_last()
    limit(dict(order["limits"]))
    try:
        plugin = EntryPoint(name="plugin", value=order["plugin"], group="").load()()
        say("ready")
        if "task" in order:
            task = _task(order, say)
            if "delivered" in order:
                verdict = asyncio.run(plugin.check(task, Path(order["delivered"])))
                say("done", **_told(verdict))
            else:
                _tell(asyncio.run(plugin.run(task)), task, say)
        code = 0
    except BaseException as fault:  # a plugin may also raise SystemExit
        say("failed", error=f"{type(fault).__name__}: {fault}"[:REASON_CHARACTERS_MAX])
    finally:
        os._exit(code)


def _task(order: Mapping[str, Any], say: Say) -> Task:
    return Task(
        **order["task"],
        folder=Path(order["out"]),
        inputs={name: Path(path) for name, path in order["inputs"].items()},
        delivered={},
        on_progress=lambda share, detail: say("progress", progress=share, detail=detail),
    )


def _told(verdict: CheckVerdict) -> Mapping[str, Any]:
    name = NAMES.get(type(verdict))
    if name is None:
        raise TypeError(NO_VERDICT)
    is_exact = isinstance(verdict, ValidResult) and verdict.exact is True
    reason = str(verdict.reason)[:REASON_CHARACTERS_MAX]
    return {"verdict": name, "exact": is_exact, "reason": reason}


def _tell(result: Result, task: Task, say: Say) -> None:
    if not isinstance(result, Completed):
        say("refused", failure=result.failure, error=result.error)
        return
    if result.file is None or result.file.parent != task.folder:
        raise ValueError(NO_FILE)
    say("done", file=result.file.name, work=dict(result.work))
