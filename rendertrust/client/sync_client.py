"""The client for programs without asyncio: the same methods, on an event loop of its own."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from rendertrust.api.accounts import (
    ApiKey,
    ApiKeys,
    CreatedApiKey,
    Registered,
    Session,
    Sessions,
    Tokens,
)
from rendertrust.api.credits import Balance, Checkout, Entry, History, Hold, Holds, Offers, Usage
from rendertrust.api.earnings import Dispute, Disputes, Earnings, Payout, Payouts, Share, Statement
from rendertrust.api.jobs import Job, JobList, Placed, ResultUrl
from rendertrust.api.ledger import EntryProof, LogCheckpoint, ReceiptFile
from rendertrust.api.nodes import Node, NodeChecks, NodeConnections, NodeList
from rendertrust.api.uploads import Upload
from rendertrust.client.async_client import (
    RETRIES,
    AsyncClient,
    Needs,
    NodeVerb,
    Order,
    PayoutTo,
    Pool,
    Priority,
)
from rendertrust.client.backoff import Retries
from rendertrust.client.bundles import Bundle
from rendertrust.client.content import Progress, unheard
from rendertrust.client.log_monitor import Pins
from rendertrust.client.login import TokenStore
from rendertrust.client.loop_thread import LoopThread
from rendertrust.client.sync_events import SyncEventsApi
from rendertrust.client.sync_organisations import SyncOrganisationsApi
from rendertrust.client.sync_preflights import SyncPreflightsApi
from rendertrust.client.sync_units import SyncUnitsApi
from rendertrust.client.transport import Waiting
from rendertrust.proof_check import Verdict


class Client(SyncUnitsApi, SyncPreflightsApi, SyncOrganisationsApi, SyncEventsApi):
    """A creator's view of one gateway; ``with Client(url) as client: …``. Methods as AsyncClient's.

    Its loop runs in a thread, so that it works where another loop runs already (a notebook). What
    is passed as ``progress`` and ``waiting`` is called in that thread.
    """

    def __init__(
        self,
        url: str,
        *,
        tokens: Tokens | None = None,
        keeper: TokenStore | None = None,
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
        self._bridge = LoopThread()

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
        self._bridge.close(self._client.close)

    def register(self, email: str, name: str, password: str) -> Registered:
        """Open an account, and be logged in."""
        return self._bridge.run(self._client.register(email, name, password))

    def login(self, email: str, password: str) -> Tokens:
        """Log in."""
        return self._bridge.run(self._client.login(email, password))

    def logout(self) -> None:
        """End the login, here and at the gateway."""
        self._bridge.run(self._client.logout())

    def create_key(
        self, name: str, scopes: Sequence[str], *, expires_at: datetime | None = None
    ) -> CreatedApiKey:
        """An API key, shown this once."""
        return self._bridge.run(self._client.create_key(name, scopes, expires_at=expires_at))

    def keys(self, *, limit: int = 50, offset: int = 0) -> ApiKeys:
        """One's API keys, newest first."""
        return self._bridge.run(self._client.keys(limit=limit, offset=offset))

    def each_key(self) -> Iterator[ApiKey]:
        """All of them, page after page."""
        return self._bridge.each(self._client.each_key())

    def revoke_key(self, key_id: str | UUID) -> None:
        """Revoke an API key."""
        self._bridge.run(self._client.revoke_key(key_id))

    def change_password(self, old: str, new: str) -> None:
        """Change one's password."""
        self._bridge.run(self._client.change_password(old, new))

    def sessions(self, *, limit: int = 50, offset: int = 0) -> Sessions:
        """Where one is logged in."""
        return self._bridge.run(self._client.sessions(limit=limit, offset=offset))

    def each_session(self) -> Iterator[Session]:
        """All of them, page after page."""
        return self._bridge.each(self._client.each_session())

    def end_session(self, sid: str | UUID) -> None:
        """End a login of one's own."""
        self._bridge.run(self._client.end_session(sid))

    def access_token(self) -> str:
        """A token that the gateway took just now."""
        return self._bridge.run(self._client.access_token())

    def balance(self) -> Balance:
        """Credits: booked, held, available."""
        return self._bridge.run(self._client.balance())

    def history(self, *, limit: int = 50, offset: int = 0, after: str | None = None) -> History:
        """How credits came and went, newest first."""
        return self._bridge.run(self._client.history(limit=limit, offset=offset, after=after))

    def each_entry(self) -> Iterator[Entry]:
        """All that came and went, newest first, page after page."""
        return self._bridge.each(self._client.each_entry())

    def deduct(
        self,
        amount: str,
        reference_id: str,
        description: str = "",
        *,
        idempotency_key: str | None = None,
    ) -> Entry:
        """Deduct by hand, once for one ``reference_id``."""
        return self._bridge.run(
            self._client.deduct(amount, reference_id, description, idempotency_key=idempotency_key)
        )

    def holds(self, *, limit: int = 50, offset: int = 0) -> Holds:
        """What is set aside now, newest first."""
        return self._bridge.run(self._client.holds(limit=limit, offset=offset))

    def each_hold(self) -> Iterator[Hold]:
        """All that is set aside, page after page."""
        return self._bridge.each(self._client.each_hold())

    def usage(self, days: int = 30) -> Usage:
        """What one was charged, day by day."""
        return self._bridge.run(self._client.usage(days))

    def offers(self) -> Offers:
        """What can be bought."""
        return self._bridge.run(self._client.offers())

    def checkout(self, sku: str, *, idempotency_key: str | None = None) -> Checkout:
        """Begin to buy credits: where it is paid."""
        return self._bridge.run(self._client.checkout(sku, idempotency_key=idempotency_key))

    def upload(self, path: Path | str, *, progress: Progress = unheard) -> Upload:
        """Send a file that the gateway does not have yet."""
        return self._bridge.run(self._client.upload(path, progress=progress))

    def upload_all(
        self, scene: str, files: Mapping[str, Path | str], *, progress: Progress = unheard
    ) -> Bundle:
        """Send a scene with the files that it links."""
        return self._bridge.run(self._client.upload_all(scene, files, progress=progress))

    def dispatch(
        self,
        job_type: str,
        payload_ref: str,
        params: Mapping[str, Any] | None = None,
        *,
        queue: bool = False,
        manifest: str | None = None,
        frames: str | None = None,
        chunk: int | None = None,
        tiles: str | None = None,
        order: Order | None = None,
        priority: Priority | None = None,
        max_credits: str | None = None,
        pool: Pool | None = None,
        needs: Needs | None = None,
        as_is: bool = False,
        quoted: str | None = None,
        idempotency_key: str | None = None,
    ) -> Placed:
        """Submit a job, once for one ``idempotency_key``."""
        return self._bridge.run(
            self._client.dispatch(
                job_type,
                payload_ref,
                params,
                queue=queue,
                manifest=manifest,
                frames=frames,
                chunk=chunk,
                tiles=tiles,
                order=order,
                priority=priority,
                max_credits=max_credits,
                pool=pool,
                needs=needs,
                as_is=as_is,
                quoted=quoted,
                idempotency_key=idempotency_key,
            )
        )

    def jobs(
        self,
        status: str | None = None,
        *,
        limit: int = 50,
        offset: int = 0,
        after: str | None = None,
    ) -> JobList:
        """One's own jobs, newest first."""
        return self._bridge.run(self._client.jobs(status, limit=limit, offset=offset, after=after))

    def each_job(self, status: str | None = None) -> Iterator[Job]:
        """All of them, newest first, page after page."""
        return self._bridge.each(self._client.each_job(status))

    def job(self, job_id: str | UUID) -> Job:
        """One job."""
        return self._bridge.run(self._client.job(job_id))

    def cancel(self, job_id: str | UUID) -> Job:
        """Cancel a job that no node has begun."""
        return self._bridge.run(self._client.cancel(job_id))

    def retry(self, job_id: str | UUID) -> Placed:
        """Do a job again that failed or was cancelled."""
        return self._bridge.run(self._client.retry(job_id))

    def result(self, job_id: str | UUID) -> ResultUrl:
        """Where the result can be fetched."""
        return self._bridge.run(self._client.result(job_id))

    def download(
        self,
        job_id: str | UUID,
        path: Path | str,
        *,
        stem: str | None = None,
        progress: Progress = unheard,
    ) -> Path:
        """Fetch the result to ``path``, whole or not at all."""
        return self._bridge.run(self._client.download(job_id, path, stem=stem, progress=progress))

    def watch(self, job_id: str | UUID, *, within: float | None = None) -> Iterator[Job]:
        """The job as it is now, then at each change, until it has ended."""
        return self._bridge.each(self._client.watch(job_id, within=within))

    def wait(self, job_id: str | UUID, *, within: float | None = None) -> Job:
        """The job as it ended, well or not."""
        return self._bridge.run(self._client.wait(job_id, within=within))

    def receipt(self, job_id: str | UUID, *, unit: int | None = None) -> ReceiptFile:
        """What was done for the charge of a job, or of one of its units, verified."""
        return self._bridge.run(self._client.receipt(job_id, unit=unit))

    def dispute(
        self,
        job_id: str | UUID,
        reason: str,
        *,
        unit: int = 0,
        comparison: Mapping[str, Any] | None = None,
    ) -> Dispute:
        """Say that a unit was not worth its charge."""
        made = self._client.dispute(job_id, reason, unit=unit, comparison=comparison)
        return self._bridge.run(made)

    def disputes(self, state: str | None = None, *, limit: int = 50, offset: int = 0) -> Disputes:
        """One's own disputes, newest first."""
        return self._bridge.run(self._client.disputes(state, limit=limit, offset=offset))

    def each_dispute(self, state: str | None = None) -> Iterator[Dispute]:
        """All of them, newest first, page after page."""
        return self._bridge.each(self._client.each_dispute(state))

    def nodes(self, *, limit: int = 50, offset: int = 0) -> NodeList:
        """One's own nodes, newest first."""
        return self._bridge.run(self._client.nodes(limit=limit, offset=offset))

    def each_node(self) -> Iterator[Node]:
        """All of them, newest first, page after page."""
        return self._bridge.each(self._client.each_node())

    def node(self, node_id: str | UUID) -> Node:
        """One node."""
        return self._bridge.run(self._client.node(node_id))

    def node_checks(self, node_id: str | UUID, *, limit: int = 100) -> NodeChecks:
        """What was found of a node's work, and why; newest first."""
        return self._bridge.run(self._client.node_checks(node_id, limit=limit))

    def node_connections(self, node_id: str | UUID) -> NodeConnections:
        """When it was connected, and how each connection ended."""
        return self._bridge.run(self._client.node_connections(node_id))

    def tell_node(self, node_id: str | UUID, verb: NodeVerb, reason: str = "") -> Node:
        """Say of a node what it is to do."""
        return self._bridge.run(self._client.tell_node(node_id, verb, reason))

    def earnings(self, state: str | None = None, *, limit: int = 50, offset: int = 0) -> Earnings:
        """What one's nodes earned, newest first."""
        return self._bridge.run(self._client.earnings(state, limit=limit, offset=offset))

    def each_earning(self, state: str | None = None) -> Iterator[Share]:
        """All of them, newest first, page after page."""
        return self._bridge.each(self._client.each_earning(state))

    def payouts(self, *, limit: int = 50, offset: int = 0) -> Payouts:
        """One's payouts, newest first."""
        return self._bridge.run(self._client.payouts(limit=limit, offset=offset))

    def each_payout(self) -> Iterator[Payout]:
        """All of them, newest first, page after page."""
        return self._bridge.each(self._client.each_payout())

    def pay_out(self, to: PayoutTo, *, idempotency_key: str | None = None) -> Payout:
        """Pay out all that is payable."""
        return self._bridge.run(self._client.pay_out(to, idempotency_key=idempotency_key))

    def statement(self, month: str) -> Statement:
        """One's account as an operator in a month."""
        return self._bridge.run(self._client.statement(month))

    def log_checkpoint(self, *, accept: bool = False) -> LogCheckpoint:
        """How large the gateway's log is, held against what was seen of it before."""
        return self._bridge.run(self._client.log_checkpoint(accept=accept))

    def entry_proof(self, entry_id: int | str | UUID, *, opening: bool = False) -> EntryProof:
        """What shows that one's entry stands in the log, verified."""
        return self._bridge.run(self._client.entry_proof(entry_id, opening=opening))

    def verify_entry(self, entry_id: int | str | UUID) -> Verdict:
        """The same, step by step."""
        return self._bridge.run(self._client.verify_entry(entry_id))
