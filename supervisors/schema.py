"""The schema, brought up to date before anybody uses the database."""

import logging
from collections.abc import Callable

from actors.kernel import Actor
from sql.migrate import migrate

log = logging.getLogger(__name__)


class Schema:
    """Marks the actor that migrates; it is asked nothing."""


class SchemaActor(Actor[Schema]):
    """Migrates at its start, which comes after the database's and before that of its users."""

    def __init__(self, owner_dsn: Callable[[], str]) -> None:
        self._owner_dsn = owner_dsn

    async def started(self) -> None:
        for name in await migrate(self._owner_dsn()):
            log.info("migrated to %s", name)
