"""The registry of operations: what each route takes and answers, declared beside its handler."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Any, Final, Generic, Literal, TypeAlias, get_args
from uuid import UUID

import attrs
from aiohttp import web
from typing_extensions import TypeVar

from web.gateway import Gateway
from web.http.problem import Problem
from web.http.public_host import reached_at
from web.http.refusal_code import RefusalCode
from web.identity.roles import Scope as Scope  # noqa: PLC0414 - part of what this module offers
from web.identity.tokens import Claims

B = TypeVar("B", default=None)
Q = TypeVar("Q", default=None)


class Audience(Enum):
    """Who may call an operation, and with which token."""

    PUBLIC = auto()
    ANYONE = auto()  # with a user's token the answer concerns him; without one it is anonymous
    USER = auto()
    NODE = auto()
    ADMIN = auto()  # a user with the role admin; an auditor too, for GET


@attrs.frozen
class Call(Generic[B, Q]):
    """One request, validated: what a handler gets.

    ``ids`` are the UUIDs of the path by name, ``words`` what else stands there. ``digest`` is the
    SHA-256 of method, path and body, for idempotency keys.
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
        """The user or node whose token came with the request."""
        assert self.claims is not None, "this operation is open to callers without a token"
        return self.claims.subject

    @property
    def base(self) -> str | None:
        """Where the caller finds us, for presigned URLs."""
        return reached_at(self.request, self.gateway.settings)


@attrs.frozen
class Answer:
    """A success with another status than the operation's first, or with headers."""

    status: int
    value: Any
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])


# A handler returns its answer's value, an Answer, a Problem, or a response that it made itself.
Outcome: TypeAlias = Any
Handler: TypeAlias = Callable[[Call[Any, Any]], Awaitable[Outcome]]
# What requests are counted against; each is a setting of the same name. Per address: login,
# refresh, register, node, probe (health, metrics, documents), webhook, socket (the relay), object
# (presigned URLs). Per user or node, else per address: read, write, dispatch.
Rate: TypeAlias = Literal[
    "login",
    "refresh",
    "register",
    "node",
    "probe",
    "webhook",
    "socket",
    "object",
    "read",
    "write",
    "dispatch",
]
RATES: Final[tuple[Rate, ...]] = get_args(Rate)
PER_CALLER: Final[frozenset[Rate]] = frozenset({"read", "write", "dispatch"})


@attrs.frozen
class Operation:
    """One method of one path. The first of ``answers`` is the status of a plain value."""

    method: str
    path: str
    handler: Handler
    answers: Mapping[int, Any]
    rate: Rate
    audience: Audience = Audience.USER
    scope: Scope | None = None  # what an API key needs; None: only people who are logged in
    body: Any = None  # an attrs class; None: no fields, the body may be left out
    query: Any = None
    words: Any = None  # an attrs class: what stands in the path and is no UUID
    refusals: Mapping[int, str] = attrs.field(
        factory=dict[int, str]
    )  # beside 401, 403, 422, 429, 503
    absent: str = "Not found"  # the detail when an id of the path is no UUID, a word none
    absent_code: RefusalCode = RefusalCode.NOT_FOUND
    new_work: bool = False  # refused while the gateway is closing
    while_halted: bool = False  # done though nothing may be written: whoever reads must log in
    idempotency: bool = False  # takes an Idempotency-Key
    media: str = "application/json"  # what the answers are
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])  # it reads, and what they are
    raw: bool = False  # the handler gets the body's bytes as they came; ``body`` describes them
    # seconds for the handler: whoever asks is answered within two; None: it goes on, as it says
    within: float | None = 1.85
    also: str | None = None  # another media type of the first answer, for those who ask for it
    hidden: bool = False  # not described: a page's own file
    request_example: Any = None  # a body, as JSON has it
    example: Any = None  # the first answer's, as JSON has it

    @property
    def writes(self) -> bool:
        """Whether it is refused while nothing may be written."""
        return self.method != "GET" and not self.while_halted

    @property
    def noun(self) -> str:
        """What it is about: the name of its file."""
        return self.handler.__module__.rpartition(".")[2]

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (self.handler.__doc__ or "").strip().splitlines()[0]

    @property
    def description(self) -> str:
        """What the docstring says beside that."""
        return "\n".join(inspect.cleandoc(self.handler.__doc__ or "").splitlines()[1:]).strip()


class Operations:
    """Operations of one noun, or of all of them."""

    def __init__(self, parts: Iterable["Operations"] = ()) -> None:
        self._all: list[Operation] = [operation for part in parts for operation in part]

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
            self._all.append(Operation(method=method, path=path, handler=handler, **declared))
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
