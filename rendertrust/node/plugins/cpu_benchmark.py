"""Plugin ``cpu_benchmark``: times a computation that is the same on every machine."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import attrs
import orjson

from rendertrust.node.agent_settings import NICENESS
from rendertrust.node.child_process import converse
from rendertrust.node.plugin import Completed, Failed, Result, Task

PROGRAM: Final = Path(__file__).with_name("benchmark_program.py")
SECONDS_MAX: Final = 300.0


@attrs.frozen
class CpuBenchmarkPlugin:
    """CPU benchmark. The parameter ``rows`` scales the work.

    ``score`` is the number of million steps per second on one processor. ``checksum`` is equal on
    all machines that compute correctly.
    """

    job_type: ClassVar[str] = "cpu_benchmark"
    nice: int = NICENESS

    async def run(self, task: Task) -> Result:
        """Run the program and write ``result.json``."""
        rows = task.params.get("rows", 2000)
        if type(rows) is not int or not 1 <= rows <= 10_000:
            return Failed(failure="scene", error="rows must be a whole number from 1 to 10000")
        ending = await converse(
            [sys.executable, "-I", "-B", str(PROGRAM), str(rows), str(self.nice)],
            environment={},
            within=SECONDS_MAX,
            hear=lambda line: _report(task, line),
        )
        score = ending.last.get("score")
        if ending.code != 0 or score is None:
            return Failed(failure="node", error="the benchmark did not end", detail=ending.tail)
        file = task.folder / "result.json"
        await asyncio.to_thread(file.write_bytes, orjson.dumps(ending.last))
        return Completed(file=file, work={"score": score, "seconds": ending.last["seconds"]})


def _report(task: Task, line: Mapping[str, Any]) -> None:
    if isinstance(line.get("progress"), (int, float)):
        task.report(float(line["progress"]))
