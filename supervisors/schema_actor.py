"""The actor that migrates the schema before the database is used."""

from collections.abc import Awaitable, Callable

from actors.kernel import Actor
from supervisors.child import Child


class Schema:
    """Marker: the address of the actor that migrates; it has no messages."""


class SchemaActor(Actor[Schema]):
    """Migrates at its start, after the database has started and before its users start."""

    def __init__(self, bring: Callable[[], Awaitable[object]]) -> None:
        self._bring = bring

    async def started(self) -> None:
        await self._bring()


def schema_child(bring: Callable[[], Awaitable[object]]) -> Child:
    """Return the child that runs ``bring``, without a time limit."""
    return Child("schema", lambda: SchemaActor(bring), start_within=None)
