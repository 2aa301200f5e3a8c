"""The schema, brought up to date before anybody uses the database."""

from collections.abc import Awaitable, Callable

from actors.kernel import Actor
from supervisors.child import Child


class Schema:
    """Marks the actor that migrates; it is asked nothing."""


class SchemaActor(Actor[Schema]):
    """Migrates at its start, which comes after the database's and before that of its users."""

    def __init__(self, bring: Callable[[], Awaitable[object]]) -> None:
        self._bring = bring

    async def started(self) -> None:
        await self._bring()


def schema_child(bring: Callable[[], Awaitable[object]]) -> Child:
    """``bring`` migrates; it has all the time that it takes."""
    return Child("schema", lambda: SchemaActor(bring), start_within=None)
