"""Stand-in for a gateway that tests kill: it starts the named engines, reports them and waits for
its end.

``python gateway.py DATA SECONDS ENGINE…`` prints a line of JSON once all engines are ready, or a
line with the error if one does not start within SECONDS. The program then runs until its standard
input closes, and stops the engines in reverse order.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from supervisors.engines.engine import Engine  # noqa: E402
from supervisors.engines.engine_account import engine_account  # noqa: E402
from supervisors.engines.errors import EngineError  # noqa: E402
from supervisors.engines.postgres import EmbeddedPostgres  # noqa: E402
from supervisors.engines.seaweedfs import EmbeddedObjects  # noqa: E402
from supervisors.engines.valkey import EmbeddedValkey  # noqa: E402

KINDS: dict[str, type[Engine[Any]]] = {
    kind.name: kind for kind in (EmbeddedPostgres, EmbeddedValkey, EmbeddedObjects)
}


def say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


async def main(data: Path, names: list[str], within: float) -> int:
    account = engine_account()
    engines = [KINDS[name](data, account=account) for name in names]
    try:
        endpoints = [attrs.asdict(await engine.start(within=within)) for engine in engines]
    except EngineError as error:
        say({"error": type(error).__name__, "text": str(error)})
        return 1
    pids = [engine.pid for engine in engines]
    say({"pids": pids, "endpoints": dict(zip(names, endpoints, strict=True))})
    await asyncio.to_thread(sys.stdin.read)
    for engine in reversed(engines):
        await engine.stop()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), sys.argv[3:], float(sys.argv[2]))))
