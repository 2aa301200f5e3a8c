"""Registry of operations: what each route accepts and returns, declared beside its handler."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Any, Final, Generic, TypeAlias, get_args, get_origin, get_type_hints
from uuid import UUID

import attrs
from aiohttp import web
from typing_extensions import TypeVar

from rendertrust.api.refusal_code import RefusalCode
from web.gateway import Gateway
from web.http.problem import Problem
from web.http.public_host import reached_at
from web.http.rate_limits import Rate
from web.identity.roles import Scope as Scope  # noqa: PLC0414 - part of what this module offers
from web.identity.tokens import Claims

B = TypeVar("B", default=None)
Q = TypeVar("Q", default=None)


class Audience(Enum):
    """The allowed callers of an operation, and the kind of their token."""

    PUBLIC = auto()
    ANYONE = auto()  # a token is optional: with one the caller is its user, otherwise anonymous
    USER = auto()
    NODE = auto()
    ADMIN = auto()  # a user with the role admin, or auditor for GET


@attrs.frozen
class Call(Generic[B, Q]):
    """A validated request, as the handler gets it.

    ``ids``: the UUIDs in the path by name; ``words``: the other parameters of the path. ``digest``:
    the SHA-256 of method, path and body, for idempotency keys.
    """

    gateway: Gateway
    request: web.Request
    claims: Claims | None
    ids: Mapping[str, UUID]
    body: B
    query: Q
    digest: bytes = attrs.field(default=b"", repr=False)
    words: Mapping[str, str] = attrs.field(factory=dict[str, str])

    @property
    def caller(self) -> UUID:
        """Return the user or node whose token came with the request."""
        assert self.claims is not None, "this operation allows callers without a token"
        return self.claims.subject

    @property
    def base(self) -> str | None:
        """Return the gateway's address as the caller sees it.

        None if the settings name one, or the Host is invalid.
        """
        return reached_at(self.request, self.gateway.settings)


@attrs.frozen
class Answer:
    """A success with headers, or with a status other than the operation's first."""

    status: int
    value: Any
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])


# A handler returns the answer's value, an Answer, a Problem, or a finished response.
Outcome: TypeAlias = Any
Handler: TypeAlias = Callable[[Call[Any, Any]], Awaitable[Outcome]]


NOT_FOUND: Final = Problem(404, "Not found", code=RefusalCode.NOT_FOUND)


@attrs.frozen
class Operation:
    """One method of one path. A plain value is sent with the first status of ``answers``.

    The types of the handler declare ``body``, ``query`` and an answer with status 200: ``Call[Body,
    Query]``, returning ``Shape | Problem``. ``rate``: without a rate, GET counts as a read and
    other methods as a write.
    """

    method: str
    path: str
    handler: Handler
    answers: Mapping[int, Any]
    rate: Rate
    audience: Audience = Audience.USER
    scope: Scope | None = None  # scope that an API key needs; None: API keys are refused
    body: Any = None  # an attrs class; None: no fields, and the body may be absent
    query: Any = None
    words: Any = None  # an attrs class for path parameters that are not UUIDs
    # Refusals of the handler; ``web.openapi.error_responses`` adds those of the shared steps.
    refusals: Mapping[int, str] = attrs.field(factory=dict[int, str])
    absent: Problem = NOT_FOUND  # the answer if a path parameter is malformed
    new_work: bool = False  # refused while the gateway is starting or closing
    while_halted: bool = (
        False  # allowed while writing is stopped, like a login, without which nobody could read
    )
    idempotency: bool = False  # accepts an Idempotency-Key
    media: str = "application/json"  # media type of the answers
    # Request headers that the handler reads, with descriptions.
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    raw: bool = False  # the handler gets the raw bytes; ``body`` only describes them
    within: float | None = None  # deadline of the handler in seconds; None: the usual one
    streams: bool = False  # the answer continues, so the handler has no deadline
    also: tuple[str, ...] = ()  # other media types of the first answer, by content negotiation
    hidden: bool = False  # not in the OpenAPI document, as it is a file of a page
    request_example: Any = None  # an example of the body, as JSON
    example: Any = None  # an example of the first answer, as JSON

    @property
    def writes(self) -> bool:
        """Return True if the operation is refused while writing is stopped."""
        return self.method != "GET" and not self.while_halted

    @property
    def noun(self) -> str:
        """Return the name of the handler's module: the operation's tag in the OpenAPI document."""
        return self.handler.__module__.rpartition(".")[2]

    @property
    def summary(self) -> str:
        """Return the first line of the handler's docstring."""
        return (self.handler.__doc__ or "").strip().splitlines()[0]

    @property
    def description(self) -> str:
        """Return the rest of the handler's docstring."""
        return "\n".join(inspect.cleandoc(self.handler.__doc__ or "").splitlines()[1:]).strip()


def type_arguments(annotation: Any, of: type[Any]) -> tuple[Any, ...]:
    """Return the types in ``annotation``, a use of the generic class ``of``, padded with None."""
    given = get_args(annotation) if get_origin(annotation) is of else ()
    return (*(None if each is type(None) else each for each in given), None, None)


def read_signature(handler: Handler) -> dict[str, Any]:
    """Return the body, the query and the answer of status 200 that a handler's types name."""
    hints = get_type_hints(handler, include_extras=True)
    answers = hints.pop("return", None)
    kinds = [each for each in get_args(answers) or (answers,) if attrs.has(each)]
    body, query, *_ = type_arguments(next(iter(hints.values()), None), Call)
    read = {"body": body, "query": query}
    named = [each for each in kinds if each not in (Problem, Answer)]
    return {**read, "answers": {200: named[0]}} if len(named) == 1 else read


class Operations:
    """The operations of one module of routes, or of several. ``usual``: values for the members of
    ``Operation`` that a declaration leaves out.
    """

    def __init__(self, parts: Iterable["Operations"] = (), **usual: Any) -> None:
        self._all: list[Operation] = [operation for part in parts for operation in part]
        self._usual = usual

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._all)

    def get(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        return self._declare("GET", path, declared)

    def post(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        return self._declare("POST", path, declared)

    def put(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        return self._declare("PUT", path, declared)

    def patch(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        return self._declare("PATCH", path, declared)

    def delete(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        return self._declare("DELETE", path, declared)

    def _declare(
        self, method: str, path: str, declared: Mapping[str, Any]
    ) -> Callable[[Handler], Handler]:
        def note(handler: Handler) -> Handler:
            rate = "read" if method == "GET" else "write"
            members: dict[str, Any] = {
                "rate": rate,
                **read_signature(handler),
                **self._usual,
                **declared,
            }
            self._all.append(Operation(method=method, path=path, handler=handler, **members))
            return handler

        return note


NOT_AUTHENTICATED: Final = Problem(
    401,
    "Not authenticated",
    headers={"WWW-Authenticate": 'Bearer realm="rendertrust"'},
    code=RefusalCode.NOT_AUTHENTICATED,
)
TOKEN_REFUSED: Final = Problem(
    401,
    "Invalid or expired token",
    headers={"WWW-Authenticate": 'Bearer realm="rendertrust", error="invalid_token"'},
    code=RefusalCode.TOKEN_INVALID,
)
