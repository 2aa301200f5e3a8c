"""Random operations in random batches over PostgreSQL, audited after each batch.

The database's time comes from the hand clock, because the books read how long things wait.
"""

import asyncio
from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test

from sql.fsck import AuditMark
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.hand_time import HandDatabase
from tests.support.databases import Databases
from tests.support.engines import LoopThread
from tests.support.event_audit import untold
from tests.support.examples import examples
from tests.unit.ledger.delivery_model import DeliveryModel

pytestmark = pytest.mark.heavy


class OverPostgres(DeliveryModel):
    """State machine over its own database.

    Each step audits what was written since the last audit; the end audits everything. Each example
    has its own database, so no example sees rows that another example broke.
    """

    def __init__(self, endpoint: PostgresEndpoint) -> None:
        loop = asyncio.new_event_loop()
        self.database = HandDatabase(lambda: endpoint.app_dsn)
        self.mark: AuditMark | None = None
        stage = sql_stage(self.database)
        super().__init__(stage, loop)

    async def findings(self) -> list[Any]:
        increment = await self.stage.store.audit_since(self.mark or AuditMark())
        self.mark = increment.mark
        return list(increment.findings)

    async def untold(self) -> dict[str, list[Any]]:
        async with self.database.connection() as connection:
            return await untold(connection)

    def teardown(self) -> None:
        try:
            super().teardown()
            assert self.run_to_end(self.stage.store.audit()) == []
            assert self.run_to_end(self.untold()) == {}
        finally:
            self.run_to_end(self.database.close())
            self.loop.close()


async def test_every_operation_in_any_order_over_postgres(
    engine_loop: LoopThread, databases: Databases, database_template: str
) -> None:
    """The state machine runs in a thread, because it has an event loop of its own."""

    class Here(OverPostgres):
        def __init__(self) -> None:
            self.endpoint = engine_loop.run(databases.take(database_template))
            super().__init__(self.endpoint)

        def teardown(self) -> None:
            try:
                super().teardown()
            finally:
                engine_loop.run(databases.drop(self.endpoint))

    few = examples(0.2, stateful_step_count=60)
    await asyncio.to_thread(run_state_machine_as_test, Here, settings=few)
