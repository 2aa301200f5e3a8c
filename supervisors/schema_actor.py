"""The actor that migrates the schema before the database is used."""

from collections.abc import Awaitable, Callable

from actors.kernel import Actor
from supervisors.child import Child


class Schema:
    """Marker: an empty class for the address of the actor that migrates, which has no messages."""


class SchemaActor(Actor[Schema]):
    """Migrates the schema at its start, after the database has started and before other actors use
    the database.
    """

    def __init__(self, bring: Callable[[], Awaitable[object]]) -> None:
        self._bring = bring

    async def started(self) -> None:
        await self._bring()


def schema_child(bring: Callable[[], Awaitable[object]]) -> Child:
    """Return a supervisor's child that runs ``bring`` at its start, without a time limit."""
    return Child("schema", lambda: SchemaActor(bring), start_within=None)
