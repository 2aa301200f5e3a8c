"""The client for programs without asyncio: the same methods, on an event loop of its own."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

from rendertrust.client.answers import (
    ApiKeys,
    Balance,
    CreatedApiKey,
    EntryProof,
    History,
    Job,
    JobList,
    LogCheckpoint,
    Node,
    NodeList,
    Placed,
    Registered,
    ResultUrl,
    Tokens,
    Upload,
)
from rendertrust.client.asynchronous import RETRIES, AsyncClient, NodeVerb, PayoutTo
from rendertrust.client.backoff import Retries
from rendertrust.client.content import Progress, unheard
from rendertrust.client.earned import Dispute, Disputes, Earnings, Payout, Payouts, Statement
from rendertrust.client.login import Keeper
from rendertrust.client.transport import Waiting
from rendertrust.client.witness import Pins
from rendertrust.verify import Verdict

Reply = TypeVar("Reply")


class Client:
    """A creator's view of one gateway; ``with Client(url) as client: …``. Methods as AsyncClient's.

    Its loop runs in a thread, so that it works where another loop runs already (a notebook). What
    is passed as ``progress`` and ``waiting`` is called in that thread.
    """

    def __init__(
        self,
        url: str,
        *,
        tokens: Tokens | None = None,
        keeper: Keeper | None = None,
        api_key: str | None = None,
        retries: Retries = RETRIES,
        waiting: Waiting | None = None,
        pins: Pins | None = None,
    ) -> None:
        self._client = AsyncClient(
            url,
            tokens=tokens,
            keeper=keeper,
            api_key=api_key,
            retries=retries,
            waiting=waiting,
            pins=pins,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="rendertrust-client", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The gateway's address."""
        return self._client.url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and end the loop; a closed client cannot be used again."""
        if self._loop.is_closed():
            return
        self._run(self._client.close())
        self._run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Reply]) -> Reply:
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("the client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C here ends the work there
            raise

    def register(self, email: str, name: str, password: str) -> Registered:
        """Open an account, and be logged in."""
        return self._run(self._client.register(email, name, password))

    def login(self, email: str, password: str) -> Tokens:
        """Log in."""
        return self._run(self._client.login(email, password))

    def logout(self) -> None:
        """End the login, here and at the gateway."""
        self._run(self._client.logout())

    def create_key(
        self, name: str, scopes: Sequence[str], *, expires_at: datetime | None = None
    ) -> CreatedApiKey:
        """An API key, shown this once."""
        return self._run(self._client.create_key(name, scopes, expires_at=expires_at))

    def keys(self, *, limit: int = 50, offset: int = 0) -> ApiKeys:
        """One's API keys, newest first."""
        return self._run(self._client.keys(limit=limit, offset=offset))

    def revoke_key(self, key_id: str | UUID) -> None:
        """Revoke an API key."""
        self._run(self._client.revoke_key(key_id))

    def access_token(self) -> str:
        """A token that the gateway took just now."""
        return self._run(self._client.access_token())

    def balance(self) -> Balance:
        """Credits: booked, held, available."""
        return self._run(self._client.balance())

    def history(self, *, limit: int = 50, offset: int = 0) -> History:
        """How credits came and went, newest first."""
        return self._run(self._client.history(limit=limit, offset=offset))

    def upload(self, path: Path | str, *, progress: Progress = unheard) -> Upload:
        """Send a file that the gateway does not have yet."""
        return self._run(self._client.upload(path, progress=progress))

    def dispatch(
        self,
        job_type: str,
        payload_ref: str,
        params: Mapping[str, Any] | None = None,
        *,
        queue: bool = False,
        idempotency_key: str | None = None,
    ) -> Placed:
        """Submit a job, once for one ``idempotency_key``."""
        return self._run(
            self._client.dispatch(
                job_type, payload_ref, params, queue=queue, idempotency_key=idempotency_key
            )
        )

    def jobs(self, status: str | None = None, *, limit: int = 50, offset: int = 0) -> JobList:
        """One's own jobs, newest first."""
        return self._run(self._client.jobs(status, limit=limit, offset=offset))

    def job(self, job_id: str | UUID) -> Job:
        """One job."""
        return self._run(self._client.job(job_id))

    def cancel(self, job_id: str | UUID) -> Job:
        """Cancel a job that no node has begun."""
        return self._run(self._client.cancel(job_id))

    def result(self, job_id: str | UUID) -> ResultUrl:
        """Where the result can be fetched."""
        return self._run(self._client.result(job_id))

    def download(
        self,
        job_id: str | UUID,
        path: Path | str,
        *,
        stem: str | None = None,
        progress: Progress = unheard,
    ) -> Path:
        """Fetch the result to ``path``, whole or not at all."""
        return self._run(self._client.download(job_id, path, stem=stem, progress=progress))

    def nodes(self, *, limit: int = 50, offset: int = 0) -> NodeList:
        """One's own nodes, newest first."""
        return self._run(self._client.nodes(limit=limit, offset=offset))

    def node(self, node_id: str | UUID) -> Node:
        """One node."""
        return self._run(self._client.node(node_id))

    def tell_node(self, node_id: str | UUID, verb: NodeVerb, reason: str = "") -> Node:
        """Say of a node what it is to do."""
        return self._run(self._client.tell_node(node_id, verb, reason))

    def log_checkpoint(self) -> LogCheckpoint:
        """How large the gateway's log is, held against what was seen of it before."""
        return self._run(self._client.log_checkpoint())

    def entry_proof(self, entry_id: int | str | UUID, *, opening: bool = False) -> EntryProof:
        """What shows that one's entry stands in the log, verified."""
        return self._run(self._client.entry_proof(entry_id, opening=opening))

    def verify_entry(self, entry_id: int | str | UUID) -> Verdict:
        """The same, step by step."""
        return self._run(self._client.verify_entry(entry_id))

    def earnings(self, state: str | None = None, *, limit: int = 50, offset: int = 0) -> Earnings:
        """What one's nodes earned, newest first."""
        return self._run(self._client.earnings(state, limit=limit, offset=offset))

    def payouts(self, *, limit: int = 50, offset: int = 0) -> Payouts:
        """One's payouts, newest first."""
        return self._run(self._client.payouts(limit=limit, offset=offset))

    def pay_out(self, to: PayoutTo, *, idempotency_key: str | None = None) -> Payout:
        """Pay out all that is payable."""
        return self._run(self._client.pay_out(to, idempotency_key=idempotency_key))

    def statement(self, month: str) -> Statement:
        """One's account as an operator in a month."""
        return self._run(self._client.statement(month))

    def dispute(self, job_id: str | UUID, reason: str, *, unit: int = 0) -> Dispute:
        """Say that a unit was not worth its charge."""
        return self._run(self._client.dispute(job_id, reason, unit=unit))

    def disputes(self, state: str | None = None, *, limit: int = 50, offset: int = 0) -> Disputes:
        """One's own disputes, newest first."""
        return self._run(self._client.disputes(state, limit=limit, offset=offset))

    def watch(self, job_id: str | UUID, *, within: float | None = None) -> Iterator[Job]:
        """The job as it is now, then at each change, until it has ended."""
        changes = self._client.watch(job_id, within=within)
        while (job := self._run(_next(changes))) is not None:
            yield job

    def wait(self, job_id: str | UUID, *, within: float | None = None) -> Job:
        """The job as it ended, well or not."""
        return self._run(self._client.wait(job_id, within=within))


async def _next(changes: AsyncIterator[Job]) -> Job | None:
    return await anext(changes, None)
