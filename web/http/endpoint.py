"""The steps that all operations share, from the request to the handler and back."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar
from uuid import UUID

import attrs
from aiohttp import hdrs, web
from multidict import MultiDict, istr

from actors.kernel import AskFailed
from actors.watchman.messages import IsOpen, Watchman
from rendertrust.api.refusal_code import RefusalCode
from supervisors.registry import Registry
from web.gateway import Gateway
from web.http.body import digest_of, read_body, read_bytes, read_document
from web.http.caller import CALLER
from web.http.converter import structure_query, uuid_of
from web.http.operations import Answer, Call, Operation
from web.http.problem import Problem, invalid, sentence, unavailable
from web.http.rate_limits import PER_CALLER, admit
from web.http.responses import refusal, success
from web.identity.authentication import identify
from web.identity.tokens import Claims

T = TypeVar("T")
LATE = unavailable("The gateway did not finish in time; try again", code=RefusalCode.TIMED_OUT)
# Headers that must not be repeated, because two programs could each read a different value. The
# HTTP parser checks the headers of HTTP itself.
ONCE = (hdrs.AUTHORIZATION, istr("Idempotency-Key"))
HALTED_SECONDS = 60  # an admin must act first, so more frequent tries are useless
ADMISSION_SECONDS = 0.5  # deadline for the Watchman's answer
ANSWER_SECONDS = 1.85  # usual deadline of a handler; answers are due within two seconds
CLOSING = unavailable(
    "The gateway is starting or closing; try again", retry_after=2, code=RefusalCode.GATEWAY_CLOSING
)


class Deadline:
    """A limit of ``seconds`` for each of many concurrent tasks, with one timer for all of them.

    Tasks expire in the order in which they began. ``asyncio.timeout`` sets a timer for each task,
    which costs a tenth of a short request.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[asyncio.Task[Any], float] = {}  # loop times, the earliest first
        self._timer: asyncio.TimerHandle | None = None

    async def keep(self, work: Awaitable[T]) -> T:
        """Return the result of ``work``, which runs in the current task. Raises TimeoutError."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None, "a request is served in a task"
        self._due[task] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._expire)
        try:
            return await work
        except asyncio.CancelledError as error:
            if task in self._due or task.cancelling() > 1:
                raise  # somebody else has cancelled the task
            raise TimeoutError from error
        finally:
            if self._due.pop(task, None) is None:
                task.uncancel()

    def _expire(self) -> None:
        """Cancel the tasks that are due, and wait for the next one."""
        self._timer, loop = None, asyncio.get_running_loop()
        for task, due in list(self._due.items()):
            if due > loop.time():
                self._timer = loop.call_at(due, self._expire)
                return
            del self._due[task]
            task.cancel()


class Endpoint:
    """One operation as an aiohttp handler."""

    def __init__(self, operation: Operation, gateway: Gateway) -> None:
        self.operation = operation
        self._gateway = gateway
        self._success, self._usual = next(iter(operation.answers.items()))
        self._deadline = Deadline(operation.within or ANSWER_SECONDS)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Admit, authenticate, validate, run the handler, respond."""
        return self._answered(request, await self._outcome(request))

    async def serve_as(self, request: web.Request, claims: Claims) -> web.StreamResponse:
        """Validate, run the handler and respond, for a caller who is already authenticated."""
        if self.operation.new_work and not await is_open(self._gateway.registry):
            return refusal(request, CLOSING)
        return self._answered(request, await self._called(request, claims))

    def _answered(self, request: web.Request, outcome: Any) -> web.StreamResponse:
        if type(outcome) is self._usual:
            return success(self._success, outcome)
        if isinstance(outcome, Answer):
            return success(outcome.status, outcome.value, outcome.headers)
        if isinstance(outcome, Problem):
            return refusal(request, outcome)
        if isinstance(outcome, web.StreamResponse):
            return outcome
        return success(self._success, outcome)

    async def _outcome(self, request: web.Request) -> Any:
        rate, counts_callers = self.operation.rate, self.operation.rate in PER_CALLER
        if not counts_callers:
            refused = await admit(self._gateway.rates, request, rate, request[CALLER].subject)
            if refused is not None:
                return refused
        refused = await self._refuse(request)
        if refused is not None:
            return refused
        claims = await identify(self._gateway, request, self.operation)
        if counts_callers:
            # Requests without valid credentials are counted by address.
            address = request[CALLER].subject
            subject = claims.subject if isinstance(claims, Claims) else address
            refused = await admit(self._gateway.rates, request, rate, subject)
            if refused is not None:
                return refused
        if isinstance(claims, Problem):
            return claims
        return await self._called(request, claims)

    async def _called(self, request: web.Request, claims: Claims | None) -> Any:
        if self.operation.writes and (halt := await self._gateway.halts.now()) is not None:
            return unavailable(
                sentence(halt.text), retry_after=HALTED_SECONDS, code=RefusalCode.LOG_HALTED
            )
        words = self._words(request)
        if isinstance(words, Problem):
            return words
        ids = self._ids(request, words)
        if isinstance(ids, Problem):
            return ids
        query = self._query(request)
        if isinstance(query, Problem):
            return query
        body = await self._body(request)
        if isinstance(body, Problem):
            return body
        digest = await self._digest(request)
        call = Call(self._gateway, request, claims, ids, body, query, digest, words)
        return await self._handled(call)

    async def _digest(self, request: web.Request) -> bytes:
        """Return the digest for the idempotency key, b'' without a key; the body has been read."""
        if not self.operation.idempotency or "Idempotency-Key" not in request.headers:
            return b""
        return await digest_of(request)

    async def _handled(self, call: Call[Any, Any]) -> Any:
        """Run the handler; return 503 if it exceeds its deadline. A stream has no deadline."""
        if self.operation.streams:
            return await self.operation.handler(call)
        try:
            return await self._deadline.keep(self.operation.handler(call))
        except TimeoutError:
            return LATE

    async def _refuse(self, request: web.Request) -> Problem | None:
        """Refuse a repeated header, and new work while the gateway is starting or closing."""
        for name in ONCE:
            if len(request.headers.getall(name, ())) > 1:
                return Problem(
                    400, f"The header {name} is repeated", code=RefusalCode.HEADER_REPEATED
                )
        if self.operation.new_work and not await is_open(self._gateway.registry):
            return CLOSING
        return None

    def _words(self, request: web.Request) -> dict[str, str] | Problem:
        """Parse the path's parameters that are not UUIDs."""
        kind = self.operation.words
        if kind is None:
            return {}
        read = structure_query(MultiDict(request.match_info), kind)
        if isinstance(read, list):
            return self.operation.absent
        words: dict[str, str] = attrs.asdict(read)
        return words

    def _ids(self, request: web.Request, words: Mapping[str, str]) -> dict[str, UUID] | Problem:
        ids: dict[str, UUID] = {}
        for name, text in request.match_info.items():
            if name in words:
                continue
            uuid = uuid_of(text)
            if uuid is None:
                return self.operation.absent
            ids[name] = uuid
        return ids

    def _query(self, request: web.Request) -> Any:
        if self.operation.query is None:
            return None
        read = structure_query(request.query, self.operation.query)
        return invalid(read) if isinstance(read, list) else read

    async def _body(self, request: web.Request) -> Any:
        if self.operation.method == "GET":
            return None
        if self.operation.raw:
            return await read_bytes(request, self._gateway.settings.server.body_seconds)
        document = await read_document(request, self._gateway.settings.server.body_seconds)
        if isinstance(document, Problem):
            return document
        return read_body(document, self.operation.body)


async def is_open(registry: Registry) -> bool:
    """Return True if the Watchman admits new work; False if the Watchman does not answer, as while
    it starts or stops.
    """
    try:
        return await registry.ref(Watchman).ask(IsOpen(), within=ADMISSION_SECONDS)
    except AskFailed:
        return False
