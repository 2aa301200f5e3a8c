"""Plugin ``echo``: returns its task as JSON, to show that a node works."""

import asyncio
from typing import ClassVar

import attrs
import orjson

from rendertrust.node.plugin import Completed, Result, Task


@attrs.frozen
class EchoPlugin:
    """Echo of a task. The result lists the inputs by path and size."""

    job_type: ClassVar[str] = "echo"

    async def run(self, task: Task) -> Result:
        """Write ``result.json``."""
        answer = {
            "job_id": task.job_id,
            "job_type": task.job_type,
            "payload_ref": task.payload_ref,
            "unit": task.unit,
            "attempt": task.attempt,
            "params": dict(task.params),
            "inputs": {name: path.stat().st_size for name, path in task.inputs.items()},
        }
        file = task.folder / "result.json"
        await asyncio.to_thread(file.write_bytes, orjson.dumps(answer))
        task.report(1.0)
        return Completed(file=file)
