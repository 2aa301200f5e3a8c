"""The client for asyncio."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias
from uuid import UUID, uuid4

import attrs

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
from rendertrust.client.backoff import Retries
from rendertrust.client.content import Progress, unheard
from rendertrust.client.downloads import fetch
from rendertrust.client.earned import Dispute, Disputes, Earnings, Payout, Payouts, Statement
from rendertrust.client.errors import BadRequest, NotAuthenticated
from rendertrust.client.login import Keeper, Login, Memory
from rendertrust.client.reading import read
from rendertrust.client.transport import Call, Transport, Waiting
from rendertrust.client.uploads import Uploads
from rendertrust.client.watching import Watch
from rendertrust.client.witness import LogWitness, MemoryPins, Pins
from rendertrust.verify import Verdict

RETRIES = Retries()
_OPERATOR = "/api/v1/operators/me"


PayoutTo: TypeAlias = Literal["credits", "money"]
NodeVerb: TypeAlias = Literal["drain", "quarantine", "release", "revoke"]


class AsyncClient:
    """A creator's view of one gateway; ``async with AsyncClient(url) as client: …``.

    Every method raises a ``RenderTrustError``: ``Refused`` and its kinds when the gateway said no,
    ``NoAnswer`` when nobody answered after all tries. Job ids are UUIDs, else ValueError.
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
        """``keeper`` keeps tokens between runs, ``pins`` what was seen of the log.

        ``waiting`` is told before a pause.

        With an ``api_key`` nobody needs to log in; Forbidden: it lacks the scope.
        """
        self._transport = Transport(url, retries, waiting)
        self._keeper = Memory(tokens) if keeper is None else keeper
        self._login = Login(self._transport, self._keeper, api_key)
        self._uploads = Uploads(self._login)
        kept = MemoryPins() if pins is None else pins
        self._witness = LogWitness(self._get_open, self._get, kept)

    @property
    def url(self) -> str:
        """The gateway's address."""
        return self._transport.url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def register(self, email: str, name: str, password: str) -> Registered:
        """Open an account, and be logged in. Conflict: the address has one already."""
        body = {"email": email, "name": name, "password": password}
        call = Call("POST", "/api/v1/auth/register", body, repeatable=False)
        registered = read(Registered, await self._transport.send(call))
        self._keeper.write(registered.tokens)
        return registered

    async def login(self, email: str, password: str) -> Tokens:
        """Log in. NotAuthenticated: the address or the password is wrong."""
        body = {"email": email, "password": password}
        call = Call("POST", "/api/v1/auth/login", body)
        tokens = read(Tokens, await self._transport.send(call))
        self._keeper.write(tokens)
        return tokens

    async def logout(self) -> None:
        """End the login, here and at the gateway; one that has ended already is as good."""
        with contextlib.suppress(NotAuthenticated):  # it is over
            await self._login.send(Call("POST", "/api/v1/auth/logout"))
        self._keeper.forget()

    async def create_key(
        self, name: str, scopes: Sequence[str], *, expires_at: datetime | None = None
    ) -> CreatedApiKey:
        """An API key. The answer alone shows it; a lost answer leaves a key to be revoked."""
        body: dict[str, Any] = {"name": name, "scopes": list(scopes)}
        if expires_at is not None:
            body["expires_at"] = expires_at.isoformat()
        call = Call("POST", "/api/v1/auth/keys", body, repeatable=False)
        return read(CreatedApiKey, await self._login.send(call))

    async def keys(self, *, limit: int = 50, offset: int = 0) -> ApiKeys:
        """One's API keys, newest first; ``limit`` 1 to 100."""
        query = {"limit": str(limit), "offset": str(offset)}
        return read(ApiKeys, await self._get("/api/v1/auth/keys", query))

    async def revoke_key(self, key_id: str | UUID) -> None:
        """Revoke an API key. NotFound: it was, or is another's."""
        path = f"/api/v1/auth/keys/{UUID(str(key_id))}"
        await self._login.send(Call("DELETE", path, repeatable=False))

    async def access_token(self) -> str:
        """A token that the gateway took just now, for one who speaks to it by other means."""
        if self._login.api_key is not None:
            return self._login.api_key
        await self.balance()
        kept = self._keeper.read()
        assert kept is not None, "a request with a token has just been answered"
        return kept.access_token

    async def balance(self) -> Balance:
        """Credits: booked, held, available."""
        return read(Balance, await self._get("/api/v1/credits/balance"))

    async def history(self, *, limit: int = 50, offset: int = 0) -> History:
        """How credits came and went, newest first; ``limit`` 1 to 100."""
        query = {"limit": str(limit), "offset": str(offset)}
        return read(History, await self._get("/api/v1/credits/history", query))

    async def upload(self, path: Path | str, *, progress: Progress = unheard) -> Upload:
        """Send a file; nothing is sent that the gateway has from this user already.

        ``progress(done, total)`` counts bytes. OSError: it cannot be read. FileChanged: somebody
        wrote to it meanwhile. TransferFailed: the object store did not take it.
        """
        return await self._uploads.send(Path(path), progress)

    async def dispatch(
        self,
        job_type: str,
        payload_ref: str,
        params: Mapping[str, Any] | None = None,
        *,
        queue: bool = False,
        idempotency_key: str | None = None,
    ) -> Placed:
        """Submit a job. However often it is tried, there is one job for one ``idempotency_key``.

        ``queue``: wait for a node instead of being refused. BadRequest: no node can do it now.
        InsufficientCredits: the price is more than what is available.
        """
        body: dict[str, Any] = {"job_type": job_type, "payload_ref": payload_ref}
        if params:
            body["params"] = dict(params)
        if queue:
            body["queue"] = True
        headers = {"Idempotency-Key": idempotency_key or str(uuid4())}
        call = Call("POST", "/api/v1/jobs/dispatch", body, headers=headers)
        return read(Placed, await self._login.send(call))

    async def jobs(self, status: str | None = None, *, limit: int = 50, offset: int = 0) -> JobList:
        """One's own jobs, newest first; of one ``status`` alone when it is given."""
        query = {"limit": str(limit), "offset": str(offset)}
        if status is not None:
            query["status"] = status
        return read(JobList, await self._get("/api/v1/jobs", query))

    async def job(self, job_id: str | UUID) -> Job:
        """One job. NotFound: it does not exist, or is another's."""
        return read(Job, await self._get(_path(job_id)))

    async def cancel(self, job_id: str | UUID) -> Job:
        """Cancel a job that no node has begun. BadRequest: too late. A cancelled one stays so."""
        try:
            return read(Job, await self._login.send(Call("POST", _path(job_id) + "/cancel")))
        except BadRequest:
            # The answer to an earlier try may have been lost on its way.
            job = await self.job(job_id)
            if job.status == "CANCELLED":
                return job
            raise

    async def result(self, job_id: str | UUID) -> ResultUrl:
        """Where the result can be fetched without a token. NotFound: there is none (yet)."""
        return read(ResultUrl, await self._get(_path(job_id) + "/result"))

    async def download(
        self,
        job_id: str | UUID,
        path: Path | str,
        *,
        stem: str | None = None,
        progress: Progress = unheard,
    ) -> Path:
        """Fetch the result to ``path``, whole or not at all, and return where it is.

        In a folder it is named ``stem``, else the job's id, with the suffix of its kind.
        OSError: it cannot be written. TransferFailed: the object store does not give it.
        """
        return await fetch(
            self._transport,
            lambda: self.result(job_id),
            Path(path),
            stem=stem or str(job_id),
            progress=progress,
        )

    def watch(self, job_id: str | UUID, *, within: float | None = None) -> AsyncIterator[Job]:
        """The job as it is now, then at each change, until it has ended.

        Raises StillRunning after ``within`` s. A gateway that restarts meanwhile is waited for.
        """
        path = _path(job_id)

        async def look() -> Job:
            return read(Job, await self._get(path))

        return Watch(str(job_id), look, self._transport.sleep, within).changes()

    async def wait(self, job_id: str | UUID, *, within: float | None = None) -> Job:
        """The job as it ended, well or not. Raises StillRunning after ``within`` s."""
        async for job in self.watch(job_id, within=within):
            if job.ended:
                return job
        raise AssertionError("a watch ends with the job")

    async def nodes(self, *, limit: int = 50, offset: int = 0) -> NodeList:
        """One's own nodes, newest first; an admin's are all."""
        query = {"limit": str(limit), "offset": str(offset)}
        return read(NodeList, await self._get("/api/v1/nodes", query))

    async def node(self, node_id: str | UUID) -> Node:
        """One node. NotFound: it does not exist, or is another's."""
        return read(Node, await self._get(_node_path(node_id)))

    async def tell_node(self, node_id: str | UUID, verb: NodeVerb, reason: str = "") -> Node:
        """Say of a node what it is to do; saying it again changes nothing.

        Conflict: not while it is what it is. Forbidden: that is for admins.
        """
        call = Call("POST", f"{_node_path(node_id)}/{verb}", {"reason": reason})
        return read(Node, await self._login.send(call))

    async def log_checkpoint(self) -> LogCheckpoint:
        """How large the gateway's log is, signed, held against what was seen of it before.

        Forked: the log is another one than before; that is evidence against the gateway.
        """
        return await self._witness.newest()

    async def entry_proof(self, entry_id: int | str | UUID, *, opening: bool = False) -> EntryProof:
        """What shows that one's entry stands in the log, verified. ``opening``: the private part.

        NotProved: it does not hold. Forked: it is of another log than was seen before.
        """
        return (await self._witness.proof(_entry_path(entry_id), _opening(opening)))[0]

    async def verify_entry(self, entry_id: int | str | UUID) -> Verdict:
        """The same, step by step; ``witnessed`` where the log was seen before."""
        return (await self._witness.proof(_entry_path(entry_id), {}))[1]

    async def _get_open(self, path: str, query: Mapping[str, str]) -> Any:
        return await self._transport.send(Call("GET", path, query=query))

    # -- operators

    async def earnings(
        self, state: str | None = None, *, limit: int = 50, offset: int = 0
    ) -> Earnings:
        """What one's nodes earned, newest first; of one ``state`` alone when it is given."""
        query = {"limit": str(limit), "offset": str(offset)}
        if state is not None:
            query["state"] = state
        return read(Earnings, await self._get(f"{_OPERATOR}/earnings", query))

    async def payouts(self, *, limit: int = 50, offset: int = 0) -> Payouts:
        """One's payouts, newest first."""
        query = {"limit": str(limit), "offset": str(offset)}
        return read(Payouts, await self._get(f"{_OPERATOR}/payouts", query))

    async def pay_out(self, to: PayoutTo, *, idempotency_key: str | None = None) -> Payout:
        """Pay out all that is payable: to credits at once, or ask for money.

        However often it is tried, it happens once. Conflict: nothing is payable.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid4())}
        call = Call("POST", f"{_OPERATOR}/payouts", {"to": to}, headers=headers)
        return read(Payout, await self._login.send(call))

    async def statement(self, month: str) -> Statement:
        """One's account as an operator in a month (``2026-03``, UTC), with all its lines."""
        page = read(Statement, await self._statement(month, 0))
        lines, after = [*page.lines], page.next
        while after is not None:
            more = read(Statement, await self._statement(month, after))
            lines, after = [*lines, *more.lines], more.next
        return attrs.evolve(page, lines=tuple(lines), next=None)

    async def _statement(self, month: str, after: int) -> Any:
        query = {"month": month, "after": str(after)}
        return await self._get(f"{_OPERATOR}/statement", query)

    # -- disputes

    async def dispute(self, job_id: str | UUID, reason: str, *, unit: int = 0) -> Dispute:
        """Say that a unit was not worth its charge. Conflict: it cannot be disputed any more."""
        call = Call("POST", f"{_path(job_id)}/units/{unit}/dispute", {"reason": reason})
        return read(Dispute, await self._login.send(call))

    async def disputes(
        self, state: str | None = None, *, limit: int = 50, offset: int = 0
    ) -> Disputes:
        """One's own disputes, newest first; of one ``state`` alone when it is given."""
        query = {"limit": str(limit), "offset": str(offset)}
        if state is not None:
            query["state"] = state
        return read(Disputes, await self._get("/api/v1/disputes", query))

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        return await self._login.send(Call("GET", path, query=query or {}))


def _node_path(node_id: str | UUID) -> str:
    return f"/api/v1/nodes/{UUID(str(node_id))}"


def _entry_path(entry_id: int | str | UUID) -> str:
    text = str(entry_id)
    return f"/api/v1/ledger/{text if text.isdecimal() else UUID(text)}/proof"


def _opening(wanted: bool) -> dict[str, str]:
    return {"opening": "true"} if wanted else {}


def _path(job_id: str | UUID) -> str:
    return f"/api/v1/jobs/{UUID(str(job_id))}"
