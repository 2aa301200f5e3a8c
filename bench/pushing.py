"""The gateway's site and actors in a process that sends units to all its node sessions.

    BENCH_OWNER_DSN=… BENCH_DSN=… python -m bench.pushing

The process prints its address. For each line with a number on stdin it tells each session to send
that many units, as the Scheduler does. The units are not in the database.
"""

import asyncio
import os
import sys
from typing import Final
from uuid import uuid4

from actors.node_session.messages import Send
from actors.scheduler.messages import LONG_AGO, Assignment
from rendertrust.job_spec import JobSpec
from sql.job_plan import JobPlan
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.http_gateway import settings_for_tests
from tests.support.whole_gateway import whole
from web.process.memory_tuning import settle_down

MANY: Final = {"socket": 1_000_000}
ROOM: Final = {"sockets_per_address": 100_000, "connections_per_address": 100_000}
JOB_TYPE: Final = "cpu_benchmark"
PLAN: Final = JobPlan(JobSpec(JOB_TYPE, "s3://elsewhere/input/scene.blend"))


def unit() -> Send:
    """Return a new unit of an unknown job."""
    return Send(Assignment(uuid4(), 0, uuid4(), PLAN, LONG_AGO, 1))


async def main() -> None:
    endpoint = PostgresEndpoint(os.environ["BENCH_OWNER_DSN"], os.environ["BENCH_DSN"])
    async with whole(endpoint, settings_for_tests(limits=MANY, server=ROOM)) as running:
        settle_down()
        print(running.url, flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            for _ in range(int(line)):
                for session in running.tree.nodes.children():
                    session.tell(unit())
                await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main())
