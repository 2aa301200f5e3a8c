"""What happens to jobs, for programs without asyncio."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from rendertrust.api.events import (
    AttemptLog,
    Deliveries,
    Delivery,
    Event,
    EventPage,
    Hook,
    Hooks,
    HookWithSecret,
)
from rendertrust.client.async_client import AsyncClient
from rendertrust.client.loop_thread import LoopThread


class SyncEventsApi:
    """A part of ``Client``."""

    _client: AsyncClient
    _bridge: LoopThread

    def events(
        self, job_id: str | UUID, *, after: int = 0, progress: bool = False
    ) -> Iterator[Event]:
        """What happened to a job, then what happens, until it has ended; each event once."""
        return self._bridge.each(self._client.events(job_id, after=after, progress=progress))

    def event_page(self, job_id: str | UUID, *, after: int = 0, limit: int = 100) -> EventPage:
        """What happened to a job by now: a page of it."""
        return self._bridge.run(self._client.event_page(job_id, after=after, limit=limit))

    def job_log(self, job_id: str | UUID, unit: int | None = None) -> tuple[AttemptLog, ...]:
        """What nodes said last of a job's units, and why attempts at them failed."""
        return self._bridge.run(self._client.job_log(job_id, unit))

    def hooks(self) -> Hooks:
        """One's endpoints of webhooks."""
        return self._bridge.run(self._client.hooks())

    def create_hook(self, url: str, types: Sequence[str] = ("job.*",)) -> HookWithSecret:
        """Have what happens to one's jobs told to ``url``; the secret is shown this once."""
        return self._bridge.run(self._client.create_hook(url, types))

    def change_hook(
        self,
        hook_id: str | UUID,
        *,
        url: str | None = None,
        types: Sequence[str] | None = None,
        enabled: bool | None = None,
    ) -> Hook:
        """Another address, other events; told again, or no more."""
        return self._bridge.run(
            self._client.change_hook(hook_id, url=url, types=types, enabled=enabled)
        )

    def rotate_hook(self, hook_id: str | UUID) -> HookWithSecret:
        """Another secret, shown this once."""
        return self._bridge.run(self._client.rotate_hook(hook_id))

    def delete_hook(self, hook_id: str | UUID) -> None:
        """Be told no more."""
        self._bridge.run(self._client.delete_hook(hook_id))

    def deliveries(
        self, hook_id: str | UUID, *, limit: int = 50, after: str | UUID | None = None
    ) -> Deliveries:
        """What was told to an endpoint, or is to be, newest first."""
        return self._bridge.run(self._client.deliveries(hook_id, limit=limit, after=after))

    def replay(self, delivery_id: str | UUID) -> Delivery:
        """Tell it again, under the same id."""
        return self._bridge.run(self._client.replay(delivery_id))
