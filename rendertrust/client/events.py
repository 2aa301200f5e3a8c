"""What happens to jobs: read, followed, and told to endpoints of webhooks."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Final
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
    JobLog,
)
from rendertrust.client.base import ApiBase
from rendertrust.client.event_follower import EventFollower
from rendertrust.client.response_decoder import read
from rendertrust.client.transport import ApiCall

_ENDPOINTS: Final = "/api/v1/webhooks/endpoints"
SSE: Final = "text/event-stream"


class EventsApi(ApiBase):
    """A part of ``AsyncClient``."""

    def events(
        self, job_id: str | UUID, *, after: int = 0, progress: bool = False
    ) -> AsyncIterator[Event]:
        """What happened to a job behind number ``after``, then what happens, until it has ended.

        Each event once and in its order, whatever becomes of connections and gateways: one that is
        away is waited for, two minutes at most. ``progress``: also how far units are, which has no
        number. NotFound: there is no such job, or it is another's. Conflict: the gateway knows of
        fewer events than ``after``, as an older database was put back.
        """
        path = _of_job(job_id)

        def open_at(number: int) -> AsyncGenerator[bytes]:
            headers = {"Accept": SSE, "Last-Event-ID": str(number)}
            return self._login.stream(ApiCall("GET", path, headers=headers))

        return EventFollower(open_at, self._transport, progress, after).events()

    async def event_page(
        self, job_id: str | UUID, *, after: int = 0, limit: int = 100
    ) -> EventPage:
        """What happened to a job by now, behind number ``after``: a page of it."""
        query = {"after": str(after), "limit": str(limit)}
        return read(EventPage, await self._get(_of_job(job_id), query))

    async def job_log(self, job_id: str | UUID, unit: int | None = None) -> tuple[AttemptLog, ...]:
        """What nodes said last of a job's units (of one ``unit``), and why attempts at them failed.

        First the last 20 attempts that failed, the oldest first, whose lines are kept as long as
        results are; then those that the gateway has heard of lately. NotFound: no such job.
        """
        query = {} if unit is None else {"unit": str(unit)}
        path = f"/api/v1/jobs/{UUID(str(job_id))}/log"
        return read(JobLog, await self._get(path, query)).attempts

    async def hooks(self) -> Hooks:
        """One's endpoints of webhooks, oldest first."""
        return read(Hooks, await self._get(_ENDPOINTS))

    async def create_hook(self, url: str, types: Sequence[str] = ("job.*",)) -> HookWithSecret:
        """Have what happens to one's jobs told to ``url``; the secret is shown this once.

        ``types``: of events; ``job.*`` and ``unit.*`` are all of these. ``rendertrust.webhooks``
        reads what arrives. Conflict: there are too many.
        """
        body = {"url": url, "types": list(types)}
        call = ApiCall("POST", _ENDPOINTS, body, repeatable=False)
        return read(HookWithSecret, await self._login.send(call))

    async def change_hook(
        self,
        hook_id: str | UUID,
        *,
        url: str | None = None,
        types: Sequence[str] | None = None,
        enabled: bool | None = None,
    ) -> Hook:
        """Another address, other events; told again, or no more."""
        wish: dict[str, Any] = {"url": url, "enabled": enabled}
        wish["types"] = None if types is None else list(types)
        body = {name: value for name, value in wish.items() if value is not None}
        return read(Hook, await self._login.send(ApiCall("PATCH", _of_hook(hook_id), body)))

    async def rotate_hook(self, hook_id: str | UUID) -> HookWithSecret:
        """Another secret, shown this once; the one before signs beside it for a day."""
        call = ApiCall("POST", f"{_of_hook(hook_id)}/rotate", repeatable=False)
        return read(HookWithSecret, await self._login.send(call))

    async def delete_hook(self, hook_id: str | UUID) -> None:
        """Be told no more; what waits is forgotten."""
        await self._login.send(ApiCall("DELETE", _of_hook(hook_id), repeatable=False))

    async def deliveries(
        self, hook_id: str | UUID, *, limit: int = 50, after: str | UUID | None = None
    ) -> Deliveries:
        """What was told to an endpoint, or is to be, newest first."""
        query = {"limit": str(limit)} | ({} if after is None else {"after": str(after)})
        return read(Deliveries, await self._get(f"{_of_hook(hook_id)}/deliveries", query))

    async def replay(self, delivery_id: str | UUID) -> Delivery:
        """Tell it again, under the same id."""
        path = f"/api/v1/webhooks/deliveries/{UUID(str(delivery_id))}/replay"
        return read(Delivery, await self._login.send(ApiCall("POST", path)))


def _of_job(job_id: str | UUID) -> str:
    return f"/api/v1/jobs/{UUID(str(job_id))}/events"


def _of_hook(hook_id: str | UUID) -> str:
    return f"{_ENDPOINTS}/{UUID(str(hook_id))}"
